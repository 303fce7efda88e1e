"""Drawn faces: who it is decides on head, hair and colours; the emotion on brows, eyes and mouth; the sound on the jaw.

Source: Ekman & Friesen, "Facial Action Coding System" (1978), for which parts of a face an emotion moves.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from PIL import Image

from multimodal_emotion.synthesis._acting import generator, perform
from multimodal_emotion.synthesis._drawing import MARGIN, SIZE, Colour, Expression, Person, draw

FPS = 10
"""Pictures a second."""

JAWS = 6
"""How many openings of the mouth are drawn; a film chooses among them."""

EXPRESSIONS = {
    "neutral": Expression(0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    "calm": Expression(0.1, 0.1, 0.7, 0.45, 0.0, 1.0, 0.0, 0.2),
    "joy": Expression(0.2, 0.3, 0.75, 1.2, 0.35, 1.25, 0.0, 1.0),
    "sadness": Expression(0.9, -0.5, 0.65, -0.8, 0.0, 0.9, 0.0, 0.0),
    "anger": Expression(-1.1, 0.4, 0.95, -0.5, 0.1, 0.9, 0.2, 0.0),
    "fear": Expression(1.0, 0.3, 1.5, -0.4, 0.4, 1.25, 0.0, 0.0),
    "disgust": Expression(-0.7, -0.3, 0.55, -0.6, 0.15, 0.95, 1.2, 0.5),
    "surprise": Expression(1.1, 1.1, 1.6, 0.0, 1.0, 0.75, 0.0, 0.0),
}
ALIKE = (("fear", "surprise"), ("anger", "disgust"), ("neutral", "sadness"), ("joy", "calm"))
SPREAD = Expression(0.15, 0.15, 0.08, 0.15, 0.06, 0.05, 0.12, 0.12)

_SKINS = ((250, 220, 196), (236, 196, 164), (214, 166, 128), (184, 132, 94), (150, 102, 72))
_HAIRS = ((40, 30, 26), (70, 46, 32), (92, 60, 40), (150, 150, 152), (120, 50, 30), (208, 172, 110))
_EYES = ((62, 44, 32), (70, 96, 120), (80, 104, 70), (40, 30, 24))
_SHIRTS = ((60, 90, 130), (150, 70, 70), (80, 120, 90), (110, 100, 140), (200, 190, 170), (50, 54, 60))
_WALLS = ((196, 204, 208), (206, 198, 184), (176, 192, 186), (186, 184, 204))


def film(
    loudness: Float[Array, " frame"], emotion: str = "neutral", speaker: str = "", seed: int | str = 0
) -> UInt8[Array, "frame height width 3"]:
    """A drawn face that speaks.

    Args:
        loudness: of the speech at each picture, 0 to 1: the mouth opens with it.
        emotion: one of `EMOTIONS`.
        speaker: any name; it determines whose face it is.
        seed: another seed, another performance.

    Returns:
        RGB pictures of `SIZE` by `SIZE`.

    Raises:
        InputError: there is no such emotion.
    """
    chance = generator("face", seed, speaker)
    expression = Expression(*perform(emotion, EXPRESSIONS, ALIKE, SPREAD, chance))
    person, light, tilt = _person(speaker), chance.uniform(0.85, 1.1), chance.normal(0, 2)
    jaws = np.round(np.clip(loudness, 0, 1) * (JAWS - 1)).astype(int)
    blinks = chance.random(len(jaws)) < 0.03
    kinds = list(zip(jaws.tolist(), blinks.tolist(), strict=True))
    drawn = {kind: _lit(draw(person, _speaking(expression, *kind)), light, tilt) for kind in set(kinds)}
    return np.stack([_crop(drawn[kind], shift) for kind, shift in zip(kinds, _sway(len(kinds), chance), strict=True)])


def _person(name: str) -> Person:
    chance = generator("speaker's face", name)

    def pick(colours: Sequence[Colour]) -> Colour:
        return colours[int(chance.integers(len(colours)))]

    long_hair = bool(chance.random() < 0.5)
    tan = int(chance.integers(len(_SKINS)))
    return Person(
        width=chance.uniform(0.72, 0.82),
        eyes_apart=chance.uniform(0.31, 0.35),
        eye=chance.uniform(0.12, 0.15),
        brow=chance.uniform(0.03, 0.055),
        nose=chance.uniform(0.10, 0.14),
        mouth=chance.uniform(0.24, 0.30),
        long_hair=long_hair,
        beard=not long_hair and bool(chance.random() < 0.35),
        glasses=bool(chance.random() < 0.2),
        skin=_SKINS[tan],
        hair=pick(_HAIRS[: len(_HAIRS) - tan]),
        iris=pick(_EYES),
        shirt=pick(_SHIRTS),
        wall=pick(_WALLS),
    )


def _speaking(expression: Expression, jaw: int, blink: bool) -> Expression:
    opened = max(expression.jaw, 0) + 0.7 * jaw / (JAWS - 1)
    return expression._replace(jaw=opened, eyes=0.1 if blink else max(expression.eyes, 0.3))


def _sway(frames: int, chance: np.random.Generator) -> list[tuple[int, int]]:
    """Where the head is in each picture, in pixels from the corner."""
    time = np.arange(frames) / FPS
    paths = [
        MARGIN + 0.5 * MARGIN * np.sin(2 * np.pi * (chance.uniform(0.2, 0.6) * time + chance.random()))
        for _ in range(2)
    ]
    return [(round(x), round(y)) for x, y in zip(*paths, strict=True)]


def _crop(picture: UInt8[Array, "drawn drawn 3"], shift: tuple[int, int]) -> UInt8[Array, "height width 3"]:
    x, y = shift
    return picture[y : y + SIZE, x : x + SIZE]


def _lit(picture: Image.Image, light: float, tilt: float) -> UInt8[Array, "height width 3"]:
    """The picture tilted by some degrees, at its final size, in brighter or dimmer light."""
    size = SIZE + 2 * MARGIN
    small = picture.resize((size, size), Image.Resampling.BOX)
    turned = small.rotate(tilt, Image.Resampling.BILINEAR, fillcolor=picture.getpixel((2, 2)))
    return np.clip(np.asarray(turned, dtype=np.float32) * light, 0, 255).astype(np.uint8)
