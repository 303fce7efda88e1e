from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_bert

from multimodal_emotion import transcription
from multimodal_emotion.encoders._embedded import embedded
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio, read_audio
from multimodal_emotion.transcription import transcribe
from multimodal_emotion.transcripts import Cue


class Heard:
    """A recogniser that hears a word wherever the sound is not zero, and writes down what it was given."""

    rate, seconds = 100, 10.0

    def __init__(self) -> None:
        self.windows: list[int] = []

    def hear(self, samples: np.ndarray, language: str | None = None) -> list[tuple[float, float, str]]:
        self.windows.append(len(samples))
        loud = np.flatnonzero(samples)
        runs = np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1)
        return [(run[0] / 100, (run[-1] + 1) / 100, f"{len(run)}") for run in runs]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found = Heard()
    monkeypatch.setattr(transcription, "recogniser", lambda checkpoint: found)
    return found


def sound(seconds: float, *words: tuple[float, float]) -> Audio:
    samples = np.zeros(int(seconds * 100), dtype=np.float32)
    for start, end in words:
        samples[int(start * 100) : int(end * 100)] = 0.5
    samples[::2] *= -1
    return Audio(samples, 100)


def test_times_are_those_of_the_whole_sound(heard: Heard):
    found = transcribe(sound(25, (1, 2), (12, 13), (21, 22)))
    assert found == [Cue(1.0, 2.0, "100"), Cue(12.0, 13.0, "100"), Cue(21.0, 22.0, "100")]


def test_what_a_window_cuts_off_is_heard_again_whole(heard: Heard):
    found = transcribe(sound(18, (2, 3), (9, 11), (15, 16)))
    assert found == [Cue(2.0, 3.0, "100"), Cue(9.0, 11.0, "200"), Cue(15.0, 16.0, "100")]
    assert heard.windows == [1000, 900]


def test_one_thing_longer_than_a_window_is_heard_in_pieces(heard: Heard):
    assert [cue.text for cue in transcribe(sound(25, (0, 25)))] == ["1000", "1000", "500"]


def test_silence_is_not_even_listened_to(heard: Heard):
    assert transcribe(sound(30)) == []
    assert transcribe(Audio(np.zeros(0, dtype=np.float32), 100)) == []
    assert heard.windows == []


def test_sound_of_another_rate_is_refused(heard: Heard):
    with pytest.raises(InputError, match="the sound has 16000 samples a second; embedded takes 100"):
        transcribe(Audio(np.ones(10, dtype=np.float32), 16000))


def test_what_is_no_recogniser_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot be loaded|is no recogniser"):
        transcribe(Audio(np.ones(10, dtype=np.float32), 16000), str(tiny_bert(tmp_path)))
    with pytest.raises(InputError, match="hub cannot be reached; take `--preset embedded`"):
        transcribe(Audio(np.ones(10, dtype=np.float32), 16000), "openai/whisper-tiny")


def words(cues: list[Cue]) -> str:
    return " ".join(cue.text for cue in cues).lower().strip(" .!")


def packaged(name: str) -> str:
    try:
        return str(embedded(name))
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.embedded
@pytest.mark.corpora
def test_the_packaged_recogniser_writes_what_is_said(corpora_root: Path):
    folder = packaged("whisper-tiny.en")
    clip = read_audio(corpora_root / "ravdess" / "audio" / "Actor_01" / "03-01-01-01-01-01-01.flac")
    assert clip is not None
    (cue,) = transcribe(clip, folder)
    assert words([cue]) == "kids are talking by the door"
    assert 0 <= cue.start < cue.end <= len(clip.samples) / clip.rate


@pytest.mark.embedded
@pytest.mark.corpora
def test_the_packaged_multilingual_recogniser_writes_german(corpora_root: Path):
    folder = packaged("whisper-base")
    clip = read_audio(corpora_root / "emodb" / "audio" / "03a01Nc.flac")
    assert clip is not None
    assert words(transcribe(clip, folder, language="de")) == "der lappen liegt auf dem eisschrank"
