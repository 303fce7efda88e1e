"""Speech to text with times."""

from functools import lru_cache

from multimodal_emotion.encoders._recogniser import Recogniser
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio, is_silent
from multimodal_emotion.transcripts import Cue

recogniser = lru_cache(maxsize=1)(Recogniser)
"""The recogniser of a checkpoint; the last one stays loaded."""


def transcribe(audio: Audio, checkpoint: str = "embedded", language: str | None = None) -> list[Cue]:
    """What is said, with times.

    Longer sound is heard in windows of 30 seconds. Where more follows, the last thing that is heard in a window may be cut
    off: the next window begins with it.

    Args:
        audio: at the rate of the recogniser (16 kHz for all that are known).
        checkpoint: a hub name, a local folder, or "embedded" (Whisper tiny.en: English).
        language: of a multilingual Whisper, such as "de"; None lets it guess.

    Returns:
        In order of time; empty where nothing is said.

    Raises:
        InputError: the checkpoint is not there, broken, or no recogniser; the sound has another rate.
    """
    model = recogniser(checkpoint)
    if audio.rate != model.rate:
        raise InputError(f"the sound has {audio.rate} samples a second; {checkpoint} takes {model.rate}")
    cues: list[Cue] = []
    start, span = 0, int(model.seconds * model.rate)
    while start < len(audio.samples):
        window = audio.samples[start : start + span]
        heard = [] if is_silent(Audio(window, audio.rate)) else model.hear(window, language)
        more = start + span < len(audio.samples)
        cut = heard.pop() if more and len(heard) > 1 and heard[-1][0] > 0 else None
        offset = start / model.rate
        cues += [Cue(offset + begin, offset + end, text) for begin, end, text in heard if text]
        start += span if cut is None else int(cut[0] * model.rate)
    return cues
