"""Generated media: deterministic, playable, and telling of emotion and speaker."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import audio_of, frames_of, probe
from multimodal_emotion.synthesis import (
    EMOTIONS,
    FPS,
    RATE,
    _acting,
    _clip,
    _face,
    _phones,
    _voice,
    film,
    speak,
    write_media,
    write_scene,
)

SENTENCE = "They have put me down for every Saturday again."
UTTERANCE = Utterance(id="rota-1", text=SENTENCE, label="anger", speaker="ben")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every emotion in its plain form: no look-alikes."""
    monkeypatch.setattr(_acting, "MOST_ALIKE", 0.0)


@pytest.mark.parametrize(
    ("word", "symbols"),
    [
        ("the", "D@"),
        ("night", "nAIt"),
        ("late", "leIt"),
        ("hoped", "hOUPd"),
        ("people", "PiP@l"),
        ("waited", "weItd"),
        ("rubber", "rVb@"),
        ("station", "st&S@n"),
    ],
)
def test_spelling_becomes_phones(word: str, symbols: str) -> None:
    assert _phones._symbols(word) == symbols


def test_every_spelling_has_phones() -> None:
    tables = (_phones._SPELLINGS, _phones._ENDINGS, _phones._WORDS, _phones._LONG)
    symbols = {symbol for table in tables for sound in table.values() for symbol in sound}
    assert symbols <= {*_phones.PHONES, *_phones._STOPS}
    assert all(_phones.spell(digit) for digit in "0123456789")
    assert set("".join(_phones._STOPS.values())) <= set(_phones.PHONES)


def test_marks_are_pauses_and_foreign_letters_are_left_out() -> None:
    assert len(_phones.words("Yes, no. 7!")) == 6
    assert _phones.words("好 -- *") == []


@pytest.mark.parametrize("text", [SENTENCE, "1971!", "好", "", "O"])
def test_speech_is_sound_between_minus_one_and_one(text: str) -> None:
    sound = speak(text, "fear", "ben")
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1
    assert len(sound) >= 0.1 * RATE


def test_the_same_seed_gives_the_same_performance() -> None:
    assert np.array_equal(speak(SENTENCE, "joy", "ben", 3), speak(SENTENCE, "joy", "ben", 3))
    assert not np.array_equal(speak(SENTENCE, "joy", "ben", 3)[:1000], speak(SENTENCE, "joy", "ben", 4)[:1000])
    loudness = np.linspace(0, 1, 5)
    assert np.array_equal(film(loudness, "joy", "ben", 3), film(loudness, "joy", "ben", 3))
    assert not np.array_equal(film(loudness, "joy", "ben", 3), film(loudness, "joy", "ben", 4))


def pitch(sound: np.ndarray) -> float:
    """The period of the autocorrelation's highest peak, between 70 and 450 Hz, as hertz; the median over 40 ms pieces."""
    pieces = np.lib.stride_tricks.sliding_window_view(sound.astype(float), 640)[::320]
    loud = pieces[pieces.std(axis=1) > 0.5 * sound.std()]
    lags = np.arange(RATE // 450, RATE // 70)
    correlation = np.stack([(loud[:, :-lag] * loud[:, lag:]).mean(axis=1) for lag in lags])
    return float(np.median(RATE / lags[correlation.argmax(axis=0)]))


@pytest.mark.usefixtures("plain")
def test_pitch_tempo_and_energy_tell_emotions_apart() -> None:
    sounds = {emotion: speak(SENTENCE, emotion, "ben") for emotion in EMOTIONS}
    assert pitch(sounds["fear"]) > 1.2 * pitch(sounds["sadness"])
    assert len(sounds["fear"]) < 0.8 * len(sounds["sadness"])
    assert sounds["anger"].std() > 3 * sounds["sadness"].std()


def test_the_pitch_is_the_one_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    still = _voice.Manner(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    monkeypatch.setattr(_voice, "perform", lambda *_: list(still))
    monkeypatch.setattr(_voice, "_speaker", lambda _: _voice.Speaker(120.0, 1.0))
    assert pitch(speak("ah me oh my are you all alone now?"[:-1])) == pytest.approx(120, rel=0.1)


def test_a_vowel_has_its_formants() -> None:
    """The response of the mouth peaks at the formants of "a" as in father."""
    response = np.abs(_voice._mouth(np.array([[730.0, 1090.0, 2440.0]]), 1.0))[0]
    frequency = np.fft.rfftfreq(_voice.SPAN, 1 / RATE)
    peaks = frequency[1:-1][(response[1:-1] > response[:-2]) & (response[1:-1] > response[2:])]
    assert peaks[:3] == pytest.approx([730, 1090, 2440], abs=40)
    assert response[0] == pytest.approx(1)


def test_speakers_have_voices_of_their_own() -> None:
    assert len({_voice._speaker(name) for name in ("ann", "ben", "cy", "di")}) == 4


def found_face(picture: np.ndarray) -> bool:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    return len(cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 1.1, 3, minSize=(40, 40))) == 1


def test_most_drawn_faces_are_found_as_faces() -> None:
    found = [found_face(film(np.zeros(1), emotion, f"speaker {n}")[0]) for emotion in EMOTIONS for n in range(4)]
    assert np.mean(found) >= 0.75


@pytest.mark.usefixtures("plain")
def test_emotions_look_different_and_the_mouth_opens_with_the_sound() -> None:
    faces = [film(np.zeros(1), emotion, "ben")[0].astype(int) for emotion in EMOTIONS]
    for number, face in enumerate(faces):
        assert all(np.abs(face - other).max() > 50 for other in faces[:number])
    silent, loud = (film(np.full(1, loudness), "neutral", "ben")[0].astype(int) for loudness in (0.0, 1.0))
    below, above = (np.abs(silent - loud)[part].mean() for part in (slice(70, 100), slice(0, 60)))
    assert below > 10 * above


@pytest.mark.parametrize(("manners", "alike"), [(_voice.MANNERS, _voice.ALIKE), (_face.EXPRESSIONS, _face.ALIKE)])
def test_every_emotion_has_one_look_alike(manners: dict, alike: tuple) -> None:
    assert tuple(manners) == EMOTIONS
    assert sorted(emotion for pair in alike for emotion in pair) == sorted(EMOTIONS)


def test_voice_and_face_have_different_look_alikes() -> None:
    assert not {frozenset(pair) for pair in _voice.ALIKE} & {frozenset(pair) for pair in _face.ALIKE}


def test_an_unknown_emotion_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown emotion 'angry' in generated media; did you mean 'anger'"):
        speak(SENTENCE, "angry")
    with pytest.raises(InputError, match="unknown emotion 'envy' in generated media"):
        film(np.zeros(1), "envy")


@pytest.mark.parametrize("codec", [codec for codec in _clip.CODECS if codec in __import__("av").codecs_available])
def test_written_files_decode_to_what_was_generated(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_clip, "CODECS", (codec,))
    (written,) = write_media([UTTERANCE], tmp_path / "new" / "media")
    sound = speak(SENTENCE, "anger", "ben", "0 rota-1")
    assert audio_of(written).samples == pytest.approx(sound, abs=1e-4)
    frames = frames_of(written)
    info = probe(written.video)
    assert (info.width, info.height, info.fps, info.has_audio) == (112, 112, FPS, True)
    assert len(frames.pixels) == -(-len(sound) * FPS // RATE)
    assert frames.times[1] - frames.times[0] == pytest.approx(1 / FPS)
    expected = film(_clip._loudness(sound), "anger", "ben", "0 rota-1")
    assert np.abs(frames.pixels.astype(int) - expected).mean() < 8


def test_the_video_carries_the_same_sound(tmp_path: Path) -> None:
    (written,) = write_media([UTTERANCE], tmp_path)
    file, track = (audio_of(Utterance(id="x", **{kind: getattr(written, kind)})) for kind in ("audio", "video"))
    length = min(len(file.samples), len(track.samples))
    assert length >= 0.97 * len(file.samples)
    assert np.corrcoef(file.samples[:length], track.samples[:length])[0, 1] > 0.9


def test_files_that_are_there_are_kept_and_the_rest_is_written(tmp_path: Path) -> None:
    rows = [UTTERANCE, Utterance(id="rota-2", text="Fine.")]
    first = write_media(rows, tmp_path)
    kept = first[0].audio.stat().st_mtime_ns
    first[1].video.unlink()
    assert write_media(rows, tmp_path) == first
    assert first[0].audio.stat().st_mtime_ns == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "generated.json",
        *("rota-1.mp4", "rota-1.wav", "rota-2.mp4", "rota-2.wav"),
    ]


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(_clip, "Fraction", fail)
    with pytest.raises(OSError, match="no space left"):
        write_media([UTTERANCE], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generated.json", "rota-1.wav"]


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (Utterance(id="a", text="好 - "), "utterance 'a' has no English words; speech can only be generated from them"),
        (Utterance(id="a", text="Oh", label=("joy", "fear")), r"'a': label \('joy', 'fear'\); one emotion is expected"),
        (Utterance(id="a", text="Oh", label="boredom"), "unknown emotion 'boredom'"),
        (Utterance(id="../a", text="Oh"), "utterance '../a': its id cannot name a file"),
        (Utterance(id=".a", text="Oh"), "its id cannot name a file"),
    ],
)
def test_an_utterance_that_cannot_be_spoken_is_named(utterance: Utterance, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_media([utterance], tmp_path / "media")
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_folder_holds_the_media_of_one_seed(tmp_path: Path) -> None:
    write_media([UTTERANCE], tmp_path, seed=1)
    with pytest.raises(InputError, match="holds media generated from seed 1, not 0; name another folder"):
        write_media([UTTERANCE], tmp_path)
    (tmp_path / "generated.json").write_text("[]")
    with pytest.raises(InputError, match=r"generated.json: no JSON object with a seed; name another folder"):
        write_media([UTTERANCE], tmp_path, seed=1)


def test_a_scene_is_one_recording_in_which_utterances_follow_each_other(tmp_path: Path) -> None:
    rows = [UTTERANCE, Utterance(id="rota-2", text="Fine.", label="joy", speaker="ann")]
    first, second = write_scene(rows, tmp_path / "scene.mp4", pause=0.25)
    assert [cue.text for cue in (first, second)] == [SENTENCE, "Fine."]
    assert 0 == first.start < first.end < second.start < second.end
    assert second.start - first.end >= 0.25 - 0.001
    scene = Utterance(id="scene", video=tmp_path / "scene.mp4")
    sound, frames = audio_of(scene), frames_of(scene)
    assert len(sound.samples) / RATE == pytest.approx(second.end + 0.25, abs=0.2)
    alone = speak("Fine.", "joy", "ann", "0 rota-2")
    start = round(second.start * RATE)
    found = sound.samples[start : start + len(alone)]
    assert np.corrcoef(found, alone[: len(found)])[0, 1] > 0.9
    assert len(frames.pixels) * (RATE // FPS) == pytest.approx(len(sound.samples), abs=0.2 * RATE)


def test_a_scene_without_utterances_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a scene needs at least one utterance"):
        write_scene([], tmp_path / "scene.mp4")
    assert not list(tmp_path.iterdir())
