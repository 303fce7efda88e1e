"""Sound through soundfile or PyAV: mono, at the rate wanted, on the time axis of the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from jaxtyping import Float32

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._container import frames_from
from multimodal_emotion.media._file import existing
from multimodal_emotion.media._limits import (
    LOUDEST,
    MAX_SAMPLES,
    MAX_SOURCE_SAMPLES,
    RATES,
    Patience,
    check_interval,
)
from multimodal_emotion.media._types import Absent, Audio

if TYPE_CHECKING:
    from multimodal_emotion.media._resampling import Resampler

SILENCE = 1e-3
"""Sound that nowhere swings further than this around its middle is silence: -60 dB of full scale. A muted track, the
dither of a converter and the residue of a codec are below it; the quietest recorded speech is well above."""
MEAN_KEEPS = 0.1
"""The mean of the channels is taken where it keeps this share of the loudest channel's energy. Channels in antiphase
cancel, and a voice in one of six channels would be lost; a voice in one of two keeps a quarter."""
BLOCK_SAMPLES = 2**19
"""Samples of all channels in a block: 12 s of 44.1 kHz mono."""
LATE = 0.1
"""Seconds by which a time stamp may be off before a gap in the track is filled with silence."""
LONGEST_GAP = 600.0
"""A longer jump of the time stamps is an error of the file, not a gap."""

MOST_PLANES = 8
"""Channels from which on PyAV reads past the end of ffmpeg's list of them, which kills the process, unless they are packed."""

# mp3 is left to PyAV: libsndfile's decoder writes to stderr
SOUNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"FORM", b".snd", b"caff")

Block = tuple[int, Float32[np.ndarray, "channels time"]]
"""A sample rate and samples at this rate, which follow those of the block before."""


def read_audio(
    path: str | Path, rate: int = 16000, start: float | int | None = None, end: float | int | None = None
) -> Audio | None:
    """The sound of a file, or of an interval of it, as mono.

    The time axis is that of the file: where the track begins late or has a gap, there is silence. Channels are
    averaged; where averaging would cancel them, the loudest is taken. Sample rates are converted by a windowed sinc of
    64 zero crossings.

    Args:
        path: a sound or video file; its content tells the format, not its name.
        rate: sample rate wanted, in hertz.
        start: in seconds; None is the beginning of the file. The rest of the file is not decoded.
        end: in seconds; None is the end of the file.

    Returns:
        The samples; fewer than asked for where the track ends early. None: there is no sound track, it is empty, or
        it ends before `start`.

    Raises:
        InputError: the file is not there, broken, too long to be held at once, or has samples that are no numbers.
    """
    try:
        return sound(path, rate, start, end)
    except Absent:
        return None


def stream_audio(
    path: str | Path,
    rate: int = 16000,
    seconds: float | int = 30.0,
    hop: float | int | None = None,
    start: float | int | None = None,
    end: float | int | None = None,
) -> Iterator[tuple[float, Audio]]:
    """The sound of a file of any length in blocks, in bounded memory; see `read_audio`.

    Args:
        path: a sound or video file.
        rate: sample rate wanted, in hertz.
        seconds: length of a block; the last may be shorter.
        hop: seconds from one block's beginning to the next one's; None is `seconds`: no overlap.
        start: in seconds; None is the beginning of the file.
        end: in seconds; None is the end of the file.

    Yields:
        The second at which the block begins, and the block. Nothing where there is no sound.

    Raises:
        InputError: see `read_audio`; the length of the file is not limited.
    """
    length, step = round(seconds * rate), round((seconds if hop is None else hop) * rate)
    if not (length > 0 and 0 < step <= length):
        raise InputError(f"blocks of {seconds} s every {hop} s: both must be positive, the second not above the first")
    held, given = np.zeros(0, dtype=np.float32), 0
    try:
        for samples in _converted(existing(path), rate, *check_interval(Path(path), start, end)):
            held = np.concatenate([held, samples])
            while len(held) >= length:
                yield (start or 0.0) + given / rate, Audio(held[:length].copy(), rate)
                held, given = held[step:], given + step
    except Absent:
        return
    # with overlap, what is left may all have been given already
    if len(held) > (length - step if given else 0):
        yield (start or 0.0) + given / rate, Audio(held.copy(), rate)


def is_silent(audio: Audio) -> bool:
    """Whether the sound nowhere swings further than -60 dB of full scale around its middle (a constant is silence)."""
    return len(audio.samples) == 0 or float(np.ptp(audio.samples)) < 2 * SILENCE


def sound(path: str | Path, rate: int, start: float | int | None, end: float | int | None) -> Audio:
    """`read_audio`, which raises `Absent` with the reason where that returns None."""
    path = existing(path)
    first, last = check_interval(path, start, end)
    blocks: list[np.ndarray] = []
    total = 0
    for samples in _converted(path, rate, first, last, MAX_SOURCE_SAMPLES):
        blocks.append(samples)
        total += len(samples)
        if total > MAX_SAMPLES:
            raise _too_long(path, f"longer than {MAX_SAMPLES / rate / 60:.0f} minutes")
    if not total:
        raise Absent(f"{path} has no sound" + (f" after {first:g} s" if first else ""))
    return Audio(np.concatenate(blocks), rate)


def _converted(
    path: Path, rate: int, start: float, end: float, limit: float | int = np.inf
) -> Iterator[Float32[np.ndarray, " time"]]:
    """Mono blocks at the wanted rate; more than `limit` stored samples are an error."""
    wanted = (end - start) * rate
    for samples in _resampled(path, rate, _mono(path, start, end, limit)):
        # an interval need not be a whole number of stored samples, so there may be one too many
        yield samples[: round(max(0, min(len(samples), wanted)))]
        wanted -= len(samples)


def _resampled(path: Path, rate: int, blocks: Iterator[Block]) -> Iterator[Float32[np.ndarray, " time"]]:
    resampler = None
    for source, (samples,) in blocks:
        if resampler is None and source == rate:
            yield samples
            continue
        if resampler is None or resampler.source != source:
            if resampler is not None:
                yield resampler.flush()
            resampler = _resampler(path, source, rate)
        yield resampler.push(samples)
    if resampler is not None:
        yield resampler.flush()


def _mono(path: Path, start: float, end: float, limit: float | int) -> Iterator[Block]:
    """The stored samples, checked, as one channel."""
    downmix, decoded = _Downmix(), 0
    for rate, block in _stored(path, start, end):
        decoded += block.size
        if decoded > limit:
            raise _too_long(path, f"more than {limit / 1e6:.0f} million samples")
        if not np.abs(block).max(initial=0) < LOUDEST:
            value = block[~(np.abs(block) < LOUDEST)][0]
            raise InputError(f"{path}: a sample is {value}; expected numbers around -1 to 1. The file is damaged")
        yield rate, downmix(block)[np.newaxis]


def _too_long(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}; read an interval of it (start, end) or stream it")


def _resampler(path: Path, source: int, rate: int) -> "Resampler":
    from multimodal_emotion.media._resampling import Resampler  # torchaudio takes seconds to import

    if not RATES[0] <= source <= RATES[1]:
        raise InputError(f"{path}: its sample rate is {source} Hz; expected {RATES[0]} to {RATES[1]}")
    try:
        return Resampler(source, rate)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


class _Downmix:
    """Channels to one. What to take is judged by all that has been heard so far, so that blocks fit together."""

    def __init__(self) -> None:
        self._energies = np.zeros(0)
        self._energy_of_mean = 0.0

    def __call__(self, block: Float32[np.ndarray, "channels time"]) -> Float32[np.ndarray, " time"]:
        if len(block) == 1:
            return block[0]
        mean = block.mean(axis=0)
        if len(block) != len(self._energies):
            self._energies, self._energy_of_mean = np.zeros(len(block)), 0.0
        self._energies += [np.dot(channel, channel) for channel in block]
        self._energy_of_mean += float(np.dot(mean, mean))
        loudest = int(self._energies.argmax())
        return mean if self._energy_of_mean >= MEAN_KEEPS * self._energies[loudest] else block[loudest]


def _stored(path: Path, start: float, end: float) -> Iterator[Block]:
    """The samples as stored, from `start` to `end`, in blocks of bounded size."""
    file = _soundfile(path)
    if file is None:
        yield from _gathered(_container_blocks(path, start, end))
        return
    with file:
        yield from _soundfile_blocks(file, path, start, end)


def _soundfile(path: Path) -> soundfile.SoundFile | None:
    """The file as opened by libsndfile; None where that is not the right reader."""
    with path.open("rb") as file:
        magic = file.read(12)
    if magic[:4] not in SOUNDFILE_MAGIC or magic[8:] == b"AVI ":
        return None
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        return None


def _soundfile_blocks(file: soundfile.SoundFile, path: Path, start: float, end: float) -> Iterator[Block]:
    rate = file.samplerate
    first = round(start * rate)
    last = min(end * rate, file.frames)
    if first >= last:
        return
    try:
        if first:
            file.seek(first)
        while first < last:
            count = min(max(1, BLOCK_SAMPLES // file.channels), round(last - first))
            block = file.read(count, dtype="float32", always_2d=True)
            if not len(block):
                return
            first += len(block)
            yield rate, np.ascontiguousarray(block.T)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be decoded as sound ({error.error_string})") from error


def _container_blocks(path: Path, start: float, end: float) -> Iterator[Block]:
    """The frames of the track, cut to the interval, with silence where the track has nothing."""
    patience = Patience(path)
    reached = None
    for second, frame, _ in frames_from(path, "audio", start, patience):
        if second >= end:
            return
        rate, samples = frame.sample_rate, _floats(frame)
        allowed = LATE if reached is not None else 0.0
        reached = min(second, start) if reached is None else reached
        if allowed < second - reached <= LONGEST_GAP:
            yield from _silence(rate, len(samples), round((second - reached) * rate))
            reached = second
        skipped = max(0.0, (start - reached) * rate)
        kept = max(0.0, min(samples.shape[1], (end - reached) * rate))
        reached += samples.shape[1] / rate
        if round(skipped) < round(kept):
            patience.renew()
            yield rate, samples[:, round(skipped) : round(kept)]


def _silence(rate: int, channels: int, length: int) -> Iterator[Block]:
    step = BLOCK_SAMPLES // channels
    for done in range(0, length, step):
        yield rate, np.zeros((channels, min(step, length - done)), dtype=np.float32)


def _floats(frame: AudioFrame) -> Float32[np.ndarray, "channels time"]:
    """The samples of a frame, full scale -1 to 1, whatever their format."""
    if frame.format.is_planar and frame.layout.nb_channels > MOST_PLANES:
        (frame,) = AudioResampler(format=frame.format.packed).resample(frame)
    samples = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    bits = 8 * samples.dtype.itemsize
    middle = 2 ** (bits - 1) if samples.dtype.kind == "u" else 0
    return ((samples.astype(np.float64) - middle) / 2 ** (bits - 1)).astype(np.float32)


def _gathered(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same samples in larger blocks."""
    parts: list[np.ndarray] = []
    rate = size = 0
    for new_rate, samples in blocks:
        if parts and (size + samples.size > BLOCK_SAMPLES or new_rate != rate or len(samples) != len(parts[0])):
            yield rate, np.concatenate(parts, axis=1)
            parts, size = [], 0
        parts.append(samples)
        rate, size = new_rate, size + samples.size
    if parts:
        yield rate, np.concatenate(parts, axis=1)
