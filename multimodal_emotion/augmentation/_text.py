"""What augmentations of text share: they work on the words between spaces, and leave those alone that carry emotion."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from multimodal_emotion.augmentation._base import Augmentation
from multimodal_emotion.augmentation._words import carries
from multimodal_emotion.config import in_range
from multimodal_emotion.media import Text


class OfWords(Augmentation):
    """Changes words of an utterance, not of its context. The words that it knows to carry emotion are English."""

    medium: ClassVar[str] = "text"

    def __init__(
        self, *, share: float | int = 0.1, keep: list[str] | None = None, probability: float | int = 0.5
    ) -> None:
        """
        Args:
            share: of the words that may be changed; each is with this probability.
            keep: further words that are never changed, such as those of another language.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.share = in_range(self.setting("share"), share, 0, 1)
        self.keep = frozenset(str(word).casefold() for word in keep or ())

    def __call__(self, value: Text, generator: np.random.Generator) -> Text:
        """The changed utterance."""
        words = value.text.split()
        free = [not carries(word, self.keep) for word in words]
        changed = " ".join(self.change(words, free, generator))
        return replace(value, text=changed, words=None) if changed.strip() else value

    @abstractmethod
    def change(self, words: Sequence[str], free: Sequence[bool], generator: np.random.Generator) -> Sequence[str]:
        """The new words.

        Args:
            words: as they stand, with their marks.
            free: which may be changed.
            generator: gives all random numbers.
        """

    def chosen(self, free: Sequence[bool], generator: np.random.Generator) -> list[bool]:
        """Which words are changed this time."""
        return [may and draw < self.share for may, draw in zip(free, generator.random(len(free)).tolist(), strict=True)]
