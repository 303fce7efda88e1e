"""Swaps of neighbouring words."""

from collections.abc import Sequence

import numpy as np

from multimodal_emotion.augmentation._text import OfWords


class Swap(OfWords):
    """Exchanges words with the next one.

    Label: kept; only neighbours without emotion change places, so that no negation comes to stand before another word.

    Source: EDA, 2019, arXiv 1901.11196 (random swap, there of any two words).
    """

    def change(self, words: Sequence[str], free: Sequence[bool], generator: np.random.Generator) -> Sequence[str]:
        """The words in their new order."""
        pairs = [here and after for here, after in zip(free, [*free[1:], False], strict=True)]
        order, swapped = list(words), self.chosen(pairs, generator)
        for place in np.flatnonzero(swapped):
            order[place], order[place + 1] = order[place + 1], order[place]
        return order
