"""Word dropout: some words are left out."""

from collections.abc import Sequence

import numpy as np

from multimodal_emotion.augmentation._text import OfWords


class WordDropout(OfWords):
    """Leaves out words.

    Label: kept as far as words without emotion do not make it: words that carry emotion, negations and intensifiers stay.

    Source: EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, 2019,
        arXiv 1901.11196 (random deletion).
    """

    def change(self, words: Sequence[str], free: Sequence[bool], generator: np.random.Generator) -> Sequence[str]:
        """The words that stay."""
        left_out = self.chosen(free, generator)
        return [word for word, gone in zip(words, left_out, strict=True) if not gone]
