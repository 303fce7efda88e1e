"""Louder and softer."""

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._sound import OfSound

DECIBELS: Range = [-6, 6]


class Gain(OfSound):
    """Multiplies the clip. Encoders that normalise each clip (most of wav2vec2) see no difference.

    Label: kept for small changes; loudness tells arousal, so let larger ones be those of microphones only.
    """

    def __init__(self, *, decibels: Range = DECIBELS, probability: float | int = 0.5) -> None:
        """
        Args:
            decibels: the least and the greatest gain.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.decibels = self.span("decibels", decibels, -60, 60)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " time"]:
        """The clip times a number."""
        return samples * 10 ** (generator.uniform(*self.decibels) / 20)
