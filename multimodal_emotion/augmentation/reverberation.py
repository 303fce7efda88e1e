"""Reverberation of a room."""

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._sound import OfSound, power

SECONDS: Range = [0.2, 0.8]
RATIO: Range = [0, 10]


class Reverberation(OfSound):
    """Adds the tail of a room: noise that dies away exponentially, convolved with the clip. Its power stays.

    Label: kept; who speaks in a hall feels the same.

    Source: Study and improvement of artificial reverberators, Moorer, 1979 (decaying noise as the response of a room).
    """

    def __init__(self, *, seconds: Range = SECONDS, ratio: Range = RATIO, probability: float | int = 0.5) -> None:
        """
        Args:
            seconds: the least and the greatest time in which the tail falls by 60 dB.
            ratio: of direct sound to tail, in decibels, likewise.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.seconds = self.span("seconds", seconds, 0.01, 10)
        self.ratio = self.span("ratio", ratio, -20, 100)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " time"]:
        """The clip in the room, as long as before."""
        from scipy.signal import fftconvolve

        heard = fftconvolve(samples, self.response(rate, generator))[: len(samples)]
        return heard * np.sqrt(power(samples) / max(power(heard), 1e-30))

    def response(self, rate: int, generator: np.random.Generator) -> Float[np.ndarray, " tail"]:
        """The response of the room to an impulse, which it begins with."""
        seconds, ratio = generator.uniform(*self.seconds), generator.uniform(*self.ratio)
        times = np.arange(max(2, round(seconds * rate))) / rate
        tail = generator.standard_normal(len(times)) * 10 ** (-3 * times / seconds)
        tail[0] = 0
        tail *= 10 ** (-ratio / 20) / np.sqrt(np.square(tail).sum())
        tail[0] = 1
        return tail
