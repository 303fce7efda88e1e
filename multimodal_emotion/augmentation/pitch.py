"""Higher and lower, as long as before."""

import numpy as np
from jaxtyping import Float

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._sound import OfSound

SEMITONES: Range = [-2, 2]


class Pitch(OfSound):
    """Shifts the pitch by a phase vocoder (librosa's); the length stays.

    Label: kept for a few semitones, which lie between voices; the rise and fall within the clip, which tells more, stays.
    """

    def __init__(self, *, semitones: Range = SEMITONES, probability: float | int = 0.5) -> None:
        """
        Args:
            semitones: the least and the greatest shift.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.semitones = self.span("semitones", semitones, -24, 24)

    def change(
        self, samples: Float[np.ndarray, " time"], rate: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " time"]:
        """The shifted clip."""
        from librosa.effects import pitch_shift

        window = min(2048, 2 ** int(np.log2(max(len(samples), 2))))
        shift = generator.uniform(*self.semitones)
        return pitch_shift(np.asarray(samples), sr=rate, n_steps=shift, n_fft=window)
