"""Still images through Pillow: any colour mode, upright, RGB."""

import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._file import PatientFile, existing
from multimodal_emotion.media._limits import MAX_IMAGE_PIXELS, Patience

# Only pictures made of pixels: for others Pillow starts programs (EPS) or draws.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "ICO", "BMP", "JPEG2000", "PPM")
LONGEST_SIDE = 4096
STRIP = 256
BACKGROUND = (255, 255, 255, 255)
DEEP_MODES = ("I", "F")
"""Modes of one number a pixel in 32 bits; those that begin with "I;16" are the ones in 16."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its EXIF orientation."""
SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)


def read_image(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """An image file as RGB, as a viewer shows it.

    Turned by its EXIF orientation; transparent parts lie on white; of several pictures (animation, pages) the first.
    Grey of 16 bits is scaled to 8; of 32 bits or floats it is scaled from its own darkest to its own brightest pixel.
    One whose longer side is above 4096 is scaled down by a whole number to less than that.

    Args:
        path: an image file; its content tells the format, not its name.

    Raises:
        InputError: the file is not there, broken, of an unknown format, or above 50 million pixels.
    """
    path = existing(path)
    with opened_image(path) as image:
        if image is None:
            raise InputError(f"{path}: not an image of a known format ({', '.join(FORMATS)})")
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise InputError(f"{path}: {image.width} x {image.height}; at most {MAX_IMAGE_PIXELS:,} pixels are decoded")
        try:
            factor = math.ceil(max(image.size) / LONGEST_SIDE)
            image.draft(None, (image.width // factor, image.height // factor))  # JPEG can be decoded smaller
            image.load()
            turn = _turn(image)
            pixels = _shrunk(image, math.ceil(max(image.size) / LONGEST_SIDE))
            return np.asarray(pixels if turn is None else pixels.transpose(turn))
        except Exception as error:  # Pillow's readers raise whatever is nearest
            raise InputError(f"{path}: the image is broken ({str(error) or type(error).__name__})") from error


@contextmanager
def opened_image(path: Path) -> Iterator[Image.Image | None]:
    """An image whose pixels are not decoded yet; None if it is none, or is broken in its first bytes."""
    patience = Patience(path)
    with warnings.catch_warnings(), PatientFile(path, patience) as file:
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes that `read_image` refuses
        yield _identified(file)
        patience.check()


def _identified(file: PatientFile) -> Image.Image | None:
    try:
        return Image.open(cast(BinaryIO, file), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{file.patience.path}: {error}") from error
    except Exception:  # not an image: Pillow's readers raise whatever is nearest
        file.patience.check()
        return None


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height after its EXIF orientation."""
    return (image.height, image.width) if _turn(image) in SIDEWAYS else (image.width, image.height)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes the image upright; Pillow turns TIFF by itself."""
    if image.format == "TIFF":
        return None
    try:
        # the method of the base class: that of PNG images decodes all of it
        return TURNS.get(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except (ValueError, TypeError, SyntaxError, KeyError, struct.error):  # broken EXIF: shown as stored
        return None


def _shrunk(image: Image.Image, factor: int) -> Image.Image:
    """The decoded image as RGB, `factor` times smaller; by strips, since its colour modes may need several copies of it."""
    extremes = image.getextrema() if image.mode in DEEP_MODES else None
    size = -(-image.width // factor), -(-image.height // factor)
    whole = Image.new("RGB", size)
    height = STRIP * factor
    for top in range(0, image.height, height):
        strip = image.crop((0, top, image.width, min(top + height, image.height)))
        whole.paste(_rgb(strip, extremes).reduce(factor), (0, top // factor))
    return whole


def _rgb(image: Image.Image, extremes: Any) -> Image.Image:
    if image.mode in DEEP_MODES:
        return Image.fromarray(_scaled(np.asarray(image), *extremes)).convert("RGB")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
        assert converted is not None
        return converted
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image).convert("RGB")
    return image.convert("RGB")


def _scaled(values: np.ndarray, low: float | int, high: float | int) -> UInt8[np.ndarray, "height width"]:
    share = (values.astype(np.float64) - low) / max(high - low, 1e-12)
    return (np.nan_to_num(share).clip(0, 1) * 255).round().astype(np.uint8)
