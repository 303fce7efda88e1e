"""Figures of decisions about labels: one label (multiclass) or a set of labels (multilabel) for each utterance.

Both rest on counts (..., labels, 3) of each label: how often it was predicted rightly, predicted, and true.

A label that is neither true nor predicted anywhere has no F1 and does not count in a macro mean; one that is nowhere true
has no recall and does not count in the UAR. This is what scikit-learn does with the labels of a multiclass problem; with
those of a multilabel problem it does so for `zero_division=nan`.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from multimodal_emotion.metrics._direction import higher_is_better, ratio

RIGHT, PREDICTED, TRUE = 0, 1, 2


def one_hot(indices: Int[np.ndarray, " rows"], labels: int) -> Bool[np.ndarray, "rows {labels}"]:
    """Label numbers as sets of one label."""
    return np.arange(labels) == np.asarray(indices)[:, None]


def label_counts(
    targets: Bool[np.ndarray, "rows labels"], predictions: Bool[np.ndarray, "rows labels"]
) -> Int[np.ndarray, "rows labels 3"]:
    """The statistics of sets of labels: whether each label is right (true and predicted), predicted, true."""
    return np.stack([targets & predictions, predictions, targets], axis=-1).astype(np.int64)


def precision(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch labels"]:
    """Of the times a label was predicted, the share where it was true; 0 if it never was predicted."""
    return ratio(counts[..., RIGHT], counts[..., PREDICTED], undefined=0.0)


def recall(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch labels"]:
    """Of the times a label was true, the share where it was predicted; 0 if it never was true."""
    return ratio(counts[..., RIGHT], counts[..., TRUE], undefined=0.0)


def f1(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch labels"]:
    """The harmonic mean of precision and recall of each label; 0 if it never was true nor predicted."""
    return ratio(2 * counts[..., RIGHT], counts[..., PREDICTED] + counts[..., TRUE], undefined=0.0)


def support(counts: Num[np.ndarray, "*batch labels 3"]) -> Num[np.ndarray, "*batch labels"]:
    """How often each label is true."""
    return counts[..., TRUE]


def predicted(counts: Num[np.ndarray, "*batch labels 3"]) -> Num[np.ndarray, "*batch labels"]:
    """How often each label is predicted."""
    return counts[..., PREDICTED]


@higher_is_better
def accuracy(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch"]:
    """The share of utterances whose label was predicted (one label each). Speech papers' weighted accuracy."""
    return ratio(counts[..., RIGHT].sum(-1), counts[..., TRUE].sum(-1))


@higher_is_better
def uar(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch"]:
    """Unweighted average recall: the mean recall of the labels that are true somewhere; balanced accuracy."""
    return ratio(recall(counts).sum(-1), (counts[..., TRUE] > 0).sum(-1))


@higher_is_better
def macro_f1(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch"]:
    """The mean F1 of the labels that are true or predicted somewhere."""
    return ratio(f1(counts).sum(-1), (counts[..., PREDICTED] + counts[..., TRUE] > 0).sum(-1))


@higher_is_better
def micro_f1(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch"]:
    """The F1 of all decisions together; the accuracy, where each utterance has and gets one label."""
    return ratio(2 * counts[..., RIGHT].sum(-1), (counts[..., PREDICTED] + counts[..., TRUE]).sum(-1))


@higher_is_better
def weighted_f1(counts: Num[np.ndarray, "*batch labels 3"]) -> Float[np.ndarray, "*batch"]:
    """The mean F1 of the labels, each weighted by how often it is true."""
    return ratio((f1(counts) * counts[..., TRUE]).sum(-1), counts[..., TRUE].sum(-1))


def set_agreement(
    targets: Bool[np.ndarray, "rows labels"], predictions: Bool[np.ndarray, "rows labels"]
) -> Float[np.ndarray, "rows 3"]:
    """The statistics of sets as a whole: 1, the Jaccard index, whether they are equal. Two empty sets agree."""
    common, either = (targets & predictions).sum(-1), (targets | predictions).sum(-1)
    return np.stack([np.ones(len(targets)), ratio(common, either, undefined=1.0), common == either], axis=-1)


@higher_is_better
def jaccard(agreement: Num[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
    """The mean over utterances of |true and predicted| / |true or predicted|."""
    return ratio(agreement[..., 1], agreement[..., 0])


@higher_is_better
def subset_accuracy(agreement: Num[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
    """The share of utterances whose set of labels was predicted exactly."""
    return ratio(agreement[..., 2], agreement[..., 0])


def confusion(
    targets: Int[np.ndarray, " rows"], predictions: Int[np.ndarray, " rows"], labels: int
) -> Int[np.ndarray, "{labels} {labels}"]:
    """How often a label (row) was predicted as each label (column)."""
    cells = np.bincount(targets * labels + predictions, minlength=labels * labels)
    return cells.reshape(labels, labels)


def set_confusion(
    targets: Bool[np.ndarray, "rows labels"], predictions: Bool[np.ndarray, "rows labels"]
) -> Int[np.ndarray, "labels labels"]:
    """What stands in the place of what, for sets of labels.

    Diagonal: how often the label was rightly predicted. Elsewhere: how often the label of the row was missed in an
    utterance for which the label of the column was wrongly predicted.
    """
    missed, wrong = (targets & ~predictions).astype(np.int64), (predictions & ~targets).astype(np.int64)
    return missed.T @ wrong + np.diag((targets & predictions).sum(axis=0))
