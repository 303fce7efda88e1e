"""Typing errors."""

from collections.abc import Sequence

import numpy as np

from multimodal_emotion.augmentation._text import OfWords

SHORTEST = 4
"""Letters of a word that may be mistyped: the first and the last stay."""

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


class Typos(OfWords):
    """Mistypes words: two letters exchanged, one left out, doubled, or replaced by the key beside it.

    Label: kept; words that carry emotion stay as they are, since one letter can make another word of them ("hater", "later").

    Source: Synthetic and Natural Noise Both Break Neural Machine Translation, 2017, arXiv 1711.02173.
    """

    def change(self, words: Sequence[str], free: Sequence[bool], generator: np.random.Generator) -> Sequence[str]:
        """The words as somebody in a hurry types them."""
        long = [may and word.isalpha() and len(word) >= SHORTEST for may, word in zip(free, words, strict=True)]
        mistyped = self.chosen(long, generator)
        return [_mistyped(word, generator) if wrong else word for word, wrong in zip(words, mistyped, strict=True)]


def _mistyped(word: str, generator: np.random.Generator) -> str:
    place = int(generator.integers(1, len(word) - 2))
    before, letter, after, rest = word[:place], word[place], word[place + 1], word[place + 2 :]
    beside = _beside(letter)
    forms = (after + letter, after, letter * 2 + after, str(generator.choice(list(beside))) + after)
    return before + forms[generator.integers(4)] + rest


def _beside(letter: str) -> str:
    """The keys beside that of a letter; the letter itself where there is no such key."""
    row = next((row for row in KEYS if letter in row), letter)
    place = row.index(letter)
    return row[max(0, place - 1) : place] + row[place + 1 : place + 2] or letter
