"""Faces in frames: found by opencv's cascades on a smaller picture, followed from frame to frame."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from multimodal_emotion.errors import InputError

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels of the frame."""

WORKING_HEIGHT = 240
"""Faces are looked for in a picture of this height: the cascade's cost grows with its area."""
SMALLEST = 0.1
"""The side of a face is at least this share of the frame's shorter side."""
EVERY = 3
"""Frames between two searches; in between the face is where the searches before and after put it."""
SAME = 0.2
"""Overlap (intersection over union) from which two boxes are the same face."""


def boxes(
    pixels: UInt8[np.ndarray, "time height width 3"], margin: float = 0.2, detector: str | None = None
) -> list[Box | None]:
    """The main face of each frame: a square box with a margin, clipped to the frame; None where there is none.

    The main face is the one that is followed longest; of equally long ones the largest.

    Args:
        pixels: RGB frames, in order.
        margin: added on each side, as a share of the face's size.
        detector: the .onnx file of a YuNet face detector, in place of the cascades.

    Raises:
        InputError: the detector's file is not there or cannot be loaded.
    """
    count = len(pixels)
    searched = sorted({*range(0, count, EVERY), count - 1}) if count else []
    found = {number: detect(pixels[number], detector) for number in searched}
    tracks = follow([found[number] for number in searched])
    if not tracks:
        return [None] * count
    track = max(tracks, key=lambda boxes_: (len(boxes_), np.mean([_area(box) for box in boxes_.values()])))
    known = {searched[position]: box for position, box in track.items()}
    height, width = pixels.shape[1:3]
    return [_framed(_between(known, number), margin, height, width) for number in range(count)]


def detect(picture: UInt8[np.ndarray, "height width 3"], detector: str | None = None) -> list[Box]:
    """All faces of one picture, the largest first."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, WORKING_HEIGHT / height)
    small = cv2.resize(
        picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    found = _by_network(small, detector) if detector else _by_cascade(small)
    faces = [(x / scale, y / scale, (x + w) / scale, (y + h) / scale) for x, y, w, h in found]
    return sorted(faces, key=_area, reverse=True)


def follow(found: Sequence[Sequence[Box]]) -> list[dict[int, Box]]:
    """Joins faces of successive searches that overlap into tracks: {number of the search: box} each."""
    tracks: list[dict[int, Box]] = []
    for number, faces in enumerate(found):
        free = list(faces)
        for track in tracks:
            last = track[max(track)]
            best = max(free, key=lambda box: overlap(last, box), default=None)
            # A search may miss a face once; a track that was lost for longer has ended.
            if best is not None and overlap(last, best) >= SAME and number - max(track) <= 2:
                track[number] = best
                free.remove(best)
        tracks += [{number: box} for box in free]
    return tracks


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def _between(known: dict[int, Box], number: int) -> Box | None:
    """The box of a frame, interpolated between the searches around it; None outside the track (by more than EVERY)."""
    before = max((n for n in known if n <= number), default=None)
    after = min((n for n in known if n >= number), default=None)
    if before is None or after is None:
        near = after if before is None else before
        return known[near] if near is not None and abs(near - number) <= EVERY else None
    if before == after:
        return known[before]
    share = (number - before) / (after - before)
    first, last = known[before], known[after]
    left, top, right, bottom = (a + share * (b - a) for a, b in zip(first, last, strict=True))
    return left, top, right, bottom


def _framed(box: Box | None, margin: float, height: int, width: int) -> Box | None:
    if box is None:
        return None
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin)
    side = min(side, height, width)
    left = min(max((box[0] + box[2] - side) / 2, 0.0), width - side)
    top = min(max((box[1] + box[3] - side) / 2, 0.0), height - side)
    return left, top, left + side, top + side


def _by_cascade(picture: Any) -> list[tuple[float, ...]]:
    import cv2

    grey = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    smallest = max(20, round(SMALLEST * min(grey.shape)))
    found = _cascade().detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(smallest, smallest))
    return [tuple(map(float, box)) for box in found]


def _by_network(picture: Any, detector: str) -> list[tuple[float, ...]]:
    network = _network(detector)
    network.setInputSize((picture.shape[1], picture.shape[0]))
    found = network.detect(picture[:, :, ::-1].copy())[1]
    return [] if found is None else [tuple(map(float, row[:4])) for row in found]


@lru_cache(maxsize=1)
def _cascade() -> Any:
    import cv2

    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))


@lru_cache(maxsize=2)
def _network(detector: str) -> Any:
    import cv2

    if not Path(detector).is_file():
        raise InputError(f"face detector {detector}: no such file; give a YuNet .onnx file, or none for the cascades")
    try:
        return cv2.FaceDetectorYN.create(detector, "", (320, 320))
    except cv2.error as error:
        raise InputError(f"face detector {detector} cannot be loaded: {' '.join(str(error).split())[:200]}") from None


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
