"""Still images through Pillow: any colour mode, upright, RGB."""

import struct
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._container import existing
from multimodal_emotion.media._limits import MAX_IMAGE_PIXELS

# Only pictures made of pixels: for others Pillow starts programs (EPS) or draws.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "ICO", "BMP", "JPEG2000", "PPM")
BROKEN_EXIF = (ValueError, TypeError, SyntaxError, KeyError, struct.error)
BACKGROUND = (255, 255, 255)
DEEP_MODES = ("I", "F")
"""Modes of one number a pixel that is not 8-bit, besides those that begin with "I;16"."""


def read_image(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """An image file as RGB, as a viewer shows it.

    Turned by its EXIF orientation; transparent parts lie on white; of several pictures (animation, pages) the first.
    Grey of 16 bits is scaled to 8; of 32 bits or floats it is scaled from its own darkest to its own brightest pixel.

    Args:
        path: an image file; its content tells the format, not its name.

    Raises:
        InputError: the file is not there, broken, of an unknown format, or above 67 million pixels.
    """
    path = existing(path)
    try:
        with opened_image(path) as image:
            return np.asarray(_rgb(_upright(image)))
    except InputError:
        raise
    except Exception as error:  # Pillow's readers meet broken files with whatever exception is nearest
        raise InputError(f"{path}: the image is broken ({str(error) or type(error).__name__})") from error


def opened_image(path: Path) -> Image.Image:
    """An image whose pixels are not decoded yet.

    Raises:
        InputError: it is no image, or too large.
    """
    image = identified(path)
    if image is None:
        raise InputError(f"{path}: not an image of a known format ({', '.join(FORMATS)})")
    if image.width * image.height > MAX_IMAGE_PIXELS:
        image.close()
        raise InputError(f"{path}: {image.width} x {image.height}; at most {MAX_IMAGE_PIXELS:,} pixels are decoded")
    return image


def identified(path: Path) -> Image.Image | None:
    """An image whose pixels are not decoded yet; None if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that `opened_image` refuses
            return Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}") from error
    except (UnidentifiedImageError, OSError):
        return None


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height after its EXIF orientation."""
    try:
        on_its_side = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except BROKEN_EXIF:
        on_its_side = False
    return (image.height, image.width) if on_its_side else (image.width, image.height)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN_EXIF:  # shown as stored
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
        return converted if converted is not None else image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, (*BACKGROUND, 255))
        return Image.alpha_composite(canvas, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray, mode: str) -> UInt8[np.ndarray, "height width"]:
    if mode.startswith("I;16"):
        return (values >> 8).astype(np.uint8)
    low, high = np.nanmin(values), np.nanmax(values)
    scaled = (values - low) / max(high - low, 1e-12)
    return (np.nan_to_num(scaled) * 255).round().astype(np.uint8)
