"""What augmentations of sound share."""

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Augmentation
from multimodal_emotion.media import Audio


class OfSound(Augmentation):
    """Changes the decoded waveform, whatever the encoder makes of it."""

    medium: ClassVar[str] = "audio"

    def __call__(self, value: Audio, generator: np.random.Generator) -> Audio:
        """The changed sound."""
        return replace(value, samples=self.change(value.samples, value.rate, generator).astype(np.float32))

    @abstractmethod
    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " changed"]:
        """The new samples.

        Args:
            samples: at least one; not to be changed in place.
            rate: in hertz.
            generator: gives all random numbers.
        """


def power(samples: Float[np.ndarray, " time"]) -> float:
    """The mean square."""
    return float(np.mean(np.square(samples, dtype=float)))
