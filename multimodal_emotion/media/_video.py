"""Pictures of a video: upright, at the seconds wanted, without decoding the rest of the file."""

import math
from collections.abc import Iterable, Iterator
from itertools import count as counting
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._container import (
    Timed,
    chosen,
    duration_of,
    frames_from,
    measured_end,
    opened,
    stated_end,
)
from multimodal_emotion.media._file import existing
from multimodal_emotion.media._limits import MAX_FRAME_BYTES, Patience, check_interval
from multimodal_emotion.media._types import Absent, Frames

LONGEST_SIDE = 1280
"""Larger pictures are scaled down to this when decoded: one of 4K takes 25 MB, and no encoder takes in a tenth of it."""
SEEK_AFTER = 10.0
"""Wanted seconds that are further apart than this are sought one by one; what lies between is not decoded."""
WRONG_LENGTH = 1.0
"""Seconds by which the stated length of a track may be off before pictures are spread anew over the measured one."""
SQUARE = 0.02
"""Pixels whose sides differ by less count as square: encoders round the ratio of the whole picture."""
SAME = 1e-6
"""Seconds that count as equal: time stamps are fractions."""

Picture = UInt8[np.ndarray, "height width 3"]


def read_frames(
    path: str | Path,
    start: float | int | None = None,
    end: float | int | None = None,
    fps: float | int | None = None,
    count: int | None = None,
) -> Frames | None:
    """Pictures of a video, of all of it or of an interval, chosen by time (frame rates vary within real files).

    A picture is shown from its time stamp until the next one, so the interval begins with the picture already on show.
    Pictures are turned as the file's display matrix says, have square pixels, and are scaled down to 1280 on the longer
    side where they are larger.

    Args:
        path: a video file; its content tells the format, not its name.
        start: in seconds; None is the beginning of the file.
        end: in seconds; None is the end of the file.
        fps: the pictures on show every 1/fps seconds; None takes every picture. None is given twice.
        count: at most this many, in the middle of as many equal parts of the interval. With `fps`, no denser than that.

    Returns:
        At least one picture. None: there is no picture track, or it ends before `start`.

    Raises:
        InputError: the file is not there, broken, or gives more pictures than can be held at once.
    """
    try:
        return pictures(path, start, end, fps, count)
    except Absent:
        return None


def stream_frames(
    path: str | Path,
    fps: float | int | None = None,
    start: float | int | None = None,
    end: float | int | None = None,
) -> Iterator[tuple[float, Picture]]:
    """Pictures of a video of any length, one at a time; see `read_frames`.

    Yields:
        The second at which a picture is first shown, and its pixels. Nothing where there are no pictures.

    Raises:
        InputError: see `read_frames`.
    """
    _check_positive(fps, "fps")
    first, last = check_interval(Path(path), start, end)
    try:
        yield from _rendered(existing(path), first, last, _grid(first, fps))
    except Absent:
        return


def pictures(
    path: str | Path, start: float | int | None, end: float | int | None, fps: float | int | None, count: int | None
) -> Frames:
    """`read_frames`, which raises `Absent` with the reason where that returns None."""
    path = existing(path)
    _check_positive(fps, "fps")
    _check_positive(count, "count")
    first, last = check_interval(path, start, end)
    if count is None:
        found = _held(path, _rendered(path, first, last, _grid(first, fps)))
    else:
        found = _spread(path, first, last, fps, count)
    if not found:
        raise Absent(f"{path} has no picture" + (f" after {first:g} s" if first else ""))
    times = np.array([second for second, _ in found])
    pixels = np.empty((len(found), *found[0][1].shape), dtype=np.uint8)
    for number in reversed(range(len(found))):
        pixels[number] = found.pop()[1]  # frees each picture once it is copied: all of them twice may not fit
    return Frames(pixels, times)


def _check_positive(value: float | int | None, name: str) -> None:
    if value is not None and not value > 0:
        raise InputError(f"{name} is {value}; expected a number above 0, or None")


def _grid(start: float, fps: float | int | None) -> Iterator[float] | None:
    return None if fps is None else (start + number / fps for number in counting())


def _held(path: Path, found: Iterable[tuple[float, Picture]]) -> list[tuple[float, Picture]]:
    held, size = [], 0
    for second, picture in found:
        size += picture.nbytes
        if size > MAX_FRAME_BYTES:
            raise InputError(
                f"{path}: its pictures of {picture.shape[1]} x {picture.shape[0]} take more than "
                f"{MAX_FRAME_BYTES >> 20} MiB; give an interval, fps or count, or stream them"
            )
        held.append((second, picture))
    return held


def _spread(path: Path, start: float, end: float, fps: float | int | None, count: int) -> list[tuple[float, Picture]]:
    """`count` pictures evenly over the interval, or over as much of it as the track covers."""
    with opened(path, Patience(path)) as container:
        stated = stated_end(container, chosen(container, "video", path))
    found = []
    if stated is not None:
        found = _held(path, _spread_over(path, start, min(end, stated), fps, count))
        if len(found) == count:
            return found
    # the length is not stated, or stated wrongly, or there just are fewer pictures
    patience = Patience(path)
    with opened(path, patience) as container:
        measured = measured_end(container, chosen(container, "video", path), patience)
    if stated is not None and abs(min(end, measured) - min(end, stated)) < WRONG_LENGTH:
        return found
    return _held(path, _spread_over(path, start, min(end, measured), fps, count))


def _spread_over(
    path: Path, start: float, end: float, fps: float | int | None, count: int
) -> Iterator[tuple[float, Picture]]:
    span = max(0.0, end - start)
    number = count if fps is None else min(count, max(1, math.floor(span * fps)))
    wanted = [start + (part + 0.5) * span / number for part in range(number)]
    latest = -math.inf
    for run in _runs(wanted):
        for second, picture in _rendered(path, run[0], end + SAME, iter(run)):
            if second > latest:
                yield second, picture
                latest = second


def _runs(seconds: list[float]) -> Iterator[list[float]]:
    """Ascending seconds, parted where it pays to seek."""
    run: list[float] = []
    for second in seconds:
        if run and second - run[-1] > SEEK_AFTER:
            yield run
            run = []
        run.append(second)
    yield run


def _rendered(path: Path, start: float, end: float, wanted: Iterator[float] | None) -> Iterator[tuple[float, Picture]]:
    """Pictures on show at the wanted seconds (None: all of the interval), as pixels, all of the first one's size."""
    patience = Patience(path)
    pictures = frames_from(path, "video", start, patience)
    size = None
    for picture in _between(pictures, start, end) if wanted is None else _at(pictures, wanted, end):
        size = size or stored_size(picture)
        yield max(picture.second, 0.0), _pixels(picture.frame, *size)
        patience.renew()


def _between(pictures: Iterator[Timed], start: float, end: float) -> Iterator[Timed]:
    """The pictures on show in an interval: the one that is when it begins, and those that follow."""
    first: Timed | None = None
    for picture in pictures:
        if picture.second >= end - SAME:
            break
        if picture.second <= start + SAME:
            first = picture
            continue
        if first is not None:
            yield first
            first = None
        yield picture
    else:
        if first is not None and _until(first) <= start + SAME:
            return  # the last picture of the file, no longer on show
    if first is not None:
        yield first


def _at(pictures: Iterator[Timed], wanted: Iterator[float], end: float) -> Iterator[Timed]:
    """The pictures on show at the wanted seconds, which ascend; before the first picture, that one. None twice."""
    seconds = takewhile(lambda second: second < end - SAME, wanted)
    second = next(seconds, math.inf)
    shown: Timed | None = None
    for picture in pictures:
        if shown is None and picture.second >= end - SAME:
            return
        if shown is not None and second < picture.second - SAME:
            yield shown
            while second < picture.second - SAME:
                second = next(seconds, math.inf)
        if second == math.inf:
            return
        shown = picture
    if shown is not None and second < _until(shown) - SAME:
        yield shown


def _until(picture: Timed) -> float:
    """When the last picture of a file goes."""
    return picture.second + duration_of(picture.frame)


def stored_size(picture: Timed) -> tuple[int, int]:
    """Width and height of a stored picture with square pixels, within the longest side."""
    ratio = float(picture.pixel_ratio or 1)
    width, height = picture.frame.width * (ratio if abs(ratio - 1) > SQUARE else 1.0), float(picture.frame.height)
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _pixels(frame: VideoFrame, width: int, height: int) -> Picture:
    pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return _upright(pixels, *turn(frame))


def turn(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """How its display matrix turns a stored picture: exchange the axes, then flip left to right, flip upside down.

    A point (x, y) of the stored picture is shown at (a x + c y, b x + d y); the matrix holds a, b, u, c, d, v, ... as
    fixed-point numbers. Whatever is between quarter turns is taken for the nearest one.

    Source: ISO/IEC 14496-12, ISO base media file format, track header box.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].astype(np.int64)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, bool(c < 0), bool(b < 0)
    return False, bool(a < 0), bool(d < 0)


def _upright(
    pixels: Picture, exchange: bool, left_right: bool, upside_down: bool
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    turned = pixels.transpose(1, 0, 2) if exchange else pixels
    turned = turned[:, ::-1] if left_right else turned
    turned = turned[::-1] if upside_down else turned
    return np.ascontiguousarray(turned)
