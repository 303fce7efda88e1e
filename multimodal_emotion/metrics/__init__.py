"""Figures of merit, as pure functions of numpy arrays.

Every figure is computed from *statistics*: numbers of each utterance that are simply added up, such as how often a label was
predicted and how often rightly. Sums of statistics -> figures; so a figure of a thousand resamples of an utterance, speaker
or dialogue each is one matrix product. Functions of sums take any leading axes, such as (resamples, labels, 3).
"""

from multimodal_emotion.metrics._calibration import calibration_bins, calibration_error, calibration_noise
from multimodal_emotion.metrics._direction import HIGHER_IS_BETTER
from multimodal_emotion.metrics._labels import (
    accuracy,
    confusion,
    f1,
    jaccard,
    label_counts,
    macro_f1,
    micro_f1,
    one_hot,
    precision,
    predicted,
    recall,
    set_agreement,
    set_confusion,
    subset_accuracy,
    support,
    uar,
    weighted_f1,
)
from multimodal_emotion.metrics._resampling import (
    Comparison,
    Statistics,
    bootstrap,
    mcnemar,
    paired_bootstrap,
    total,
)
from multimodal_emotion.metrics._spans import (
    macro_span_f1,
    span_counts,
    span_f1,
    span_precision,
    span_recall,
    span_types,
    spans,
    split_tag,
)
from multimodal_emotion.metrics._values import ccc, mae, moments, mse, pearson

__all__ = [
    "HIGHER_IS_BETTER",
    "Comparison",
    "Statistics",
    "accuracy",
    "bootstrap",
    "calibration_bins",
    "calibration_error",
    "calibration_noise",
    "ccc",
    "confusion",
    "f1",
    "jaccard",
    "label_counts",
    "macro_f1",
    "macro_span_f1",
    "mae",
    "mcnemar",
    "micro_f1",
    "moments",
    "mse",
    "one_hot",
    "paired_bootstrap",
    "pearson",
    "precision",
    "predicted",
    "recall",
    "set_agreement",
    "set_confusion",
    "span_counts",
    "span_f1",
    "span_precision",
    "span_recall",
    "span_types",
    "spans",
    "split_tag",
    "subset_accuracy",
    "support",
    "total",
    "uar",
    "weighted_f1",
]
