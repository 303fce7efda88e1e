"""One label of several for each utterance: softmax."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.metrics import Statistics
from multimodal_emotion.tasks._classification import Classification, figures_by_label
from multimodal_emotion.tasks._losses import softmax_loss


class Multiclass(Classification):
    """Cross entropy over labels. A target is a distribution over labels, so that votes of raters are targets too."""

    name = "multiclass"
    primary_metrics: ClassVar = ("accuracy", "uar", "macro_f1", "micro_f1", "weighted_f1")

    def __init__(self, labels: Sequence[str], *, soft_labels: bool = True, **settings: Any) -> None:
        """
        Args:
            labels: distinct names, in order.
            soft_labels: whether votes are learnt as a distribution; else the label with the most votes is learnt.
            settings: see `Classification`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(labels, **settings)
        self.soft_labels = soft_labels

    def target(self, utterance: Utterance) -> Float[np.ndarray, " labels"]:
        """The label as a distribution, float32: one 1, or the share of votes of each label.

        Raises:
            InputError: no label, several, one that is unknown, or votes that are negative or none.
        """
        votes = utterance.label
        if isinstance(votes, str):
            votes = {votes: 1}
        if not isinstance(votes, Mapping):
            raise self.wrong_label(utterance, "one label, or the votes for each")
        target = np.zeros(self.outputs, dtype=np.float32)
        for label, count in votes.items():
            target[self.position(label, utterance)] = count
        if not (target >= 0).all() or not 0 < target.sum() < np.inf:
            raise self.wrong_label(utterance, "votes that are not negative, and at least one")
        return target / target.sum() if self.soft_labels else np.eye(self.outputs, dtype=np.float32)[target.argmax()]

    def label(self, target: np.ndarray) -> str:
        """The label with the most votes; of equals, the first in order."""
        return self.labels[int(target.argmax())]

    def loss(
        self, logits: Float[Tensor, "batch labels"], target: Float[Tensor, "batch labels"]
    ) -> Float[Tensor, " batch"]:
        """Cross entropy of each utterance, with the options of the task."""
        return softmax_loss(self.adjusted(logits), target, **self.loss_options(logits.device))

    def scores(self, logits: Float[Tensor, "*batch labels"]) -> Float[Tensor, "*batch labels"]:
        """Probabilities."""
        return logits.float().softmax(dim=-1)

    def decode(self, scores: Float[np.ndarray, "rows labels"]) -> list[str]:
        """The most probable label of each utterance."""
        return [self.labels[number] for number in scores.argmax(axis=-1)]

    def statistics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Statistics:
        """Counts of labels."""
        sets = (metrics.one_hot(numbers, self.outputs) for numbers in self._decisions(targets, scores))
        return {"labels": metrics.label_counts(*sets)}

    def figures(self, sums: Statistics) -> dict[str, np.ndarray]:
        """Accuracy, UAR, F1 in three means."""
        return {name: getattr(metrics, name)(sums["labels"]) for name in self.primary_metrics}

    def per_label(self, sums: Statistics) -> dict[str, dict[str, float | int]]:
        """Precision, recall, F1 and frequencies of each label."""
        return figures_by_label(self.labels, sums["labels"])

    def confusion(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> np.ndarray:
        """(labels, labels) counts."""
        return metrics.confusion(*self._decisions(targets, scores), self.outputs)

    def metrics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> dict[str, Any]:
        """See `Task.metrics`; and the calibration error.

        That is none of `figures`, since a bootstrap would not be fair to it: utterances that are drawn twice make any
        probabilities look worse.
        """
        true, predicted = self._decisions(targets, scores)
        confidence = np.array([row.max() for row in scores], dtype=float)
        bins = metrics.calibration_bins(confidence, true == predicted).sum(axis=0)
        return super().metrics(targets, scores) | {"calibration_error": float(metrics.calibration_error(bins))}

    def _decisions(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the true and of the predicted labels."""
        return tuple(np.array([row.argmax() for row in rows], dtype=int) for rows in (targets, scores))  # type: ignore[return-value]
