"""How sure a figure is: bootstrap intervals and tests of two models on the same utterances."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Statistics = Mapping[str, np.ndarray]
"""Arrays by name. Of utterances: first axis utterances. Sums of them: without that axis, or with one of resamples."""

CELLS = 2**22
"""Weights held at a time, 32 MB."""


class Comparison(NamedTuple):
    """How two models differ in a figure.

    Attributes:
        difference: figure of the second less that of the first.
        low, high: its interval.
        p: two-sided probability of a difference at least as large if there were none.
    """

    difference: float
    low: float
    high: float
    p: float


def total(statistics: Statistics) -> dict[str, np.ndarray]:
    """The sums over utterances."""
    return {name: np.asarray(values.sum(axis=0)) for name, values in statistics.items()}


def bootstrap(
    statistics: Statistics,
    figures: Callable[[Statistics], Mapping[str, np.ndarray]],
    *,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, "*figure 2"]]:
    """Percentile intervals of figures.

    Args:
        statistics: of the utterances.
        figures: from sums of statistics with a leading axis, resamples, to figures by name with that axis.
        groups: what is drawn as a whole, one value for each utterance, such as speakers; None draws utterances.
        resamples: how many.
        level: the share of resamples inside.
        seed: of the draws.

    Returns:
        For each figure its lower and upper end along the last axis; NaN where it is undefined in every resample.
    """
    drawn = figures(_resample(_grouped(statistics, groups), resamples, seed))
    return {name: _interval(values, level) for name, values in drawn.items()}


def paired_bootstrap(
    first: Statistics,
    second: Statistics,
    figures: Callable[[Statistics], Mapping[str, np.ndarray]],
    figure: str,
    *,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares two models on the same utterances, drawing the same ones for both.

    Args:
        first, second: statistics of the two models, utterances in the same order.
        figures: as for `bootstrap`.
        figure: which of them to compare.
        groups, resamples, level, seed: as for `bootstrap`.

    Source: Statistical Significance Tests for Machine Translation Evaluation, Koehn, EMNLP 2004.
    """
    before, after = (figures(total(statistics))[figure] for statistics in (first, second))
    drawn = [figures(_resample(_grouped(each, groups), resamples, seed))[figure] for each in (first, second)]
    differences = drawn[1] - drawn[0]
    low, high = _interval(differences, level)
    # The resample that is the data itself is one more: no p is 0.
    rarer = min((differences <= 0).sum(), (differences >= 0).sum()) + 1
    p = min(1.0, 2 * rarer / (resamples + 1))
    return Comparison(float(after - before), float(low), float(high), float(p))


def mcnemar(first_right: Bool[np.ndarray, " rows"], second_right: Bool[np.ndarray, " rows"]) -> float:
    """The exact two-sided p of McNemar's test: whether two models are right equally often on the same utterances.

    Source: Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages, McNemar,
        Psychometrika 12, 1947.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def _grouped(statistics: Statistics, groups: Sequence[object] | None) -> Statistics:
    """Statistics of groups in place of those of utterances."""
    if groups is None:
        return statistics
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    places = np.array([numbers[group] for group in groups], dtype=int)
    found = {}
    for name, values in statistics.items():
        found[name] = np.zeros((len(numbers), *values.shape[1:]))
        np.add.at(found[name], places, values)
    return found


def _resample(statistics: Statistics, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """The sums (resamples, ...) of as many units as there are, drawn with replacement."""
    units = len(next(iter(statistics.values())))
    generator = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    step = max(1, CELLS // max(units, 1))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(units, size=(count, units)) + units * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units).astype(float)
        for name, values in statistics.items():
            parts[name].append(np.tensordot(weights, values.astype(float), axes=1))
    return {name: np.concatenate(sums) for name, sums in parts.items()}


def _interval(values: np.ndarray, level: float) -> np.ndarray:
    """(resamples, ...) -> (..., 2)."""
    ends = (100 * (1 - level) / 2, 100 * (1 + level) / 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.moveaxis(np.nanpercentile(values, ends, axis=0), 0, -1)
