"""Pitch, energy, rhythm, voice quality and spectrum as named numbers: light, without weights, explainable."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.encoders import _prosody
from multimodal_emotion.encoders._readout import ReadoutEncoder
from multimodal_emotion.encoders._sound import SoundPreparation
from multimodal_emotion.media import Audio


class Measurements(SoundPreparation):
    """Sound -> one step with all measurements, (1, features)."""

    def __call__(self, medium: Audio) -> np.ndarray:
        """(1, features); no step for an empty clip."""
        if not len(medium.samples):
            return np.zeros((0, len(_prosody.names())), dtype=np.float32)
        return np.array([list(_prosody.measure(medium.samples, medium.rate).values())], dtype=np.float32)


class Prosody(ReadoutEncoder):
    """Named measurements of a voice, standardised over the training split.

    Attributes:
        feature_names: what each of the `dim` numbers is.
    """

    medium: ClassVar[str] = "audio"

    def __init__(self, *, standardise: bool = True, max_seconds: float | int | None = None) -> None:
        """
        Args:
            standardise: whether features are standardised, as the training split gives it.
            max_seconds: the rest of a longer clip is not read; None reads all of it.
        """
        super().__init__()
        self.prepare = Measurements(max_seconds=max_seconds)
        self.feature_names = _prosody.names()
        self.read_out([len(self.feature_names)], "last", "none", standardise)

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, 1, features) -> the same."""
        return self.readout.collect([inputs.values], inputs.mask)

    def save(self, folder: Path) -> None:
        """Writes nothing: the settings say it all."""
