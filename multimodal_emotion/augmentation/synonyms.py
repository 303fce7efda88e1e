"""Synonyms in place of words without emotion."""

from collections.abc import Sequence

import numpy as np

from multimodal_emotion.augmentation._text import OfWords
from multimodal_emotion.augmentation._words import bare, synonyms


class Synonyms(OfWords):
    """Replaces words by others that mean the same, in the same case and with the same marks.

    Label: kept; no word that carries emotion is replaced, and none comes in: both lists are disjoint.

    Source: EDA, 2019, arXiv 1901.11196 (synonym replacement, there from WordNet, which also replaces emotional words).
    """

    def change(self, words: Sequence[str], free: Sequence[bool], generator: np.random.Generator) -> Sequence[str]:
        """The words, some of them others."""
        known = [may and bool(synonyms(word)) for may, word in zip(free, words, strict=True)]
        replaced = self.chosen(known, generator)
        return [
            _in_place(word, str(generator.choice(synonyms(word)))) if new else word
            for word, new in zip(words, replaced, strict=True)
        ]


def _in_place(word: str, other: str) -> str:
    """Another word with the marks and the capital of this one."""
    start = word.casefold().find(bare(word))
    core = word[start : start + len(bare(word))]
    return word[:start] + (other.capitalize() if core[0].isupper() else other) + word[start + len(core) :]
