"""The media of an utterance."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import unknown
from multimodal_emotion.media._audio import SILENCE, is_silent, sound
from multimodal_emotion.media._image import read_image
from multimodal_emotion.media._types import Absent, Audio, Frames, Text
from multimodal_emotion.media._video import pictures


def text_of(utterance: Utterance) -> Text | None:
    """The text of an utterance; None if it has none, or only white space."""
    try:
        return _text(utterance)
    except Absent:
        return None


def audio_of(utterance: Utterance, rate: int = 16000, max_seconds: float | int | None = None) -> Audio | None:
    """The sound of an utterance: of its audio file or else of its video, within its interval.

    Args:
        utterance: with `audio` or `video`, and `start` and `end` where it is a part of the file.
        rate: sample rate wanted, in hertz.
        max_seconds: only this much from its beginning is decoded; None is all.

    Returns:
        None if it has no such file or the file no sound, or if that is silent (`is_silent`); `why_absent` says which.

    Raises:
        InputError: the file is not there, broken, or too long; see `read_audio`.
    """
    try:
        return _audio(utterance, rate, max_seconds)
    except Absent:
        return None


def frames_of(utterance: Utterance, fps: float | int | None = None, count: int | None = None) -> Frames | None:
    """The pictures of an utterance: its image, or else pictures of its video, within its interval.

    Args:
        utterance: with `image` or `video`, and `start` and `end` where it is a part of the video.
        fps: see `read_frames`; an image is one picture.
        count: see `read_frames`.

    Returns:
        At least one picture; None if it has no such file or the file no pictures; `why_absent` says which.

    Raises:
        InputError: the file is not there, broken, or has too many pictures; see `read_frames`.
    """
    try:
        return _frames(utterance, fps, count)
    except Absent:
        return None


def why_absent(utterance: Utterance, medium: str) -> str | None:
    """The reason for which the text, sound or pictures of an utterance are absent; None if they are not.

    It decodes the file again; ask only where `text_of`, `audio_of` or `frames_of` gave None.

    Args:
        utterance: what was read.
        medium: "text", "audio" or "image".

    Raises:
        InputError: there is no such medium, or the file is broken.
    """
    readers: Mapping[str, Callable[[Utterance], object]] = {
        "audio": lambda utterance: _audio(utterance, 16000, None),
        "image": lambda utterance: _frames(utterance, None, 1),
        "text": _text,
    }
    if medium not in readers:
        raise unknown("medium", medium, readers)
    try:
        readers[medium](utterance)
    except Absent as reason:
        return str(reason)
    return None


def _text(utterance: Utterance) -> Text:
    text = utterance.text if utterance.text is not None else " ".join(utterance.words or ())
    if not text.strip():
        raise Absent("no text" if utterance.text is None else "the text is empty")
    return Text(text, utterance.context, utterance.words)


def _audio(utterance: Utterance, rate: int, max_seconds: float | int | None) -> Audio:
    path = utterance.audio or utterance.video
    if path is None:
        raise Absent("no audio or video file")
    end = utterance.end
    if max_seconds is not None:
        limit = (utterance.start or 0.0) + max_seconds
        end = limit if end is None else min(end, limit)
    audio = sound(path, rate, utterance.start, end)
    if is_silent(audio):
        raise Absent(f"{path} is silent: it stays below {20 * np.log10(SILENCE):.0f} dB of full scale")
    return audio


def _frames(utterance: Utterance, fps: float | int | None, count: int | None) -> Frames:
    if utterance.image is not None:
        return Frames(read_image(utterance.image)[np.newaxis], np.zeros(1))
    if utterance.video is None:
        raise Absent("no image or video file")
    return pictures(Path(utterance.video), utterance.start, utterance.end, fps, count)
