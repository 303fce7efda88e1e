"""Faster and slower, with the pitch."""

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._sound import OfSound

FACTOR: Range = [0.9, 1.1]


class Speed(OfSound):
    """Plays the clip faster or slower, as a tape does: length and pitch change.

    Label: kept near 1; tempo and pitch tell arousal, so that beyond about a tenth sadness begins to sound like calm or joy.

    Source: Audio Augmentation for Speech Recognition, Interspeech 2015 (factors 0.9, 1 and 1.1).
    """

    def __init__(self, *, factor: Range = FACTOR, probability: float | int = 0.5) -> None:
        """
        Args:
            factor: the least and the greatest, in whole hundredths; 2 is twice as fast.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.factor = self.span("factor", factor, 0.25, 4)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " faster"]:
        """The clip, as long as before divided by the factor."""
        from scipy.signal import resample_poly

        low, high = (round(100 * factor) for factor in self.factor)
        return resample_poly(samples.astype(float), 100, int(generator.integers(low, high + 1)))
