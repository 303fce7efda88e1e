"""Containers through PyAV: opening, choosing a track, seeking, and decoding what can be decoded."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Disposition

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._file import PatientFile, check_riff
from multimodal_emotion.media._limits import MAX_FRAME_PIXELS, Patience
from multimodal_emotion.media._types import Absent

Track = av.AudioStream | av.VideoStream


class Timed(NamedTuple):
    """A decoded frame, its second on the time axis of the file, and the width of a pixel for a height of 1."""

    second: float
    frame: Any  # an AudioFrame of a sound track, a VideoFrame of a picture track
    pixel_ratio: Fraction | None


NOUNS = {"audio": "sound", "video": "picture"}

# Only formats that hold sound or pictures themselves. Playlists (hls, concat, dash, sdp) would open whatever files and
# addresses a stranger's file names, and ffmpeg's text formats would show any text file as a picture.
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,av1,avi,caf,dts,dv,eac3,flac,flv,h264,hevc,ivf,live_flv,m4v,"
    "matroska,mjpeg,mov,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nistsphere,nut,obu,ogg,rm,spx,tak,tta,voc,w64,wav,wtv,wv,xwma"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_FRAME_PIXELS)}

UNSTATED = ("aac", "ac3", "amr", "eac3", "h264", "hevc", "m4v", "mp3", "mpegvideo", "obu")
"""Formats that do not state their length: ffmpeg would guess it from the bit rate."""

BUFFER = 2**16
PREROLL = 0.5
"""Seconds decoded before the wanted ones: compressed sound needs its past (mp3 most, about a quarter of a second)."""
FURTHER_BACK = 10.0
"""Seconds to go back where the first seek landed too late, before reading the file from its beginning."""


@contextmanager
def opened(path: Path, patience: Patience) -> Iterator[InputContainer]:
    """The container of a file; whatever PyAV raises inside becomes an InputError."""
    try:
        with PatientFile(path, patience) as file:
            check_riff(file)
            with av.open(file, options=OPTIONS, metadata_errors="replace", buffer_size=BUFFER) as container:
                yield container
    except (av.FFmpegError, OSError, MemoryError) as error:
        patience.check()
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise InputError(f"{path}: cannot be decoded as sound or video ({reason})") from error


def tracks(container: InputContainer, kind: str) -> list[Track]:
    """The tracks of a kind ("audio" or "video"), those marked as default first; cover art is none."""
    streams = container.streams.audio if kind == "audio" else container.streams.video
    found = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    return sorted(found, key=lambda stream: not stream.disposition & Disposition.default)


def chosen(container: InputContainer, kind: str, path: Path) -> Track:
    """The track to decode: the first that can be, those marked as default before the others.

    Raises:
        Absent: there is no such track.
        InputError: there is, but no decoder for it, or its pictures are too large.
    """
    found = tracks(container, kind)
    if not found:
        raise Absent(f"{path} has no {NOUNS[kind]} track")
    stream = next((stream for stream in found if stream.codec_context is not None), None)
    if stream is None:
        raise InputError(f"{path}: no decoder for its {NOUNS[kind]} track")
    if isinstance(stream, av.VideoStream) and stream.width * stream.height > MAX_FRAME_PIXELS:
        raise InputError(
            f"{path}: its pictures are {stream.width} x {stream.height}; "
            f"at most {MAX_FRAME_PIXELS:,} pixels are decoded"
        )
    stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
    stream.codec_context.thread_count = 1  # loading runs several processes; and `Patience` counts this thread
    return stream


def origin(container: InputContainer) -> float:
    """The second, in time stamps, that is 0 on the time axis of the file.

    Broadcast formats start anywhere. A start just below zero is a decoder's run-up, which is not heard.
    """
    return max(0.0, (container.start_time or 0) / av.time_base)


def stated_end(container: InputContainer, stream: Track) -> float | None:
    """The second at which a track ends by what the file states; None if it does not."""
    if container.format.name in UNSTATED:
        return None
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - origin(container)
    return container.duration / av.time_base if container.duration and container.duration > 0 else None


def measured_end(container: InputContainer, stream: Track, patience: Patience) -> float:
    """The second at which a track ends, by reading all of it (not decoding)."""
    zero = origin(container)
    end = following = 0.0
    for packet in container.demux(stream):
        patience.check()
        patience.renew(result=False)
        if packet.size and packet.time_base:
            second = following if packet.pts is None else float(packet.pts * packet.time_base) - zero
            following = second + float((packet.duration or 0) * packet.time_base)
            end = max(end, following)
    return end


def frames_from(path: Path, kind: str, start: float, patience: Patience) -> Iterator[Timed]:
    """Decoded frames from at or before `start` to the end of the file.

    Only what is needed is decoded: the container is sought, and sought further back (at last, read from its beginning)
    where it landed too late, as formats without an index do.

    Raises:
        Absent: there is no such track.
        InputError: nothing of it can be decoded.
    """
    for back in (PREROLL, FURTHER_BACK, math.inf):
        seek_to = max(0.0, start - back)
        patience.renew(result=False)
        with opened(path, patience) as container:
            stream = chosen(container, kind, path)
            if seek_to and (not _seek(container, stream, seek_to + origin(container)) or patience.over):
                continue
            # after a seek, frames without time stamps are anywhere: NaN fails the comparison below
            following = math.nan if seek_to else 0.0
            frames = _timed(_decoded(container, stream, path, patience), stream, origin(container), following)
            try:
                first = next(frames, None)
            except InputError:
                if seek_to:
                    continue
                raise
            if seek_to and (first is None or not first.second <= start):
                continue
            if first is not None:
                yield first
                yield from frames
            return


def _seek(container: InputContainer, stream: Track, second: float) -> bool:
    if stream.time_base is None:
        return False
    try:
        container.seek(math.floor(second / stream.time_base), stream=stream)
    except av.FFmpegError:
        return False
    return True


def _decoded(container: InputContainer, stream: Track, path: Path, patience: Patience) -> Iterator[Any]:
    """The frames of a track. Packets that do not decode are skipped and, at the end, told in a warning."""
    packets = damaged = frames = 0
    try:
        for packet in container.demux(stream):
            patience.check()
            patience.renew(result=False)
            packets += 1
            try:
                found = packet.decode()
            except av.FFmpegError:
                damaged += 1
                continue
            frames += len(found)
            for frame in found:
                with patience.suspended():
                    yield frame
    except av.FFmpegError:  # the container itself breaks off here
        damaged += 1
    patience.check()
    if damaged and not frames:
        raise InputError(f"{path}: nothing of its {NOUNS[stream.type]} track can be decoded")
    if damaged:
        warnings.warn(
            f"{path}: {damaged} of {packets} packets of its {NOUNS[stream.type]} track are damaged and were left out",
            stacklevel=2,
        )


def _timed(frames: Iterator[Any], stream: Track, zero: float, following: float) -> Iterator[Timed]:
    """Frames with their seconds, which ascend.

    Decoders give frames in the order in which they are shown. One without a time stamp, or with one that is not later than
    that of the frame before it (AVI with B-frames, joined recordings), follows the frame before it.
    """
    pixel_ratio = stream.sample_aspect_ratio if isinstance(stream, av.VideoStream) else None
    latest = -math.inf
    for frame in frames:
        second = following if frame.time is None else frame.time - zero
        second = following if second <= latest else second
        yield Timed(second, frame, pixel_ratio)
        latest, following = second, second + duration_of(frame)


def duration_of(frame: Any) -> float:
    """How long a frame lasts, in seconds; a picture that does not say is taken to last 1/25 s."""
    if isinstance(frame, AudioFrame):
        return frame.samples / frame.sample_rate
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.04
