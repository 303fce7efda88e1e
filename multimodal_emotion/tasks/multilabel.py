"""Any number of labels for each utterance: a sigmoid for each label, and a threshold for each, tuned on validation."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.metrics import Statistics
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.tasks._classification import Classification, figures_by_label
from multimodal_emotion.tasks._losses import sigmoid_loss, sigmoid_weights
from multimodal_emotion.tasks._options import number
from multimodal_emotion.tasks._thresholds import moved, tuned_thresholds

HALF = 0.5
"""The share of raters from which on a label is true."""

FOLDS = 5


class Multilabel(Classification):
    """Binary cross entropy of each label.

    Attributes:
        thresholds: (labels,), the least score at which a label applies.
    """

    name = "multilabel"
    space = "independent"
    primary_metrics: ClassVar = ("macro_f1", "micro_f1", "weighted_f1", "jaccard", "subset_accuracy")

    def __init__(
        self,
        labels: Sequence[str],
        *,
        threshold: float | int = 0.3,
        tune_thresholds: bool = True,
        **settings: Any,
    ) -> None:
        """
        Args:
            labels: distinct names, in order.
            threshold: of every label, unless or until thresholds are tuned.
            tune_thresholds: whether each label gets a threshold of its own on validation.
            settings: see `Classification`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(labels, **settings)
        self.threshold = number("threshold", threshold, "task multilabel", high=1.0)
        self.tune_thresholds = tune_thresholds
        self.thresholds = np.full(self.outputs, self.threshold)

    def target(self, utterance: Utterance) -> Float[np.ndarray, " labels"]:
        """1 for each label that applies, else 0; or the share of raters who chose it; float32.

        Raises:
            InputError: no label (an empty tuple says that none applies), one that is unknown, a share out of 0..1.
        """
        label = utterance.label
        if label is None:
            raise self.wrong_label(utterance, "labels; an empty tuple says that none applies")
        if isinstance(label, str):
            label = (label,)
        shares = label if isinstance(label, Mapping) else dict.fromkeys(label, 1.0)
        target = np.zeros(self.outputs, dtype=np.float32)
        for name, share in shares.items():
            target[self.position(name, utterance)] = share
        if not ((target >= 0) & (target <= 1)).all():
            raise self.wrong_label(utterance, "shares of raters from 0 to 1")
        return target

    def label(self, target: np.ndarray) -> tuple[str, ...]:
        """The labels that apply: those that at least half of the raters chose."""
        return self._names(target >= HALF)

    def weights_of(self, seen: Float[Tensor, " labels"], effective: bool) -> Float[Tensor, " labels"]:
        """Weights of the positive terms from how often each label applied."""
        return sigmoid_weights(seen, self.total, effective)

    def log_prior(self, seen: Float[Tensor, " labels"]) -> Float[Tensor, " labels"]:
        """The log odds of each label in training, as if it had been seen once more with and once more without."""
        return (seen + 1).log() - (self.total - seen + 1).log()

    def loss(
        self, logits: Float[Tensor, "batch labels"], target: Float[Tensor, "batch labels"]
    ) -> Float[Tensor, " batch"]:
        """Binary cross entropy of each utterance, the mean over labels, with the options of the task."""
        return sigmoid_loss(self.adjusted(logits), target, **self.loss_options(logits.device))

    def scores(self, logits: Float[Tensor, "*batch labels"]) -> Float[Tensor, "*batch labels"]:
        """The probability of each label."""
        return logits.float().sigmoid()

    def decode(self, scores: Float[np.ndarray, "rows labels"]) -> list[tuple[str, ...]]:
        """The labels of each utterance whose score reaches their threshold."""
        return [self._names(row) for row in scores >= self.thresholds]

    def tune(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> None:
        """Chooses the threshold of each label for its F1, see `_thresholds`."""
        if self.tune_thresholds:
            self.thresholds = tuned_thresholds(np.stack(scores), np.stack(targets) >= HALF, self.threshold)

    def cross_fitted(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Scores of each fifth, moved so that the thresholds decide as those tuned on the other fifths would."""
        if not self.tune_thresholds or len(scores) < FOLDS:
            return scores
        fitted, true = np.stack(scores).astype(float), np.stack(targets) >= HALF
        fold = np.random.default_rng(0).permutation(len(scores)) % FOLDS
        for part in range(FOLDS):
            here = fold == part
            others = tuned_thresholds(np.stack(scores)[~here], true[~here], self.threshold)
            fitted[here] = moved(fitted[here], others, self.thresholds)
        return list(fitted)

    def as_decided_by(self, other: Task, scores: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Scores moved from the other's thresholds to these."""
        assert isinstance(other, Multilabel)
        same = np.array_equal(self.thresholds, other.thresholds)
        return scores if same or not len(scores) else list(moved(np.stack(scores), other.thresholds, self.thresholds))

    def learned(self) -> dict[str, Any]:
        """The thresholds, by label."""
        return {"thresholds": dict(zip(self.labels, self.thresholds.tolist(), strict=True))}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Takes back the thresholds."""
        self.thresholds = np.array([float(learned["thresholds"][label]) for label in self.labels])

    def statistics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Statistics:
        """Counts of labels, and agreement of the sets."""
        true, predicted = self._decisions(targets, scores)
        return {"labels": metrics.label_counts(true, predicted), "sets": metrics.set_agreement(true, predicted)}

    def figures(self, sums: Statistics) -> dict[str, np.ndarray]:
        """F1 in three means, Jaccard index, share of sets that are exact."""
        return {
            "micro_f1": metrics.micro_f1(sums["labels"]),
            "macro_f1": metrics.macro_f1(sums["labels"]),
            "weighted_f1": metrics.weighted_f1(sums["labels"]),
            "jaccard": metrics.jaccard(sums["sets"]),
            "subset_accuracy": metrics.subset_accuracy(sums["sets"]),
        }

    def per_label(self, sums: Statistics) -> dict[str, dict[str, float | int]]:
        """Precision, recall, F1 and frequencies of each label, and its threshold."""
        found = figures_by_label(self.labels, sums["labels"])
        for name, threshold in zip(self.labels, self.thresholds, strict=True):
            found[name]["threshold"] = float(threshold)
        return found

    def confusion(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> np.ndarray:
        """(labels, labels), see `metrics.set_confusion`."""
        return metrics.set_confusion(*self._decisions(targets, scores))

    def _decisions(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Which labels are true, and which predicted."""
        return tuple(
            np.reshape(rows, (len(rows), self.outputs)) >= least  # type: ignore[return-value]
            for rows, least in ((targets, HALF), (scores, self.thresholds))
        )

    def _names(self, applies: np.ndarray) -> tuple[str, ...]:
        return tuple(label for label, here in zip(self.labels, applies, strict=True) if here)
