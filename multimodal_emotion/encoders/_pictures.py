"""What the image encoders share: frames of an utterance, faces cut out, of the size and colours that a model wants."""

import shutil
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from multimodal_emotion.batch import MaskedSequence, Utterance
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.encoders._readout import Layers, ReadoutEncoder
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.media import Frames, frames_of

FACES, FALLBACKS = ("frame", "crop"), ("frame", "absent")

DETECTOR = "face_detector.onnx"
"""The file of a saved encoder's own face detector."""


THUMBNAIL = 64
"""Pixels. A picture without a longer side is a face that was cut out already (FER2013 has 48): no detector finds it again."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


class Pictures(Preparation):
    """Frames of an utterance -> pictures (time, channels, height, width) in whole numbers from 0 to 255."""

    def __init__(
        self,
        size: tuple[int, int],
        channels: int = 3,
        *,
        count: int | None = 8,
        fps: float | int | None = None,
        faces: str = "frame",
        margin: float | int = 0.2,
        fallback: str = "frame",
        detector: str | None = None,
        greyscale: bool = False,
    ) -> None:
        """
        Args:
            size: height and width that the model wants.
            channels: 1 or 3.
            count, fps, faces, margin, fallback, detector, greyscale: see `ImageEncoder`.

        Raises:
            InputError: a setting is out of its choices.
        """
        if faces not in FACES:
            raise unknown("value of faces", faces, FACES)
        if fallback not in FALLBACKS:
            raise unknown("value of fallback", fallback, FALLBACKS)
        if count is not None and count < 1:
            raise InputError(f"count is {count}; it must be at least 1 frame")
        if margin < 0:
            raise InputError(f"margin is {margin}; it must not be negative")
        self.size, self.channels, self.greyscale = size, channels, greyscale
        self.count, self.fps = count, fps
        self.faces, self.margin, self.fallback, self.detector = faces, margin, fallback, detector

    def read(self, utterance: Utterance) -> Frames | None:
        """The image of an utterance, or frames of its video; None if it has neither."""
        return frames_of(utterance, fps=self.fps, count=self.count)

    def __call__(self, medium: Frames) -> np.ndarray:
        """(time, channels, height, width); frames without a face are left out where they count as absent."""
        pictures = [
            self._picture(pixels, box)
            for pixels, box in zip(medium.pixels, self._boxes(medium), strict=True)
            if box is not None
        ]
        return np.stack(pictures) if pictures else np.zeros((0, self.channels, *self.size), dtype=np.uint8)

    def _boxes(self, medium: Frames) -> Sequence[Box | None]:
        whole = middle(medium.pixels.shape[1], medium.pixels.shape[2], self.size)
        if self.faces == "frame" or max(medium.pixels.shape[1:3]) <= THUMBNAIL:
            return [whole] * len(medium.pixels)
        from multimodal_emotion import faces

        return [
            whole if box is None and self.fallback == "frame" else box
            for box in faces.boxes(medium.pixels, self.margin, self.detector)
        ]

    def _picture(self, pixels: UInt8[np.ndarray, "height width 3"], box: Box) -> np.ndarray:
        from PIL import Image

        image = Image.fromarray(pixels)
        if self.greyscale or self.channels == 1:
            image = image.convert("L")
        image = image.resize((self.size[1], self.size[0]), Image.Resampling.BICUBIC, box=box)
        if self.channels == 3:
            image = image.convert("RGB")
        return np.asarray(image).reshape(*self.size, self.channels).transpose(2, 0, 1)


class ImageEncoder(ReadoutEncoder):
    """An image model run on each frame; the frames' vectors are a sequence that is pooled over time.

    A subclass sets `backbone`, calls `look`, and gives the states of pictures in `states`.
    """

    medium: ClassVar[str] = "image"

    def __init__(
        self,
        *,
        pooling: str = "mean",
        standardise: bool = False,
        count: int | None = 8,
        fps: float | int | None = None,
        faces: str = "frame",
        margin: float | int = 0.2,
        fallback: str = "frame",
        detector: str | None = None,
        greyscale: bool = False,
    ) -> None:
        """
        Args:
            pooling: over frames: "mean", "stats", "attention", "transformer", "first", or "none", which keeps the sequence.
            standardise: whether features are standardised, as the training split gives it.
            count: frames of a video at most, evenly spread; None takes all that `fps` gives.
            fps: frames a second; None takes the video's own.
            faces: "frame" takes the largest part in the middle that has the model's proportions, "crop" the largest face;
                a picture of at most 64 x 64 pixels is taken for a face.
            margin: added around a face on each side, as a share of its size.
            fallback: where no face is found, the "frame" is taken, or the picture is "absent".
            detector: the .onnx file of a YuNet face detector; None takes the one saved with the checkpoint, if there is
                one, else opencv's cascades.
            greyscale: whether colours are removed.
        """
        super().__init__()
        self._pooling, self._standardise = pooling, standardise
        self._reading: dict[str, Any] = {
            "count": count,
            "fps": fps,
            "faces": faces,
            "margin": margin,
            "fallback": fallback,
            "detector": detector,
            "greyscale": greyscale,
        }

    def look(
        self,
        size: tuple[int, int],
        mean: Sequence[float],
        deviation: Sequence[float],
        widths: Sequence[int],
        layers: Layers = "last",
        place: str = "",
    ) -> None:
        """Builds `prepare` and `readout`.

        Args:
            size: height and width of the pictures.
            mean, deviation: of each channel over the pictures that the model was trained on, on the scale 0 to 1.
            widths: of each layer's states.
            layers: see `Layers`.
            place: the folder of the checkpoint, where it is one.
        """
        saved = Path(place) / DETECTOR
        if self._reading["detector"] is None and saved.is_file():
            self._reading["detector"] = str(saved)
        self.mean, self.deviation = tuple(mean), tuple(deviation)
        self.prepare = Pictures(size, len(self.mean), **self._reading)
        self.read_out(widths, layers, self._pooling, self._standardise)

    def save(self, folder: Path) -> None:
        """Writes the face detector, where it has one of its own."""
        if self._reading["detector"] is not None:
            shutil.copyfile(self._reading["detector"], folder / DETECTOR)

    @abstractmethod
    def states(self, pictures: Float[Tensor, "pictures channels height width"]) -> Sequence[Tensor]:
        """Normalised pictures -> the vectors (pictures, width) of each layer."""

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time, channels, height, width) from 0 to 255 -> (batch, time', width)."""
        pictures = inputs.values[inputs.mask].float() / 255
        mean, deviation = (pictures.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.deviation))
        states = self.states((pictures - mean) / deviation)
        return self.readout.collect([_in_rows(state, inputs.mask) for state in states], inputs.mask)

    def extract_settings(self) -> str:
        """Which layers are read, how they are pooled, and the colours that the model expects."""
        return f"{super().extract_settings()} mean {self.mean} deviation {self.deviation}"


def middle(height: int, width: int, size: tuple[int, int]) -> Box:
    """The largest box in the middle of a picture that has the proportions of `size`."""
    scale = min(height / size[0], width / size[1])
    across, down = scale * size[1], scale * size[0]
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def _in_rows(
    states: Float[Tensor, "pictures dim"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch time dim"]:
    """The vectors of all real pictures, back in their rows; padding is zero."""
    rows = states.new_zeros(*mask.shape, states.shape[-1])
    rows[mask] = states
    return rows
