"""Where somebody speaks: voice activity from energy and spectral flatness, and the windows that follow it.

Energy alone takes a slammed door for speech and flatness alone a humming fan; a frame counts as speech where it is well
above the noise floor and its spectrum is peaky, as voiced sound is. Hysteresis keeps the unvoiced ends of words.

Source (idea): Moattar and Homayounpour, A simple but efficient real-time voice activity detection algorithm, EUSIPCO 2009.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from multimodal_emotion.media import Audio, stream_audio

RATE = 16000
FRAME = 0.025
"""Seconds of a frame; frames follow each other without a gap."""
BLOCK = 30.0
"""Seconds that are looked at together: the noise floor is that of the block."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as speech.

    Attributes:
        above: decibels over the noise floor that begin speech; half of that continues it.
        floor: decibels (full scale is 0) below which nothing is speech.
        flatness: spectral flatness (0 a tone, 1 white noise) above which a frame does not begin speech.
        gap: seconds of silence that do not end a segment.
        shortest: seconds a segment lasts at least.
        margin: seconds added on each side.
        longest: seconds a window lasts at most; longer segments are cut evenly.
    """

    above: float = 12.0
    floor: float = -55.0
    flatness: float = 0.35
    gap: float = 0.35
    shortest: float = 0.25
    margin: float = 0.15
    longest: float = 8.0


def windows(path: str | Path, settings: Settings | None = None) -> Iterator[Span]:
    """Windows of a sound or video file that follow speech, as (start, end) in seconds, in bounded memory.

    Raises:
        InputError: the file cannot be read.
    """
    settings = settings or Settings()
    for start, end in join(_segments(path, settings), settings):
        count = max(1, int(np.ceil((end - start) / settings.longest)))
        edges = np.linspace(start, end, count + 1)
        yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _segments(path: str | Path, settings: Settings) -> Iterator[Span]:
    for offset, block in stream_audio(path, rate=RATE, seconds=BLOCK):
        for start, end in segments(block, settings):
            yield offset + start, offset + end


def segments(audio: Audio, settings: Settings | None = None) -> list[Span]:
    """Runs of speech in a sound, as (start, end) in seconds; not joined, without margins."""
    active = activity(audio, settings or Settings())
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    length = len(audio.samples) / audio.rate
    return [(start * FRAME, min(end * FRAME, length)) for start, end in edges.reshape(-1, 2).tolist()]


def activity(audio: Audio, settings: Settings) -> Bool[np.ndarray, " frame"]:
    """Which frames of FRAME seconds are speech."""
    frames = _frames(audio)
    if not len(frames):
        return np.zeros(0, dtype=bool)
    level = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-12))
    power = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]))) ** 2 + 1e-12
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    # Speech pauses: a tenth of the frames is quieter than speech even where somebody speaks all the time.
    noise = max(float(np.percentile(level, 10)), settings.floor - settings.above)
    loud = level > max(settings.floor, noise + settings.above)
    begins = loud & (flatness < settings.flatness)
    # Where all is equally loud there is no floor to rise above: a peaky spectrum has to do.
    if not loud.any() and np.ptp(level) < settings.above:
        begins = (level > settings.floor) & (flatness < settings.flatness)
    continues = level > max(settings.floor, noise + settings.above / 2)
    return _grow(begins, continues | begins)


def join(spans: Iterable[Span], settings: Settings) -> Iterator[Span]:
    """Segments with margins, those joined that a short gap parts, without those that are too short."""
    held: Span | None = None
    for start, end in spans:
        if held is not None and start - held[1] <= settings.gap:
            held = (held[0], end)
            continue
        if held is not None and held[1] - held[0] >= settings.shortest:
            yield _widened(held, settings)
        held = (start, end)
    if held is not None and held[1] - held[0] >= settings.shortest:
        yield _widened(held, settings)


def _widened(span: Span, settings: Settings) -> Span:
    return max(0.0, span[0] - settings.margin), span[1] + settings.margin


def _frames(audio: Audio) -> Float32[np.ndarray, "frame sample"]:
    size = round(FRAME * audio.rate)
    count = len(audio.samples) // size
    return audio.samples[: count * size].reshape(count, size)


def _grow(seeds: Bool[np.ndarray, " frame"], ground: Bool[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
    """The runs of `ground` that hold a seed."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ground, [False]]).astype(np.int8))).reshape(-1, 2)
    grown = np.zeros_like(ground)
    for start, end in edges.tolist():
        grown[start:end] = bool(seeds[start:end].any())
    return grown
