"""The least score at which a label applies, chosen for the F1 of each label."""

import numpy as np
from jaxtyping import Bool, Float

RESAMPLES = 20
"""Enough for a steady median; more changes no second digit."""

EDGE = 1e-6
"""Scores are taken to be at least this far from 0 and 1, for their logits to be finite."""


def tuned_thresholds(
    scores: Float[np.ndarray, "rows labels"], targets: Bool[np.ndarray, "rows labels"], default: float
) -> Float[np.ndarray, " labels"]:
    """Thresholds that generalise: the median, over resamples of the utterances, of the best threshold of each.

    The best threshold itself follows the few utterances of a rare label too closely.

    Args:
        scores: of each label.
        targets: which labels are true.
        default: for a label that is nowhere true.
    """
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(scores), size=len(scores)) for _ in range(RESAMPLES)]
    best = np.array([best_thresholds(scores[rows], targets[rows], default) for rows in drawn])
    return np.median(best, axis=0)


def best_thresholds(
    scores: Float[np.ndarray, "rows labels"], targets: Bool[np.ndarray, "rows labels"], default: float
) -> Float[np.ndarray, " labels"]:
    """The threshold with the highest F1 on these utterances, between two scores; `default` for a label nowhere true."""
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=0).astype(float)
    right = np.take_along_axis(targets, order, axis=0).cumsum(axis=0)
    predicted = np.arange(1, len(scores) + 1)[:, None]
    f1 = 2 * right / (predicted + targets.sum(axis=0))
    below = np.vstack([ranked[1:], np.zeros((1, scores.shape[1]))])
    # One cannot cut between equal scores.
    f1[ranked == below] = -1
    place, column = f1.argmax(axis=0), np.arange(scores.shape[1])
    found = (ranked[place, column] + below[place, column]) / 2
    return np.where(targets.any(axis=0), found, default)


def moved(
    scores: Float[np.ndarray, "rows labels"], old: np.ndarray, new: np.ndarray
) -> Float[np.ndarray, "rows labels"]:
    """Scores moved, by a constant in each label's logits, so that what was at the old thresholds is at the new ones."""
    return 1 / (1 + np.exp(_logit(old) - _logit(new) - _logit(scores)))


def _logit(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability.astype(float), EDGE, 1 - EDGE)
    return np.log(clipped / (1 - clipped))
