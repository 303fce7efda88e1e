"""The local page: a real server on loopback, asked by a real client and, where there is one, by a real browser."""

import http.client
import tempfile
import threading
import urllib.parse
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from browser import chromium
from PIL import Image

from multimodal_emotion import app, checkpoint, registry
from multimodal_emotion.app import Server
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.synthesis import write_media

LABELS = ("anger", "joy", "neutral", "sadness")
IMAGE = {"type": "vit", "checkpoint": "vit_tiny_patch16_224", "weights": False, "size": 32, "count": 2}
IMAGE |= {"arguments": {"embed_dim": 16, "depth": 1, "num_heads": 2}}


@pytest.fixture(scope="module")
def server(tiny_bert_folder):
    torch.manual_seed(1)
    encoders = {
        "audio": {"type": "prosody"},
        "image": IMAGE,
        "text": {"type": "bert", "checkpoint": str(tiny_bert_folder)},
    }
    settings = ModelConfig(encoders=encoders)
    task = registry.build("tasks", "multiclass", labels=list(LABELS))
    trained = TrainedModel(checkpoint.build(settings, task), task, settings)
    with Server(trained, largest=2 * 2**20) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where the server puts what it is sent, so that a test can see that nothing stays."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    (made,) = write_media([Utterance("smile", text="What a lovely day this is", label="joy")], folder)
    Image.new("RGB", (80, 60), "teal").save(folder / "teal.png")
    (folder / "broken.mp4").write_bytes(b"this is no video" * 200)
    (folder / "notes.docx").write_bytes(b"words")
    soundfile.write(folder / "large.wav", np.zeros(2 * 2**20, dtype=np.float32), 16000)
    return {path.name: path for path in folder.iterdir()} | {"smile.mp4": made.video, "smile.wav": made.audio}


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, dict]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(*server.server_address, timeout=120)) as connection:
        connection.request(method, path, body=body or None, headers=given)
        reply = connection.getresponse()
        return reply.status, reply.read().decode(), dict(reply.getheaders())


def upload(server: Server, path: Path, name: str | None = None) -> tuple[int, str]:
    return ask(server, "POST", "/predict", path.read_bytes(), X_Name=urllib.parse.quote(name or path.name))[:2]


def test_the_page_is_there_and_nothing_else(server):
    status, text, headers = ask(server, "GET", "/")
    assert status == 200
    assert "Drop a file here" in text
    assert "up to 2 MB" in text
    assert headers["Cache-Control"] == "no-store"
    assert "connect-src 'self'" in text
    for path in ("/predict", "/../setup.cfg", "/report.js", "//etc/passwd"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "POST", "/", b"x")[0] == 404


def test_it_listens_on_loopback(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("name", ["smile.mp4", "smile.wav", "teal.png"])
def test_a_file_gives_a_report_and_leaves_nothing(server, files, temporary, name):
    status, text = upload(server, files[name])
    assert status == 200, text
    assert f'"name":"{name}"' in text
    assert list(temporary.iterdir()) == []


def test_a_sentence_gives_a_report(server, temporary):
    status, text, _ = ask(server, "POST", "/predict", "a lovely <b>day</b> 好".encode())
    assert status == 200
    assert "a lovely \\u003cb\\u003eday\\u003c/b\\u003e 好" in text
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sent", "status", "message"),
    [
        ("broken.mp4", None, 422, "broken.mp4"),
        ("notes.docx", None, 422, "notes.docx: neither a video nor a sound nor a picture"),
        ("broken.mp4", "../../<b>.mp4", 422, "<b>.mp4"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_leaves_nothing(server, files, temporary, name, sent, status, message):
    found = upload(server, files[name], sent)
    assert found[0] == status
    assert message in found[1]
    assert len(found[1].splitlines()) <= 2
    assert str(temporary) not in found[1]
    assert list(temporary.iterdir()) == []


def test_bad_requests(server):
    assert ask(server, "POST", "/predict", b" ")[:2] == (422, "the sentence is empty")
    assert ask(server, "POST", "/predict", Content_Length="-1")[0] == 411
    assert ask(server, "POST", "/predict", Content_Length="100001")[:2] == (
        413,
        "the sentence has 100001 bytes; at most 100000",
    )
    status, text, _ = ask(server, "POST", "/predict", X_Name="large.wav", Content_Length=str(4 * 2**20))
    assert (status, text) == (413, "large.wav has 4 MB; at most 2 (--largest MB)")
    status, text, _ = ask(server, "POST", "/predict", b"x", X_Name="cut%20off.wav", Content_Length="1")
    assert (status, "cut off.wav" in text) == (422, True)


def test_other_sites_are_refused(server):
    port = server.server_address[1]
    assert ask(server, "GET", "/", Host=f"localhost:{port}")[0] == 200
    for headers in (
        {"Host": f"evil.example:{port}"},  # a name that was made to point to this machine
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        status, text, _ = ask(server, "POST", "/predict", b"a lovely day", **headers)
        assert status == 403
        assert text == f"this page is at {server.address}"


def test_a_failure_of_ours_is_no_page_and_the_next_request_works(server, monkeypatch, capfd):
    def fail(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(app, "predict_utterances", fail)
    assert ask(server, "POST", "/predict", b"a lovely day")[:2] == (500, "The program failed; its terminal says where.")
    monkeypatch.undo()
    assert ask(server, "POST", "/predict", b"a lovely day")[0] == 200
    assert "a defect" in capfd.readouterr().err


def test_a_port_in_use(server):
    with pytest.raises(InputError, match="in use; another --port"):
        Server(server.trained, port=server.server_address[1])


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


def test_upload_sentence_and_errors_in_a_browser(browser, server, files):
    browser.open(server.address)
    browser.requests()
    browser.type("#file", str(files["smile.mp4"]))
    browser.wait("document.querySelector('.report .verdict') !== null")
    assert browser.run("return document.querySelector('#reports .name').textContent") == "smile.mp4"
    assert browser.run("return document.querySelectorAll('#reports button.window').length") >= 1
    assert browser.run("return document.querySelector('#save').download") == "smile.mp4.html"
    assert browser.run("return document.querySelector('#error').textContent") == ""
    browser.type("#text", "a lovely day")
    browser.click("#send")
    browser.wait("document.querySelector('.said') !== null")
    assert browser.run("return document.querySelector('.said').textContent") == "a lovely day"
    assert browser.complaints() == []
    browser.type("#file", str(files["large.wav"]))
    assert (
        browser.wait("document.querySelector('#error').textContent") == "large.wav has 5 MB; at most 2 (--largest MB)"
    )
    browser.type("#file", str(files["broken.mp4"]))
    assert browser.wait("(document.querySelector('#error').textContent.match(/broken.mp4/) || [])[0]")
    assert browser.run("return document.querySelectorAll('#reports .report').length") == 0
    # Chromium itself notes every answer that is not 200
    assert [line for line in browser.complaints() if "422" not in line] == []
    asked = {address for address in browser.requests() if not address.startswith(("data:", "blob:"))}
    assert asked == {server.address + "predict"}


def test_the_saved_report_is_a_page_of_its_own(browser, server, tmp_path):
    browser.open(server.address)
    browser.type("#text", "a lovely day")
    browser.click("#send")
    browser.wait("!document.querySelector('#keep').hidden")
    text = ask(server, "POST", "/predict", b"a lovely day")[1]
    (tmp_path / "saved.html").write_text(text, encoding="utf-8")
    browser.open((tmp_path / "saved.html").as_uri())
    assert browser.run("return document.querySelector('.said').textContent") == "a lovely day"
    assert browser.complaints() == []


@pytest.mark.parametrize(("button", "kind"), [("#camera", "video"), ("#microphone", "audio")])
def test_camera_and_microphone(browser, server, button, kind):
    browser.open(server.address)
    browser.click(button)
    browser.wait(f"document.querySelector('{button}').getAttribute('aria-pressed') === 'true'")
    browser.run("return new Promise((done) => setTimeout(done, 1500))")
    browser.click(button)
    browser.wait("document.querySelector('#reports .verdict') !== null || document.querySelector('#error').textContent")
    assert browser.run("return document.querySelector('#error').textContent") == ""
    assert browser.run("return document.querySelector('#reports .name').textContent").endswith(".webm")
    assert browser.run("return document.querySelectorAll('#reports button.window').length") >= 1
    assert browser.complaints() == []


def test_it_fits_a_phone(browser, server):
    browser.look(360, 740, True)
    browser.open(server.address)
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    browser.look(1100, 800)
