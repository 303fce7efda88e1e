"""The only room that decodes: text, sound, frames and images of an utterance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError


@dataclass(frozen=True, slots=True)
class Text:
    """What was said: the text, the utterances before it, and the words where the corpus labels each word."""

    text: str
    context: tuple[str, ...] = ()
    words: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono sound in [-1, 1] at a rate in hertz."""

    samples: Float32[np.ndarray, " time"]
    rate: int


@dataclass(frozen=True, slots=True)
class Frames:
    """RGB pictures and the second at which each is shown."""

    pixels: UInt8[np.ndarray, "time height width 3"]
    times: Float64[np.ndarray, " time"]


def text_of(utterance: Utterance) -> Text | None:
    """The text of an utterance; None if it has none."""
    text = utterance.text if utterance.text is not None else " ".join(utterance.words or ())
    if not text.strip():
        return None
    return Text(text, utterance.context, utterance.words)


def audio_of(utterance: Utterance, rate: int = 16000, max_seconds: float | int | None = None) -> Audio | None:
    """The sound of an utterance, from its audio or else its video file; None if it has none or is silent."""
    path = utterance.audio or utterance.video
    if path is None:
        return None
    end = utterance.end
    if max_seconds is not None:
        limit = (utterance.start or 0.0) + max_seconds
        end = limit if end is None else min(end, limit)
    sound = read_audio(path, rate, utterance.start, end)
    if sound is None or not np.abs(sound.samples).max(initial=0) > 1e-3:
        return None
    return sound


def frames_of(utterance: Utterance, fps: float | int | None = None, count: int | None = None) -> Frames | None:
    """The image of an utterance, or frames of its video; None if it has neither."""
    if utterance.image is not None:
        return Frames(read_image(utterance.image)[None], np.zeros(1))
    if utterance.video is None:
        return None
    return read_frames(utterance.video, utterance.start, utterance.end, fps, count)


def read_audio(
    path: str | Path, rate: int = 16000, start: float | int | None = None, end: float | int | None = None
) -> Audio | None:
    """The sound of a file as mono at `rate`; None if it has no track."""
    import av
    import torch
    import torchaudio

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            resampler = av.AudioResampler("fltp")
            blocks = [part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)]
            source = stream.rate
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"cannot decode sound of {path}: {error}") from error
    samples = np.concatenate(blocks, axis=1).mean(axis=0)
    samples = samples[int((start or 0) * source) : None if end is None else int(end * source)]
    if source != rate:
        samples = torchaudio.functional.resample(torch.from_numpy(samples), source, rate).numpy()
    return Audio(samples.astype(np.float32), rate)


def read_frames(
    path: str | Path,
    start: float | int | None = None,
    end: float | int | None = None,
    fps: float | int | None = None,
    count: int | None = None,
) -> Frames | None:
    """The frames of a video between two times; None if it has no picture track."""
    import av

    pixels, times = [], []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return None
            for frame in container.decode(video=0):
                if frame.time is not None and (start or 0) <= frame.time < (np.inf if end is None else end):
                    pixels.append(frame.to_ndarray(format="rgb24"))
                    times.append(float(frame.time))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"cannot decode frames of {path}: {error}") from error
    if not pixels:
        return None
    keep = list(range(len(pixels)))
    if fps is not None:
        wanted = np.arange(times[0], times[-1] + 1e-9, 1 / fps)
        keep = sorted({int(np.searchsorted(times, second, side="right")) - 1 for second in wanted})
    if count is not None:
        keep = [keep[int(position)] for position in np.linspace(0, len(keep) - 1, min(count, len(keep))).round()]
    return Frames(np.stack([pixels[position] for position in keep]), np.array([times[position] for position in keep]))


def read_image(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """An image file as RGB."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot decode image {path}: {error}") from error
