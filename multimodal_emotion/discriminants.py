"""Shrunken linear discriminants: the best linear decision on frozen features, in closed form, for a few hundred utterances.

A head trained by gradient on some thousand features of some hundred utterances has infinitely many perfect solutions and
takes the nearest. Discriminants weigh each direction by how much it varies *within* labels, which is mostly who speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar

SHRINKAGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""What is tried; 0 would be the plain covariance, 1 the nearest mean."""
FOLDS = 5
UNSEEN = -30.0
"""The logit of a label that no training utterance has."""


@dataclass(frozen=True)
class Linear:
    """weight (labels, features), bias (labels,)."""

    weight: Float[np.ndarray, "labels features"]
    bias: Float[np.ndarray, " labels"]

    def __call__(self, values: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows labels"]:
        """Logits."""
        return values @ self.weight.T + self.bias

    def scaled(self, factor: float) -> "Linear":
        """The same decisions with logits times a factor."""
        return Linear(self.weight * factor, self.bias * factor)


@dataclass(frozen=True)
class Fitted:
    """What `cross_fit` found.

    Attributes:
        linear: calibrated, fitted on all rows.
        shrinkage, scale: what the inner folds chose: of the covariance, and on the logits.
        out_of_fold: calibrated logits of each training row by discriminants that have not seen its group.
    """

    linear: Linear
    shrinkage: float
    scale: float
    out_of_fold: Float[np.ndarray, "rows labels"]


def cross_fit(
    values: Float[np.ndarray, "rows features"],
    target: Float[np.ndarray, "rows labels"],
    groups: Sequence[str] | None = None,
    *,
    shrinkages: Sequence[float] = SHRINKAGES,
    seed: int = 0,
) -> Fitted:
    """Discriminants whose shrinkage and calibration are chosen by the log-likelihood of rows of other groups.

    Args:
        values: features of the training rows.
        target: a distribution over labels for each: one 1, or shares of votes.
        groups: rows of one group (a speaker) are never on both sides of an inner fold; None: each row is its own.
        shrinkages: candidates.
        seed: of the inner folds.
    """
    fold = inner_folds(len(values), groups, seed)
    held: dict[float, np.ndarray] = {shrinkage: np.zeros(target.shape) for shrinkage in shrinkages}
    for number in np.unique(fold):
        out = fold == number
        scatter = Scatter(values[~out], target[~out])
        for shrinkage in shrinkages:
            held[shrinkage][out] = scatter.solve(shrinkage)(values[out])
    losses = {shrinkage: calibrate(logits, target) for shrinkage, logits in held.items()}
    best = min(shrinkages, key=lambda shrinkage: losses[shrinkage][0])
    scale = losses[best][1]
    return Fitted(Scatter(values, target).solve(best).scaled(scale), best, scale, held[best] * scale)


def inner_folds(rows: int, groups: Sequence[str] | None, seed: int) -> Int[np.ndarray, " rows"]:
    """The inner fold of each row; groups, or rows where there are fewer than two groups, are dealt out at random."""
    names, index = np.unique(np.asarray(groups if groups is not None else range(rows)), return_inverse=True)
    if len(names) < 2:
        names, index = np.arange(rows), np.arange(rows)
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[index]


class Scatter:
    """What discriminants of one training set need, whatever the shrinkage.

    Features are standardised. Where there are more of them than rows, all is done in the space that the rows span, where the
    decision lies anyway; the shrinkage target is then the mean variance in that space.

    Source: Friedman, Regularized Discriminant Analysis, 1989 (Journal of the American Statistical Association 84).
    """

    def __init__(self, values: Float[np.ndarray, "rows features"], target: Float[np.ndarray, "rows labels"]) -> None:
        """
        Args:
            values: features; a column that does not vary is ignored.
            target: a distribution over labels for each row.
        """
        values = values.astype(np.float64)
        self.centre = values.mean(axis=0)
        deviation = values.std(axis=0)
        self.scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
        spread = (values - self.centre) * self.scale
        self.basis = _span(spread) if spread.shape[1] > len(spread) else None
        rows = spread if self.basis is None else spread @ self.basis
        self.count: Float[np.ndarray, " labels"] = target.sum(axis=0, dtype=np.float64)
        self.means = (target.T @ rows) / np.maximum(self.count, 1e-12)[:, None]
        within = rows.T @ rows - (self.means.T * self.count) @ self.means
        self.variances, self.axes = np.linalg.eigh(within / len(rows))
        self.variances = self.variances.clip(min=0)

    @property
    def seen(self) -> Bool[np.ndarray, " labels"]:
        """Which labels there are."""
        return self.count > 0

    def solve(self, shrinkage: float) -> Linear:
        """The discriminants with (1 - shrinkage) x within-label covariance + shrinkage x its mean variance."""
        variances = (1 - shrinkage) * self.variances + shrinkage * self.variances.mean()
        turned = self.means @ self.axes
        weighed = turned / np.maximum(variances, 1e-12)
        prior = np.log(np.maximum(self.count, 1e-12) / self.count.sum())
        bias = np.where(self.seen, prior - 0.5 * (weighed * turned).sum(axis=1), UNSEEN)
        weight = weighed @ self.axes.T
        weight = (weight if self.basis is None else weight @ self.basis.T) * self.scale
        weight = np.where(self.seen[:, None], weight, 0.0)
        return Linear(weight, bias - weight @ self.centre)


def calibrate(
    logits: Float[np.ndarray, "rows labels"], target: Float[np.ndarray, "rows labels"]
) -> tuple[float, float]:
    """The least mean cross entropy that a factor on the logits can reach, and the factor (temperature scaling).

    Source: On Calibration of Modern Neural Networks, 2017, arXiv 1706.04599.
    """

    def loss(log_factor: float) -> float:
        scaled = logits * np.exp(log_factor)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float(-(target * (scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=(-5.0, 2.0), method="bounded")
    return float(found.fun), float(np.exp(found.x))


def _span(spread: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "features axes"]:
    """Orthonormal axes of the space that the rows span."""
    values, vectors = np.linalg.eigh(spread @ spread.T)
    kept = values > values[-1] * 1e-10
    return spread.T @ (vectors[:, kept] / np.sqrt(values[kept]))
