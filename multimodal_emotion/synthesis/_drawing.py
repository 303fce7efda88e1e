"""Draws one face: a head from its measures and colours, with brows, eyes, nose and mouth as an expression has them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 112
"""Height and width of a picture."""

MARGIN = 6
"""Pixels around that, in which the head may sway."""

DETAIL = 3
"""Pictures are drawn this much larger and then reduced, for smooth edges."""

Colour = tuple[int, int, int]
Number = float | int
Point = tuple[Number, Number]


class Expression(NamedTuple):
    """What an emotion does to a face; 0 is at rest and 1 a strong movement, unless it is said otherwise.

    Attributes:
        inner, outer: the inner and outer end of the brows: up, or (negative) down.
        eyes: how far they are open: 1 at rest.
        smile: corners of the mouth: up, or (negative) down.
        jaw: how far the mouth is open while silent.
        wide: width of the mouth: 1 at rest.
        sneer: the upper lip drawn up and the nose wrinkled.
        cheeks: raised, which narrows the eyes from below.
    """

    inner: float
    outer: float
    eyes: float
    smile: float
    jaw: float
    wide: float
    sneer: float
    cheeks: float


class Person(NamedTuple):
    """Whose face it is: shares of half the height of a head, and colours."""

    width: float
    eyes_apart: float
    eye: float
    brow: float
    nose: float
    mouth: float
    long_hair: bool
    beard: bool
    glasses: bool
    skin: Colour
    hair: Colour
    iris: Colour
    shirt: Colour
    wall: Colour


class Canvas:
    """A picture on which places are given in half heights of the head, from the middle of the face."""

    def __init__(self, mode: str, colour: Colour | int) -> None:
        side = (SIZE + 2 * MARGIN) * DETAIL
        self.picture = Image.new(mode, (side, side), colour)
        self.pen = ImageDraw.Draw(self.picture)
        self.scale = 0.385 * side
        self.middle = (0.5 * side, 0.53 * side)

    def at(self, x: Number, y: Number) -> Point:
        """The pixel of a place."""
        return self.middle[0] + x * self.scale, self.middle[1] + y * self.scale

    def oval(self, x: Number, y: Number, width: Number, height: Number, colour: Colour | int) -> None:
        """A filled oval; width and height are halves."""
        self.pen.ellipse([*self.at(x - width, y - height), *self.at(x + width, y + height)], fill=colour)

    def shape(self, points: Sequence[Point], colour: Colour | int) -> None:
        """A filled shape."""
        self.pen.polygon([self.at(x, y) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], width: Number, colour: Colour | int) -> None:
        """A line with round corners."""
        self.pen.line(
            [self.at(x, y) for x, y in points], fill=colour, width=max(1, round(width * self.scale)), joint="curve"
        )


def draw(person: Person, expression: Expression) -> Image.Image:
    """A picture of someone's head and shoulders, `DETAIL` times as large as it will be, with a margin."""
    canvas = Canvas("RGB", person.wall)
    _head(canvas, person)
    canvas.picture = _shaded(canvas.picture, person)
    canvas.pen = ImageDraw.Draw(canvas.picture)
    for side in (-1, 1):
        _eye(canvas, person, expression, side)
    _nose(canvas, person, expression)
    _mouth(canvas, person, expression)
    _fringe(canvas, person)
    return canvas.picture


def _head(canvas: Canvas, person: Person) -> None:
    if person.long_hair:
        canvas.oval(0, 0.05, person.width + 0.2, 1.15, person.hair)
        canvas.shape(
            [
                (-person.width - 0.2, 0),
                (person.width + 0.2, 0),
                (person.width + 0.15, 1.3),
                (-person.width - 0.15, 1.3),
            ],
            person.hair,
        )
    canvas.oval(0, 1.75, 1.25, 0.75, person.shirt)
    canvas.shape([(-0.3, 0.6), (0.3, 0.6), (0.34, 1.15), (-0.34, 1.15)], _darker(person.skin, 0.8))
    for side in (-1, 1) if not person.long_hair else ():
        canvas.oval(side * person.width, 0.02, 0.1, 0.17, _darker(person.skin, 0.9))
    canvas.oval(0, 0, person.width, 1.0, person.skin)
    if person.beard:
        canvas.pen.chord(
            [*canvas.at(-person.width, -1.0), *canvas.at(person.width, 1.0)], 15, 165, fill=_darker(person.hair, 1.15)
        )
        canvas.oval(0, 0.33, person.width * 0.72, 0.2, person.skin)


def _shaded(picture: Image.Image, person: Person) -> Image.Image:
    """Soft shadows in the sockets of the eyes, beside and under the nose, under the lip and round the edge of the face.

    They are what a cascade of Haar features looks for in a face.
    """
    shade = Canvas("L", 255)
    shade.oval(0, 0, person.width * 0.99, 0.99, 165)
    shade.oval(0, -0.05, person.width * 0.88, 0.93, 250)
    for side in (-1, 1):
        shade.oval(side * person.eyes_apart, -0.17, 0.24, 0.15, 150)
        shade.oval(side * 0.14, 0.2, 0.05, 0.12, 205)
        shade.oval(side * 0.42, 0.22, 0.16, 0.13, 255)
    shade.oval(0, 0.32, person.nose * 1.2, 0.05, 165)
    shade.oval(0, 0.74, 0.2, 0.05, 205)
    shade.shape([(-0.06, -0.25), (0.06, -0.25), (0.05, 0.2), (-0.05, 0.2)], 255)
    mask = shade.picture.filter(ImageFilter.BoxBlur(0.035 * shade.scale))
    return Image.composite(picture, Image.new("RGB", picture.size, (20, 8, 8)), mask)


def _eye(canvas: Canvas, person: Person, expression: Expression, side: int) -> None:
    x, y = side * person.eyes_apart, -0.17
    height = 0.085 * expression.eyes
    across = np.linspace(-1, 1, 13)
    arch = 1 - across**2
    upper = [(x + person.eye * a, y - height * b) for a, b in zip(across, arch, strict=True)]
    raised = 1 - 0.6 * float(np.clip(expression.cheeks, 0, 1.2))
    lower = [(x + person.eye * a, y + height * raised * b) for a, b in zip(across, arch, strict=True)]
    if expression.eyes > 0.2:
        canvas.shape(upper + lower[::-1], (244, 242, 238))
        iris = min(0.062, 0.8 * height)
        canvas.oval(x, y, 0.062, iris, person.iris)
        canvas.oval(x, y, 0.03, min(0.03, iris), (12, 10, 10))
    canvas.line(upper, 0.03, (40, 26, 22))
    canvas.line(lower, 0.012, _darker(person.skin, 0.55))
    brow = [
        (side * (person.eyes_apart - 0.17), -0.36 - 0.11 * expression.inner),
        (x, -0.41 - 0.055 * (expression.inner + expression.outer)),
        (side * (person.eyes_apart + 0.19), -0.35 - 0.10 * expression.outer),
    ]
    canvas.line(_curve(brow), 1.4 * person.brow, _darker(person.hair, 0.7))
    if person.glasses:
        box = [*canvas.at(x - 0.22, y - 0.17), *canvas.at(x + 0.22, y + 0.19)]
        canvas.pen.rounded_rectangle(
            box, radius=0.1 * canvas.scale, outline=(50, 50, 56), width=round(0.025 * canvas.scale)
        )


def _nose(canvas: Canvas, person: Person, expression: Expression) -> None:
    lift = 0.04 * expression.sneer
    for side in (-1, 1):
        canvas.oval(side * 0.055, 0.27 - lift, 0.03, 0.018, _darker(person.skin, 0.4))
        wing = [
            (side * person.nose, 0.18 - lift),
            (side * (person.nose + 0.02), 0.25 - lift),
            (side * 0.09, 0.29 - lift),
        ]
        canvas.line(_curve(wing), 0.015, _darker(person.skin, 0.65))
    if expression.sneer > 0.25:
        strength = 1 - 0.25 * min(expression.sneer, 1.2)
        for y in (-0.1, -0.04, 0.02):
            canvas.line(
                _curve([(-0.09, y + 0.03), (0, y - 0.02), (0.09, y + 0.03)]), 0.016, _darker(person.skin, strength)
            )
        for side in (-1, 1):
            fold = [(side * 0.16, 0.2), (side * 0.27, 0.33), (side * 0.3, 0.46)]
            canvas.line(_curve(fold), 0.02, _darker(person.skin, strength))


def _mouth(canvas: Canvas, person: Person, expression: Expression) -> None:
    """Two lips between the corners; what is between them is dark, with a row of teeth."""
    half = person.mouth * expression.wide
    y = 0.54
    corner = y - 0.10 * expression.smile
    upper = y + 0.02 * expression.smile - 0.025 * expression.jaw - 0.07 * max(expression.sneer, 0)
    lower = y + 0.02 + 0.06 * expression.smile + 0.24 * expression.jaw
    top = _curve([(-half, corner), (0, 2 * upper - corner), (half, corner)])
    bottom = _curve([(-half, corner), (0, 2 * lower - corner), (half, corner)])
    lips = _blend(person.skin, (150, 50, 56), 0.55)
    canvas.shape(top + bottom[::-1], (56, 18, 20))
    if lower - upper > 0.07:
        teeth = [(a, b + min(0.05, 0.4 * (lower - upper))) for a, b in top]
        canvas.shape(top[3:-3] + teeth[3:-3][::-1], (236, 232, 224))
    canvas.line(bottom, 0.05, lips)
    canvas.line(top, 0.04, _darker(lips, 0.85))


def _fringe(canvas: Canvas, person: Person) -> None:
    edge = [*canvas.at(-person.width - 0.04, -1.08), *canvas.at(person.width + 0.04, 0.95)]
    canvas.pen.chord(edge, 212, 328, fill=person.hair)
    if person.long_hair:
        for side in (-1, 1):
            lock = [(side * 0.15, -1.0), (side * (person.width - 0.12), -0.55), (side * (person.width + 0.02), 0.5)]
            canvas.line(_curve(lock), 0.13, person.hair)


def _curve(points: Sequence[Point]) -> list[Point]:
    """A parabola from the first of three points to the last, pulled towards the middle one (quadratic Bézier)."""
    t = np.linspace(0, 1, 13)[:, None]
    first, middle, last = np.array(points, dtype=float)
    return [tuple(point) for point in ((1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last).tolist()]


def _darker(colour: Colour, factor: Number) -> Colour:
    return _blend((0, 0, 0), colour, factor)


def _blend(one: Colour, other: Colour, share: Number) -> Colour:
    red, green, blue = (min(255, round((1 - share) * a + share * b)) for a, b in zip(one, other, strict=True))
    return red, green, blue
