"""How an emotion is performed: with variation, and at times much like its look-alike."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_emotion.errors import unknown

EMOTIONS = ("neutral", "calm", "joy", "sadness", "anger", "fear", "disgust", "surprise")

MOST_ALIKE = 0.65
"""How far a performance goes towards its look-alike at most: beyond one half it looks more like that one."""


def generator(*key: object) -> np.random.Generator:
    """Random numbers that depend on the key alone, on any machine."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return np.random.default_rng(list(digest))


def perform(
    emotion: str,
    manners: Mapping[str, tuple[float, ...]],
    alike: Sequence[tuple[str, str]],
    spread: tuple[float, ...],
    chance: np.random.Generator,
) -> list[float]:
    """One performance of an emotion, as numbers in the order of `spread`.

    Args:
        emotion: one of `EMOTIONS`.
        manners: the plain form of each emotion.
        alike: pairs of look-alikes; each emotion stands in one.
        spread: the standard deviation of each number between performances.
        chance: where variation comes from.

    Raises:
        InputError: there is no such emotion.
    """
    if emotion not in manners:
        raise unknown("emotion", emotion, manners, "generated media")
    other = next(pair[pair[0] == emotion] for pair in alike if emotion in pair)
    share = chance.uniform(0, MOST_ALIKE)
    mixed = (1 - share) * np.array(manners[emotion]) + share * np.array(manners[other])
    return (mixed + chance.normal(size=len(spread)) * np.array(spread)).tolist()
