"""What tasks that decide about labels share: the options of their losses, and what these need from the training labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.tasks._losses import softmax_weights
from multimodal_emotion.tasks._options import choice, number, numbers_by_label

WEIGHTINGS = ("none", "balanced", "effective")


class Classification(Task):
    """A task whose outputs are labels.

    Attributes:
        seen: how often each label was in the training labels, (labels,); None before `prepare`.
        total: how many utterances (words) these were.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        class_weights: str | Mapping[str, float | int] = "none",
        focal_gamma: float | int = 0.0,
        label_smoothing: float | int = 0.0,
        logit_adjustment: float | int = 0.0,
        **settings: Any,
    ) -> None:
        """
        Args:
            labels: distinct names, in order.
            class_weights: of the labels in the loss: "none"; "balanced", inverse to how often each is in the training
                labels; "effective", the same by effective numbers, which is milder; or a weight by label (else 1).
            focal_gamma: exponent of the focal loss; 0 is cross entropy.
            label_smoothing: share of the target that is spread over all labels, 0..1.
            logit_adjustment: times the log of a label's frequency in training is added to its logit in the loss alone;
                1 trains for the balanced error.
            settings: see `Task`.

        Raises:
            InputError: a value out of its range.

        Source: Long-tail Learning via Logit Adjustment, 2020, arXiv 2007.07314. For the others see `_losses`.
        """
        super().__init__(labels, **settings)
        where = f"task {self.name}"
        if isinstance(class_weights, str):
            self.class_weights: str | dict[str, float] = choice("class_weights", class_weights, WEIGHTINGS, where)
        else:
            self.class_weights = numbers_by_label("class_weights", class_weights, self.labels, where)
        self.focal_gamma = number("focal_gamma", focal_gamma, where)
        self.label_smoothing = number("label_smoothing", label_smoothing, where, high=1.0)
        self.logit_adjustment = number("logit_adjustment", logit_adjustment, where)
        self.seen: Tensor | None = None
        self.total = 0

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Counts the training labels, for class weights and logit adjustment."""
        seen, self.total = self.count(utterances)
        self.seen = torch.from_numpy(seen).float()

    def count(self, utterances: Sequence[Utterance]) -> tuple[np.ndarray, int]:
        """How often each label is there, (labels,), and in how many utterances (words)."""
        return np.sum([self.target(utterance) for utterance in utterances], axis=0), len(utterances)

    def weights(self) -> Float[Tensor, " labels"] | None:
        """The weight of each label in the loss; None: all alike."""
        if self.class_weights == "none":
            return None
        if isinstance(self.class_weights, dict):
            return torch.tensor([self.class_weights.get(label, 1.0) for label in self.labels])
        assert self.seen is not None, "prepare comes before loss"
        return self.weights_of(self.seen, effective=self.class_weights == "effective")

    def weights_of(self, seen: Float[Tensor, " labels"], effective: bool) -> Float[Tensor, " labels"]:
        """Weights from how often each label was seen."""
        return softmax_weights(seen, effective)

    def log_prior(self, seen: Float[Tensor, " labels"]) -> Float[Tensor, " labels"]:
        """What a logit would be from the frequency of the label alone; labels never seen count as if seen once."""
        return (seen + 1).log() - (seen + 1).sum().log()

    def adjusted(self, logits: Tensor) -> Tensor:
        """Logits as the loss sees them, in single precision."""
        if not self.logit_adjustment:
            return logits.float()
        assert self.seen is not None, "prepare comes before loss"
        return logits.float() + self.logit_adjustment * self.log_prior(self.seen).to(logits.device)

    def loss_options(self, device: torch.device) -> dict[str, Any]:
        """The keyword arguments of the losses."""
        weights = self.weights()
        return {
            "weights": None if weights is None else weights.to(device),
            "focal_gamma": self.focal_gamma,
            "label_smoothing": self.label_smoothing,
        }

    def position(self, label: object, utterance: Utterance) -> int:
        """The number of a label of an utterance; an unknown one is an InputError naming the nearest."""
        if label not in self.labels:
            raise unknown("label", label, self.labels, f"utterance {utterance.id}")
        return self.labels.index(label)

    def wrong_label(self, utterance: Utterance, wanted: str) -> InputError:
        """The error for a label that has not the form that this task needs."""
        return InputError(
            f"utterance {utterance.id}: the label is {utterance.label!r}; task {self.name} needs {wanted}"
        )


def figures_by_label(names: Sequence[str], counts: np.ndarray) -> dict[str, dict[str, float | int]]:
    """Precision, recall, F1, how often true (support), how often predicted; from counts (labels, 3)."""
    columns = {
        "precision": metrics.precision(counts),
        "recall": metrics.recall(counts),
        "f1": metrics.f1(counts),
        "support": metrics.support(counts),
        "predicted": metrics.predicted(counts),
    }
    return {name: {key: values[row].item() for key, values in columns.items()} for row, name in enumerate(names)}
