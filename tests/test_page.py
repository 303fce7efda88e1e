"""The page of a prediction: what is in it, what can never be in it, and what a real browser makes of it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import chromium

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import probe
from multimodal_emotion.page import THRESHOLD, _contents, as_script_data, page, page_writer
from multimodal_emotion.prediction import Prediction, abstaining, line, write
from multimodal_emotion.synthesis import write_media
from multimodal_emotion.timeline_plot import caption

HOSTILE = '</script><script>document.title="owned"</script><img src=x onerror=document.title="owned">{{script}}\u2028'


def scores(joy: float, anger: float = 0.1) -> dict[str, float]:
    return {"joy": joy, "anger": anger, "neutral": round(1 - joy - anger, 3)}


def recording(source: Path | None = None, name: str = "talk.wav", said: str = "so it goes") -> Prediction:
    opinions = {"audio": scores(0.2, 0.5), "text": scores(0.7)}
    windows = tuple(
        Prediction(
            name, label, scores(joy, anger), ("audio", "text"), said, start, start + 1.0, opinions,
            {"audio": 0.25, "text": 0.75}, source=source,
        )
        for start, joy, anger, label in ((0.0, 0.8, 0.1, "joy"), (1.0, 0.4, 0.3, "joy"), (2.0, 0.3, 0.6, "anger"))
    )  # fmt: skip
    return Prediction(
        name, "joy", scores(0.6), ("audio", "text"), opinions=opinions, shares={"audio": 0.25, "text": 0.75},
        errors=("image is absent: no image or video file", "a word was cut"), windows=windows, source=source,
    )  # fmt: skip


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "talk.wav"
    seconds = np.arange(3 * 16000) / 16000
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 220 * seconds) * (seconds > 1.5), 16000)
    return path


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))


class Markup(HTMLParser):
    """The elements of a page, and every attribute that could ask for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asks: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.asks += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]


def test_a_page_holds_the_recording_and_asks_for_nothing(sound, tmp_path):
    with page_writer(tmp_path / "out.html") as add:
        add(recording(sound))
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    data = data_of(text)
    (report,) = data["reports"]
    assert data["threshold"] == THRESHOLD
    assert report["media"]["source"].startswith("data:audio/wav;base64,UklGR")
    assert [window["label"] for window in report["windows"]] == ["joy", "joy", "anger"]
    assert report["absent"] == [["image", "no image or video file"]]
    assert report["notes"] == ["a word was cut"]
    assert report["seconds"] == pytest.approx(3.0)
    assert set(report["tones"]) == {"joy", "anger", "neutral"}
    markup = Markup(text)
    assert markup.asks == ["data:,"]
    assert markup.tags.count("script") == 2
    assert "default-src 'none'" in text
    assert "http" not in re.sub(
        r"http-equiv|http://www.w3.org/2000/svg", "", text.replace(report["media"]["source"], "")
    )


def test_loudness_follows_the_sound(sound, tmp_path):
    levels = _contents.loudness(sound, 60)
    assert len(levels) == 60
    assert max(levels[:29]) == 0
    assert min(levels[31:]) > 0.9
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    assert _contents.loudness(tmp_path / "silent.wav") == []
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    assert _contents.loudness(tmp_path / "broken.wav") == []


def test_what_a_user_wrote_stays_text(tmp_path):
    found = recording(name=HOSTILE, said=HOSTILE)
    text = page([_contents.contents(found, _contents.Room(tmp_path))])
    assert "owned" in text
    assert Markup(text).tags.count("script") == 2
    assert Markup(text).tags.count("img") == 0
    (report,) = data_of(text)["reports"]
    assert report["name"] == HOSTILE
    assert report["windows"][0]["text"] == HOSTILE
    assert "<" not in as_script_data(HOSTILE)


def test_files_beyond_the_room_are_linked(sound, tmp_path):
    folder = tmp_path / "a b&c"
    folder.mkdir()
    moved = sound.rename(folder / "talk #1.wav")
    room = _contents.Room(tmp_path, size=moved.stat().st_size + 10)
    first = _contents.contents(recording(moved), room)["media"]
    second = _contents.contents(recording(moved), room)["media"]
    assert first["embedded"]
    assert second["source"] == "a%20b%26c/talk%20%231.wav"
    assert "it is linked" in second["note"]
    other = moved.rename(folder / "talk.aiff")
    assert "do not play .aiff" in _contents.contents(recording(other), room)["media"]["note"]


def test_a_picture_is_upright_small_and_without_its_metadata(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "secret camera"
    Image.new("RGB", (3000, 100), "red").save(tmp_path / "long.jpg", exif=exif)
    found = Prediction("long.jpg", "joy", scores(0.6), ("image",), source=tmp_path / "long.jpg")
    source = _contents.contents(found, _contents.Room(tmp_path))["media"]["source"]
    import base64
    import io

    raw = base64.b64decode(source.split(",")[1])
    assert Image.open(io.BytesIO(raw)).size == (43, 1280)
    assert b"secret" not in raw


def test_faces_are_shown_where_it_is_most_certain(tmp_path):
    (made,) = write_media([Utterance("smile", text="What a lovely day this is", label="joy")], tmp_path)
    length = probe(made.video).duration
    windows = tuple(
        Prediction("smile.mp4", label, values, ("image",), None, start, start + length / 3, source=made.video)
        for start, label, values in (
            (0.0, "joy", scores(0.7)),
            (length / 3, "joy", scores(0.9)),
            (2 * length / 3, "anger", scores(0.2, 0.6)),
        )
    )
    whole = Prediction("smile.mp4", "joy", scores(0.6), ("image",), windows=windows, source=made.video)
    assert _contents._peaks(whole) == [0, 1, 2]
    report = _contents.contents(whole, _contents.Room(tmp_path))
    assert [face["window"] for face in report["faces"]] == [0, 1, 2]
    assert all(windows[face["window"]].start <= face["time"] < windows[face["window"]].end for face in report["faces"])
    assert all(face["source"].startswith("data:image/jpeg;base64,") for face in report["faces"])


def test_only_so_many_inputs_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("multimodal_emotion.page.MOST", 3)
    found = Prediction("0", "joy", scores(0.6), ("text",), "fine")
    write([found] * 5, [tmp_path / "out.html"], as_json=False)
    data = data_of((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert len(data["reports"]) == 3
    assert data["left"] == "The first 3 of 5 inputs are shown."


def test_a_page_that_fails_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"threshold is 1\.5"):
        write([recording()], [tmp_path / "out.html"], as_json=False, threshold=1.5)
    assert list(tmp_path.iterdir()) == []


def test_below_the_threshold_no_label_is_given():
    found = abstaining(recording(), 0.65)
    assert (found.label, found.confidence) == (None, 0.6)
    assert [window.label for window in found.windows] == ["joy", None, None]
    assert "not sure" in line(found)
    assert caption(found) == "not sure"
    several = Prediction("0", ("joy", "fear"), {"joy": 0.4, "fear": 0.4}, ("text",))
    assert several.confidence is None
    assert abstaining(several, 0.9).label == ("joy", "fear")
    assert Prediction("0", None, {}, ()).confidence is None


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


def shown(browser, path: Path) -> None:
    browser.open(path.as_uri())
    browser.wait("document.querySelector('.report') !== null")


def requests(browser) -> set[str]:
    return {address for address in browser.requests() if not address.startswith(("data:", "chrome:"))}


def test_clicking_seeks_keys_move_and_nothing_leaves_the_page(browser, sound, tmp_path):
    path = tmp_path / "out.html"
    write([recording(sound)], [path], as_json=False)
    browser.requests()
    shown(browser, path)
    assert browser.run("return document.querySelector('.verdict').textContent").startswith("Joy")
    browser.wait("document.querySelector('audio').readyState > 0")
    assert browser.run("return document.querySelectorAll('button.window').length") == 3
    browser.click("button.window:nth-child(3)")
    assert browser.run("return document.querySelector('audio').currentTime") == pytest.approx(2.5, abs=0.1)
    assert "0:02.0 to 0:03.0" in browser.run("return document.querySelector('.moment').textContent")
    browser.run("document.querySelector('button.window[tabindex=\"0\"]').focus()")
    browser.type("button.window:nth-child(3)", "\ue012")  # the left arrow key
    assert browser.run("return document.activeElement.getAttribute('aria-label')").startswith(
        "0:01.0 to 0:02.0: not sure"
    )
    assert browser.run("return document.querySelector('audio').currentTime") == pytest.approx(1.01, abs=0.05)
    assert requests(browser) == {path.as_uri()}
    assert browser.complaints() == []


def test_the_threshold_can_be_moved(browser, tmp_path):
    write([recording()], [tmp_path / "out.html"], as_json=False, threshold=0.65)
    shown(browser, tmp_path / "out.html")
    verdict = "return document.querySelector('.verdict').textContent"
    assert browser.run(verdict) == "Not sureclosest: joy, 60% confident"
    browser.run(
        "const slider = document.querySelector('input[type=range]'); slider.value = 30;"
        "slider.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert browser.run(verdict) == "Joy60% confident"
    assert browser.run("return document.querySelectorAll('.window.unsure').length") == 0


def test_hostile_names_and_words_run_nothing(browser, tmp_path):
    hostile = tmp_path / "<img src=x onerror=document.title='owned'>.wav"
    soundfile.write(hostile, np.zeros(1600), 16000)
    found = [recording(hostile, HOSTILE, HOSTILE), Prediction("0", "joy", scores(0.6), ("text",), HOSTILE)]
    write(found, [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    assert browser.run("return document.title") == "2 inputs · emotion"
    assert browser.run("return document.querySelectorAll('#reports script, #reports img').length") == 0
    assert HOSTILE in browser.run("return document.querySelector('.said').textContent")
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_light_and_dark_and_can_be_read(browser, sound, tmp_path, dark):
    write([recording(sound)], [tmp_path / "out.html"], as_json=False)
    browser.look(360, 740, dark)
    shown(browser, tmp_path / "out.html")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    ratio = browser.run(CONTRAST)
    assert ratio["least"] >= 4.5, ratio
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(21, 23, 27)" if dark else "rgb(251, 250, 248)"
    )
    browser.look(1100, 800)


CONTRAST = """
const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255)
  .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, number) => sum + value * [0.2126, 0.7152, 0.0722][number], 0);
const back = (node) => {
  for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (!colour.startsWith("rgba") && colour.startsWith("rgb")) return colour;
  }
};
let found = {least: 99};
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!own || !node.checkVisibility() || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
  const [one, other] = [light(getComputedStyle(node).color), light(back(node))].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < found.least) found = {least: ratio, text: node.textContent, class: node.className};
}
return found;
"""
"""The least contrast of any text with what is behind it, as WCAG 2 defines it."""


def test_every_control_has_a_name(browser, sound, tmp_path):
    write([recording(sound)], [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "article", "Audio", "img")
    controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in roles]
    assert len([node for node in controls if node["role"]["value"] == "button"]) >= 6
    assert [node for node in controls if not node.get("name", {}).get("value")] == []


def test_a_click_on_words_is_told_and_a_move_of_the_focus_is_not_told_twice(browser, sound, tmp_path):
    write([recording(sound)], [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    told = "return document.querySelector('[role=status]').textContent"
    browser.run("document.querySelector('button.window[tabindex=\"0\"]').focus()")
    browser.type("button.window:nth-child(1)", "\ue014")  # the right arrow key
    assert browser.run(told) == ""
    browser.click(".words button:nth-of-type(3)")
    assert browser.run(told).startswith("0:02.0 to 0:03.0: Anger 60%, from sound and words")
    assert browser.run("return document.querySelectorAll('h1').length") == 1


def test_small_pictures_have_room_for_the_controls(browser, tmp_path):
    (made,) = write_media([Utterance("smile", text="What a lovely day this is", label="joy")], tmp_path)
    windows = (Prediction("smile.mp4", "joy", scores(0.7), ("image",), None, 0.0, 1.0, source=made.video),)
    whole = Prediction("smile.mp4", "joy", scores(0.7), ("image",), windows=windows, source=made.video)
    write([whole], [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    browser.wait("document.querySelector('video').readyState > 0")
    assert browser.run("return document.querySelector('video').getBoundingClientRect().width") >= 300


def test_values_of_dimensions_have_a_lane_each(browser, tmp_path):
    windows = tuple(
        Prediction("a", {"valence": v, "arousal": -v}, {"valence": v, "arousal": -v}, ("text",), "yes", s, s + 1.0)
        for s, v in ((0.0, 0.25), (1.0, -0.5))
    )
    whole = Prediction(
        "a", {"valence": -0.1, "arousal": 0.1}, {"valence": -0.1, "arousal": 0.1}, ("text",), windows=windows
    )
    write([whole], [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    assert "valence -0.10, arousal 0.10" in browser.run("return document.querySelector('.verdict').textContent")
    assert "valence-0.50 to 0.25" in browser.run("return document.querySelector('.names').textContent")
    browser.click("button.window:nth-child(2)")
    assert "0:01.0 to 0:02.0" in browser.run("return document.querySelector('.moment').textContent")
    assert browser.complaints() == []


def test_values_read_beside_a_label_are_shown_with_their_scale(browser, tmp_path):
    read = {"valence": 4.25, "arousal": 2.0}
    item = Prediction("a", "joy", scores(0.7), ("text",), "What a day", dimensions=read, scale=(1, 5))
    write([item], [tmp_path / "out.html"], as_json=False)
    shown(browser, tmp_path / "out.html")
    said = browser.run("return document.querySelector('.moment').textContent")
    assert "Valence 4.3, arousal 2.0 (on a scale from 1 to 5)" in said


def test_a_file_the_browser_cannot_play_is_said(browser, tmp_path):
    broken = tmp_path / "talk.mp3"
    broken.write_bytes(b"no sound at all" * 100)
    windows = recording(broken).windows
    data = {**_contents.contents(recording(), _contents.Room(tmp_path)), "kind": "audio"}
    data["media"] = _contents._medium(windows[0].source, "audio", _contents.Room(tmp_path))
    (tmp_path / "out.html").write_text(page([data]), encoding="utf-8")
    shown(browser, tmp_path / "out.html")
    browser.wait("document.querySelector('.player').textContent.includes('cannot play')", 20)
    browser.complaints()
