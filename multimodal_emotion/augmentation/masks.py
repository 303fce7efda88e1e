"""Masks over times and frequencies."""

import math

import numpy as np
import torch
from jaxtyping import Float

from multimodal_emotion.augmentation._sound import OfSound
from multimodal_emotion.config import in_range

WINDOW, HOP = 0.025, 0.01
"""Seconds, those of the spectrograms that speech models take."""


class Masks(OfSound):
    """Silences spans of time and bands of frequency in the spectrum of the waveform, which is then a waveform again.

    So it serves every encoder: what takes a spectrogram finds the masks in its own.

    Label: kept on the whole; a cry that lasts an instant can fall into a mask, so keep the share of time small.

    Source: SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition, 2019, arXiv 1904.08779.
    """

    def __init__(
        self,
        *,
        times: int = 1,
        time_share: float | int = 0.1,
        bands: int = 1,
        band_share: float | int = 0.15,
        probability: float | int = 0.5,
    ) -> None:
        """
        Args:
            times: how many spans of time are silenced.
            time_share: of the clip, that a span has at most.
            bands: how many bands of frequency.
            band_share: of all frequencies, that a band has at most.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.times = in_range(self.setting("times"), times, 0)
        self.time_share = in_range(self.setting("time_share"), time_share, 0, 1)
        self.bands = in_range(self.setting("bands"), bands, 0)
        self.band_share = in_range(self.setting("band_share"), band_share, 0, 1)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " time"]:
        """The clip without what is masked."""
        size, hop = round(WINDOW * rate), round(HOP * rate)
        window = torch.hann_window(size)
        padded = torch.nn.functional.pad(
            torch.from_numpy(np.array(samples, dtype=np.float32)), (0, max(0, size - len(samples)))
        )
        spectrum = torch.stft(padded, size, hop, window=window, return_complex=True)
        for axis, count, share in ((1, self.times, self.time_share), (0, self.bands, self.band_share)):
            for _ in range(count):
                start, stop = drawn(spectrum.shape[axis], share, generator)
                spectrum.narrow(axis, start, stop - start).zero_()
        return torch.istft(spectrum, size, hop, window=window, length=len(padded))[: len(samples)].numpy()


def drawn(length: int, share: float | int, generator: np.random.Generator) -> tuple[int, int]:
    """Where a mask begins and ends: each width up to a share of the length, and each place, is equally likely."""
    width = int(generator.integers(0, math.floor(share * length) + 1))
    start = int(generator.integers(0, length - width + 1))
    return start, start + width
