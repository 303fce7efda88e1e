"""Whether probabilities mean what they say."""

import numpy as np
from jaxtyping import Bool, Float, Num

from multimodal_emotion.metrics._direction import lower_is_better, ratio


def calibration_bins(
    confidence: Num[np.ndarray, " rows"], right: Bool[np.ndarray, " rows"], bins: int = 15
) -> Float[np.ndarray, "rows {bins} 3"]:
    """The statistics of confident decisions: 1, confidence and rightness, in the bin of the confidence, else 0.

    Args:
        confidence: the score of the predicted label, in 0..1.
        right: whether it was the true one.
        bins: of equal width; each contains its upper end.
    """
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    values = np.stack([np.ones(len(confidence)), confidence, right], axis=-1)
    return (np.arange(bins) == place[:, None])[..., None] * values[:, None]


@lower_is_better
def calibration_error(binned: Num[np.ndarray, "*batch bins 3"]) -> Float[np.ndarray, "*batch"]:
    """Expected calibration error: the mean gap between confidence and accuracy of the bins, weighted by their size.

    Source: On Calibration of Modern Neural Networks, 2017, arXiv 1706.04599.
    """
    count, confidence, right = np.moveaxis(binned, -1, 0)
    return ratio(np.abs(confidence - right).sum(-1), count.sum(-1))


def calibration_noise(confidence: Num[np.ndarray, " rows"], *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The calibration error that chance alone gives: of a model that is perfectly calibrated, on so few utterances.

    With a hundred utterances in fifteen bins no error below it can be told from none.

    Args:
        confidence: the scores of the predicted labels; each is right with just that probability here.
        draws: samples that are simulated.
        seed: of the simulation.

    Returns:
        The mean, and what 95 % of the samples stay below.
    """
    random = np.random.default_rng(seed)
    errors = [
        calibration_error(calibration_bins(confidence, random.random(len(confidence)) < confidence).sum(axis=0))
        for _ in range(draws)
    ]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))
