"""What the preparations of sound share: reading it."""

from multimodal_emotion.batch import Utterance
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio, audio_of

RATE = 16000
"""The sampling rate, in hertz, of every speech model here."""


class SoundPreparation(Preparation):
    """Reads the sound of an utterance."""

    def __init__(self, rate: int = RATE, max_seconds: float | int | None = None) -> None:
        """
        Args:
            rate: in hertz.
            max_seconds: the rest of a longer clip is not read; None reads all of it.

        Raises:
            InputError: max_seconds is not positive.
        """
        if max_seconds is not None and max_seconds <= 0:
            raise InputError(f"max_seconds is {max_seconds}; it must be positive, or null for whole clips")
        self.rate = rate
        self.max_seconds = max_seconds

    def read(self, utterance: Utterance) -> Audio | None:
        """The sound of an utterance; None if it has none or is silent."""
        return audio_of(utterance, self.rate, self.max_seconds)
