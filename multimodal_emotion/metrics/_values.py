"""Figures of values of dimensions, such as valence and arousal.

All rest on the moments (..., dimensions, 9) of targets and predictions: what means, variances, covariance and errors of any
part of the utterances are made of.
"""

import numpy as np
from jaxtyping import Float, Num

from multimodal_emotion.metrics._direction import higher_is_better, lower_is_better, ratio

NEGLIGIBLE = 1e-12
"""The variance that rounding leaves of a constant, relative to the mean square."""


def moments(
    targets: Num[np.ndarray, "rows dimensions"], predictions: Num[np.ndarray, "rows dimensions"]
) -> Float[np.ndarray, "rows dimensions 9"]:
    """The statistics of values: 1; target x and prediction y; x*x, y*y, x*y; the error y - x, its size, its square.

    x and y are taken less their means over all rows, which changes no variance and keeps rounding errors small.
    """
    targets, predictions = np.asarray(targets, dtype=float), np.asarray(predictions, dtype=float)
    error = predictions - targets
    x, y = _centred(targets), _centred(predictions)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, error, np.abs(error), error * error], axis=-1)


@higher_is_better
def pearson(moments: Num[np.ndarray, "*batch dimensions 9"]) -> Float[np.ndarray, "*batch dimensions"]:
    """The correlation of target and prediction; 0 where either is constant, since a constant explains nothing."""
    variance_x, variance_y, covariance = _spread(moments)
    return np.clip(ratio(covariance, np.sqrt(variance_x * variance_y), undefined=0.0), -1, 1) + _nan_if_empty(moments)


@higher_is_better
def ccc(moments: Num[np.ndarray, "*batch dimensions 9"]) -> Float[np.ndarray, "*batch dimensions"]:
    """Concordance correlation: 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2), with variances over n.

    1 where targets and predictions are one and the same constant.

    Source: A Concordance Correlation Coefficient to Evaluate Reproducibility, Lin, Biometrics 45, 1989.
    """
    variance_x, variance_y, covariance = _spread(moments)
    bias = ratio(moments[..., 6], moments[..., 0])
    return ratio(2 * covariance, variance_x + variance_y + bias**2, undefined=1.0) + _nan_if_empty(moments)


@lower_is_better
def mae(moments: Num[np.ndarray, "*batch dimensions 9"]) -> Float[np.ndarray, "*batch dimensions"]:
    """Mean absolute error."""
    return ratio(moments[..., 7], moments[..., 0])


@lower_is_better
def mse(moments: Num[np.ndarray, "*batch dimensions 9"]) -> Float[np.ndarray, "*batch dimensions"]:
    """Mean squared error."""
    return ratio(moments[..., 8], moments[..., 0])


def _centred(values: np.ndarray) -> np.ndarray:
    """Values less their mean; exactly 0 where they are constant."""
    if not len(values):
        return values
    return np.where(np.ptp(values, axis=0) > 0, values - values.mean(axis=0), 0)


def _spread(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The variances of x and of y, and their covariance, over n."""
    x, y, xx, yy, xy = (ratio(moments[..., column], moments[..., 0]) for column in range(1, 6))
    variances = [
        np.where(square - mean * mean > NEGLIGIBLE * square, square - mean * mean, 0)
        for mean, square in ((x, xx), (y, yy))
    ]
    return variances[0], variances[1], xy - x * y


def _nan_if_empty(moments: np.ndarray) -> np.ndarray:
    """NaN where there are no utterances, else 0."""
    return np.where(moments[..., 0] > 0, 0.0, np.nan)
