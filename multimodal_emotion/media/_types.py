"""What decoding gives: text, sound, pictures, and what is known of a file without decoding it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8


class Absent(Exception):  # noqa: N818 (it is no error)
    """A modality is not there, by the nature of the utterance or file; the message says why. Never leaves this room."""


@dataclass(frozen=True, slots=True)
class Text:
    """What was said.

    Attributes:
        text: the utterance itself.
        context: the utterances before it, oldest first.
        words: the words as released, where the corpus labels each word.
    """

    text: str
    context: tuple[str, ...] = ()
    words: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono sound.

    Attributes:
        samples: full scale is -1 to 1; files of floats may go beyond.
        rate: in hertz.
    """

    samples: Float32[np.ndarray, " time"]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Frames:
    """Pictures in order of time, upright, RGB.

    Attributes:
        pixels: all of one size.
        times: when each is first shown, in seconds on the time axis of the file; 0 for a still image.
    """

    pixels: UInt8[np.ndarray, "time height width 3"]
    times: Float64[np.ndarray, " time"]


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file says of itself, without decoding it. Whether its sound is silent only decoding can tell.

    Attributes:
        kind: "audio", "video" (pictures that move, with or without sound) or "image".
        duration: in seconds; None for an image.
        has_audio, has_video: whether there is such a track; cover art of a song is no video.
        rate, channels: of the sound; None without.
        width, height: as shown, that is, after rotation; None without pictures.
        fps: mean pictures per second; None where the file does not say, and for an image.
        rotation: degrees, clockwise, by which the stored pictures are turned to be upright: 0, 90, 180 or 270.
        audio_start, video_start: when each track begins, in seconds on the time axis of the file; None without it.
    """

    kind: str
    duration: float | None = None
    has_audio: bool = False
    has_video: bool = False
    rate: int | None = None
    channels: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    rotation: int = 0
    audio_start: float | None = None
    video_start: float | None = None
