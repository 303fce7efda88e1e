"""Faces: found by a cascade or a network, followed through the pictures of a video, cropped square.

Boxes are (left, top, width, height) in pixels of the picture.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from multimodal_emotion.errors import InputError, unknown

Picture = UInt8[np.ndarray, "height width 3"]
Pictures = UInt8[np.ndarray, "time height width 3"]
Box = tuple[float, float, float, float]

FALLBACKS = ("absent", "frame")
BORDER = 0.2
"""Width of the border that a picture gets to be searched, as a share of its longer side: a cascade does not find a face
that fills the picture."""
SAME_FACE = 0.3
"""Overlap (intersection over union) from which boxes in successive looks are of one face."""
LOOKS_MISSED = 3
"""A face not found for more looks than this has gone; one found again before is taken to have been there all the while."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture.

    Attributes:
        box: left, top, width, height.
        score: how sure the finder is; comparable between faces of one finder only.
    """

    box: Box
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Track:
    """One face through the pictures of a video.

    Attributes:
        boxes: one for each picture; NaN where the face is not in view.
        looks: in how many pictures it was found; in those between it is interpolated.
    """

    boxes: Float64[np.ndarray, "time 4"]
    looks: int

    @property
    def prominence(self) -> float:
        """The area it takes, summed over the pictures."""
        return float(np.nansum(self.boxes[:, 2] * self.boxes[:, 3]))


@dataclass(frozen=True, slots=True)
class FaceCrops:
    """Square pictures of one face.

    Attributes:
        pixels: one for each picture in which the face is in view.
        boxes: where the face is in that picture; the whole picture where it stands in for a face that was not found.
        index: the numbers of these pictures among those given.
        found: whether a face was found; False where the whole pictures stand in for it.
    """

    pixels: UInt8[np.ndarray, "time size size 3"]
    boxes: Float64[np.ndarray, "time 4"]
    index: Int64[np.ndarray, " time"]
    found: bool


class Finder(ABC):
    """Whatever finds the faces of a picture. It can be pickled; one is for one thread."""

    _engine: Any = None  # OpenCV's, made when first needed

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_engine": None}  # OpenCV's objects cannot be pickled

    @abstractmethod
    def find(self, picture: Picture) -> list[Face]:
        """The faces, in any order."""


class CascadeFinder(Finder):
    """The Haar cascade for frontal faces that OpenCV packages (below version 5).

    Source: Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", 2001; Lienhart and
    Maydt, "An Extended Set of Haar-like Features for Rapid Object Detection", 2002.
    """

    def __init__(self, side: int = 320, smallest: float = 0.08, neighbours: int = 4) -> None:
        """
        Args:
            side: the longer side, in pixels, to which a picture is brought; larger finds smaller faces, more slowly.
            smallest: the smallest face, as a share of the shorter side.
            neighbours: how many overlapping hits make a face; more are stricter.
        """
        self.side, self.smallest, self.neighbours = side, smallest, neighbours

    def find(self, picture: Picture) -> list[Face]:
        """The frontal faces of a picture; about 20 ms."""
        import cv2
        import cv2.data

        if self._engine is None:
            self._engine = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml")
        border = round(BORDER * max(picture.shape[:2]))
        framed = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
        scale = self.side / max(framed.shape[:2])
        grey = cv2.equalizeHist(cv2.cvtColor(_scaled(framed, scale), cv2.COLOR_RGB2GRAY))
        smallest = round(self.smallest * min(grey.shape))
        boxes, _, weights = self._engine.detectMultiScale3(
            grey, minNeighbors=self.neighbours, minSize=(smallest, smallest), outputRejectLevels=True
        )
        found = (
            (np.asarray(box) / scale - (border, border, 0, 0), weight)
            for box, weight in zip(boxes, weights, strict=True)
        )
        return [Face(tuple(box.tolist()), float(weight)) for box, weight in found]


class NetworkFinder(Finder):
    """A face detection network of the YuNet kind, through OpenCV; the user supplies its ONNX file.

    It also finds turned and partly hidden faces, which the cascade does not.

    Source: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023.
    """

    def __init__(self, model: str | Path, side: int = 640, least_score: float = 0.7) -> None:
        """
        Args:
            model: the ONNX file, such as face_detection_yunet_2023mar.onnx of OpenCV's model zoo.
            side: larger pictures are brought to this longer side, in pixels.
            least_score: faces of which the network is less sure, from 0 to 1, are left out.

        Raises:
            InputError: there is no such file.
        """
        self.model, self.side, self.least_score = Path(model), side, least_score
        if not self.model.is_file():
            raise InputError(
                f"face detection model {self.model}: no such file; expected an ONNX file of the YuNet kind"
            )

    def find(self, picture: Picture) -> list[Face]:
        """The faces of a picture.

        Raises:
            InputError: the file is not such a network.
        """
        import cv2

        scale = min(1.0, self.side / max(picture.shape[:2]))
        colours = cv2.cvtColor(_scaled(picture, scale), cv2.COLOR_RGB2BGR)
        try:
            if self._engine is None:
                self._engine = cv2.FaceDetectorYN.create(str(self.model), "", (0, 0), self.least_score)
            self._engine.setInputSize((colours.shape[1], colours.shape[0]))
            rows = self._engine.detect(colours)[1]
        except cv2.error as error:
            raise InputError(f"face detection model {self.model}: not an ONNX file of the YuNet kind") from error
        return [Face(tuple((row[:4] / scale).tolist()), float(row[-1])) for row in ([] if rows is None else rows)]


def crop_faces(
    pictures: Pictures,
    finder: Finder | None = None,
    size: int = 224,
    margin: float | int = 0.2,
    fallback: str = "frame",
    every: int = 1,
) -> FaceCrops | None:
    """The main face of some pictures of one scene (a still image, or a window of a video), cropped square.

    The main face is the one that takes most room over all pictures. Only the pictures in which it is in view are kept.

    Args:
        pictures: in order of time, RGB.
        finder: what finds faces; None is `CascadeFinder()`.
        size: side of the crops, in pixels.
        margin: room around the face's box, as a share of its size, on each side.
        fallback: what to give where no picture has a face: "frame" is the whole pictures, "absent" is None.
        every: look for faces in every so many pictures; in those between, boxes are interpolated.

    Returns:
        The crops; None where there is no face, or no picture, and the fallback is "absent".

    Raises:
        InputError: there is no such fallback.
    """
    if fallback not in FALLBACKS:
        raise unknown("fallback", fallback, FALLBACKS, "faces")
    track = main_face(follow(pictures, finder or CascadeFinder(), every))
    if track is None and (fallback == "absent" or not len(pictures)):
        return None
    height, width = pictures.shape[1:3]
    if track is None:
        boxes, margin = np.tile([0.0, 0.0, width, height], (len(pictures), 1)), 0.0
    else:
        boxes = track.boxes
    index = np.flatnonzero(~np.isnan(boxes[:, 0]))
    pixels = np.stack([crop(pictures[number], boxes[number], size, margin) for number in index])
    return FaceCrops(pixels, boxes[index], index, found=track is not None)


def boxes(
    pictures: Pictures, margin: float | int = 0.2, detector: str | None = None, every: int = 3
) -> list[tuple[float, float, float, float] | None]:
    """Where the main face is in each picture of one scene, for those who cut and scale themselves.

    Args:
        pictures: in order of time, RGB.
        margin: room around the face's box, as a share of its size, on each side.
        detector: the ONNX file of a `NetworkFinder`; None is `CascadeFinder()`.
        every: look for faces in every so many pictures; in those between, boxes are interpolated.

    Returns:
        For each picture a square inside it, (left, top, right, bottom) in pixels; None where the face is not in view.
    """
    track = main_face(follow(pictures, NetworkFinder(detector) if detector else CascadeFinder(), every))
    height, width = pictures.shape[1:3]
    if track is None:
        return [None] * len(pictures)
    return [None if np.isnan(box[0]) else _square(box, margin, height, width) for box in track.boxes]


def _square(
    box: Float64[np.ndarray, " 4"], margin: float | int, height: int, width: int
) -> tuple[float, float, float, float]:
    """The square around the middle of a box, moved and if need be shrunk so that it lies in the picture."""
    side = min(float(max(box[2:])) * (1 + 2 * margin), height, width)
    left = min(max(float(box[0] + (box[2] - side) / 2), 0.0), width - side)
    top = min(max(float(box[1] + (box[3] - side) / 2), 0.0), height - side)
    return left, top, left + side, top + side


def follow(pictures: Pictures, finder: Finder, every: int = 1) -> list[Track]:
    """The faces of some pictures of one scene, each followed from the first look that finds it to the last.

    Args:
        pictures: in order of time, RGB.
        finder: what finds faces.
        every: look in every so many pictures, and in the last; in those between, boxes are interpolated.

    Raises:
        InputError: `every` is below 1.
    """
    if every < 1:
        raise InputError(f"faces are looked for in every {every} pictures; expected 1 or more")
    looks = sorted({*range(0, len(pictures), every), len(pictures) - 1} - {-1})
    return joined([finder.find(pictures[number]) for number in looks], looks)


def joined(found: Sequence[Sequence[Face]], looks: Sequence[int]) -> list[Track]:
    """Faces found in single pictures, joined to tracks: each goes on where it overlaps most.

    Args:
        found: the faces of each look, in order of time.
        looks: the number of the picture of each look.
    """
    chains: list[list[tuple[int, Box]]] = []  # of each face, the looks that found it
    for look, faces in enumerate(found):
        alive = [chain for chain in chains if look - chain[-1][0] <= LOOKS_MISSED + 1]
        pairs = [(overlap(chain[-1][1], face.box), chain, face) for chain in alive for face in faces]
        taken: list[Face] = []
        for share, chain, face in sorted(pairs, key=lambda pair: -pair[0]):
            if share >= SAME_FACE and chain[-1][0] < look and face not in taken:
                chain.append((look, face.box))
                taken.append(face)
        chains += [[(look, face.box)] for face in faces if face not in taken]
    count = looks[-1] + 1 if looks else 0
    return [_track([looks[look] for look, _ in chain], [box for _, box in chain], count) for chain in chains]


def _track(numbers: Sequence[int], boxes: Sequence[Box], count: int) -> Track:
    """A track over `count` pictures from the boxes in some of them."""
    between = np.arange(numbers[0], numbers[-1] + 1)
    whole = np.full((count, 4), np.nan)
    for side, known in enumerate(np.asarray(boxes).T):
        whole[between, side] = np.interp(between, numbers, known)
    return Track(whole, len(numbers))


def main_face(tracks: Sequence[Track]) -> Track | None:
    """The track that takes most room; None if there is none. One found once only yields to any found more often."""
    steady = [track for track in tracks if track.looks > 1]
    return max(steady or tracks, key=lambda track: track.prominence, default=None)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, from 0 to 1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def crop(
    picture: Picture, box: Float64[np.ndarray, " 4"], size: int, margin: float | int = 0.0
) -> UInt8[np.ndarray, "size size 3"]:
    """The square around the middle of a box, scaled; beyond the picture its border goes on.

    Args:
        picture: RGB.
        box: left, top, width, height.
        size: side of the crop, in pixels.
        margin: room around the box, as a share of its longer side, on each side.
    """
    import cv2

    side = max(1, round(max(box[2:]) * (1 + 2 * margin)))
    left, top = round(box[0] + (box[2] - side) / 2), round(box[1] + (box[3] - side) / 2)
    rows = np.clip(np.arange(top, top + side), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, picture.shape[1] - 1)
    square = picture[rows[:, None], columns]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=method)


def _scaled(picture: Picture, scale: float) -> UInt8[np.ndarray, "new_height new_width 3"]:
    import cv2

    size = [max(1, round(length * scale)) for length in (picture.shape[1], picture.shape[0])]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
