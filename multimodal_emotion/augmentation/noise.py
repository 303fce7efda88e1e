"""Noise at a signal-to-noise ratio."""

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._sound import OfSound, power
from multimodal_emotion.config import in_range

SNR: Range = [10, 30]


class Noise(OfSound):
    """Adds noise of a random ratio to the power of the whole clip.

    Label: kept as long as the voice is understood: above about 5 dB.
    """

    def __init__(self, *, snr: Range = SNR, slope: float | int = 1.0, probability: float | int = 0.5) -> None:
        """
        Args:
            snr: the least and the greatest ratio of signal to noise, in decibels.
            slope: the power of the noise falls with frequency to this power: 0 is white noise, 1 pink, 2 brown.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.snr = self.span("snr", snr, -20, 100)
        self.slope = in_range(self.setting("slope"), slope, 0, 4)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " time"]:
        """The sum of the clip and the noise."""
        ratio = 10 ** (generator.uniform(*self.snr) / 10)
        noise = self.noise(len(samples), generator)
        return samples + noise * np.sqrt(power(samples) / (ratio * max(power(noise), 1e-30)))

    def noise(self, length: int, generator: np.random.Generator) -> Float[np.ndarray, " time"]:
        """Noise with the slope, of any power."""
        spectrum = np.fft.rfft(generator.standard_normal(length))
        bins = np.maximum(np.arange(len(spectrum)), 1)
        return np.fft.irfft(spectrum * bins ** (-self.slope / 2), length)
