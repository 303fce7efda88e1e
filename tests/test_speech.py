import numpy as np
import pytest
import soundfile

from multimodal_emotion import speech
from multimodal_emotion.media import Audio

RATE = 16000


def voice(seconds: float) -> np.ndarray:
    """A buzz with formants: loud and peaky, as voiced sound is."""
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12)).astype(np.float32) * 0.15


def quiet(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)


def talk(*parts: np.ndarray) -> Audio:
    return Audio(np.concatenate(parts).astype(np.float32), RATE)


def test_speech_is_found_between_pauses():
    found = speech.segments(talk(quiet(1), voice(1.5), quiet(2), voice(0.8), quiet(1)))
    assert np.allclose(found, [(1, 2.5), (4.5, 5.3)], atol=0.06)


def test_a_door_and_a_fan_are_no_speech():
    slam = np.random.default_rng(1).normal(0, 0.3, RATE // 2).astype(np.float32)
    assert speech.segments(talk(quiet(1), slam, quiet(1))) == []
    assert speech.segments(talk(quiet(3))) == []


def test_an_empty_sound_has_no_segments():
    assert speech.segments(Audio(np.zeros(0, dtype=np.float32), RATE)) == []


def test_segments_are_joined_widened_and_short_ones_dropped():
    settings = speech.Settings()
    found = list(speech.join([(1.0, 2.0), (2.2, 3.0), (9.0, 9.1)], settings))
    assert found == [(pytest.approx(0.85), pytest.approx(3.15))]


def test_windows_of_a_file_follow_speech_across_blocks(tmp_path):
    path = tmp_path / "talk.wav"
    sound = np.concatenate([quiet(28), voice(4), quiet(3), voice(20), quiet(2)])
    soundfile.write(path, sound, RATE)
    found = list(speech.windows(path))
    assert found[0] == (pytest.approx(27.85, abs=0.1), pytest.approx(32.15, abs=0.1))
    assert len(found) == 4
    assert max(end - start for start, end in found) <= speech.Settings().longest + 1e-6
    assert found[1][0] == pytest.approx(34.85, abs=0.1)
    assert found[-1][1] == pytest.approx(55.15, abs=0.1)
