"""The contract of a task: it knows the labels, the coding of targets, the loss, the decoding and the metric."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion import metrics, registry
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.metrics import Statistics


class Task(ABC):
    """A task over a set of labels. The model does not know labels, the task does not know the model.

    Arrays: N utterances, K outputs. For word-level tasks each of N is a sentence, and scores are a list of (words, K).

    A constructor keeps each of its settings in an attribute of the same name. The state of a saved task is those settings
    and what `learned` gives: what `prepare` and `tune` found out, as far as scoring and decoding need it.

    Attributes:
        name: the file name.
        resolution: "utterance", or "word": one decision for each word.
        space: what an output is: "probability" of one label among all, "independent" probability of each, or a "value".
        primary_metrics: what `primary_metric` may be; the first is the default.
        labels: names of the outputs, in order.
        primary_metric: the key of `metrics()` that selection uses.
    """

    name: ClassVar[str]
    resolution: ClassVar[str] = "utterance"
    space: ClassVar[str] = "probability"
    primary_metrics: ClassVar[tuple[str, ...]]

    def __init__(self, labels: Sequence[str], *, primary_metric: str | None = None) -> None:
        """
        Args:
            labels: distinct names of the outputs, in order.
            primary_metric: one of `primary_metrics`; None is the first of them.

        Raises:
            InputError: no labels, a label twice, or no such metric.
        """
        if not labels:
            raise InputError(f"task {self.name} needs at least one label")
        twice = next((label for label in labels if list(labels).count(label) > 1), None)
        if twice is not None:
            raise InputError(f"task {self.name}: the label {twice!r} is there twice")
        if primary_metric is not None and primary_metric not in self.primary_metrics:
            raise unknown("primary_metric", primary_metric, self.primary_metrics, f"task {self.name}")
        self.labels = tuple(labels)
        self.primary_metric = primary_metric or self.primary_metrics[0]

    @property
    def outputs(self) -> int:
        """How many numbers the model must give for each utterance (or word)."""
        return len(self.labels)

    @property
    def higher_is_better(self) -> bool:
        """The direction of the primary metric."""
        return metrics.HIGHER_IS_BETTER[self.primary_metric]

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Looks once at the training utterances: class weights, for example. Called by training only."""

    @abstractmethod
    def target(self, utterance: Utterance) -> np.ndarray:
        """The coded label of one utterance, (..., ) without a batch axis; raises InputError naming a label it does not know."""

    @abstractmethod
    def label(self, target: np.ndarray) -> Label:
        """The label that a coded one stands for, in the form of `Utterance.label`; of votes, the one with the most."""

    def collate(self, targets: Sequence[np.ndarray]) -> Tensor:
        """Coded labels -> one tensor, first axis batch. Word-level tasks pad with -100."""
        return torch.from_numpy(np.stack(targets))

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of each utterance: (batch, K) and coded targets -> (batch,); (batch, words, K) for word-level tasks."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """The activation: logits (..., K) -> scores (..., K): probabilities, or values of dimensions."""

    @abstractmethod
    def decode(self, scores: np.ndarray) -> list[Any]:
        """Scores (N, K) -> N predictions in the form of `Utterance.label`; for word-level tasks (words, K) -> word tags."""

    def tune(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> None:
        """Chooses what decoding needs (thresholds) on validation data. Called by training only."""

    def cross_fitted(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Scores that decode as if `tune` had not seen their utterance: what it found on the data that it saw is honest then.

        Args:
            targets, scores: what `tune` saw.

        Returns:
            The scores themselves where nothing is tuned.
        """
        return scores

    def as_decided_by(self, other: "Task", scores: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Scores that this task decodes as another of its kind decodes those given: folds tune their own thresholds.

        Returns:
            The scores themselves where nothing is tuned.
        """
        return scores

    @abstractmethod
    def statistics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Statistics:
        """What figures are made of: arrays (N, ...) by name, of which sums are taken."""

    @abstractmethod
    def figures(self, sums: Statistics) -> dict[str, np.ndarray]:
        """Figures from sums of statistics (*batch, ...): (*batch) by name, or (*batch, K) where each output has its own."""

    @abstractmethod
    def per_label(self, sums: Statistics) -> dict[str, dict[str, float | int]]:
        """The figures of each label (type of span, dimension) by name, from sums of statistics."""

    def confusion(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> np.ndarray | None:
        """(K, K) counts, rows true, columns predicted; None where there is no such thing."""
        return None

    def metrics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> dict[str, Any]:
        """All figures of the report for coded targets and scores of the same N utterances: the keys of report.json."""
        sums = metrics.total(self.statistics(targets, scores))
        confusion = self.confusion(targets, scores)
        return {
            "n": len(targets),
            **{name: self.named(values) for name, values in self.figures(sums).items()},
            "per_label": self.per_label(sums),
            **({} if confusion is None else {"confusion": confusion.tolist()}),
        }

    def named(self, values: np.ndarray) -> Any:
        """A figure as JSON types: a number, or numbers by label where each output has its own."""
        return dict(zip(self.labels, values.tolist(), strict=True)) if values.ndim else float(values)

    def learned(self) -> dict[str, Any]:
        """What `prepare` and `tune` found out and scoring or decoding needs, by name, as JSON types."""
        return {}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Takes back what `learned` gave."""

    def state(self) -> dict[str, Any]:
        """What a saved model needs to build this task again: constructor settings and what was learned. JSON types only."""
        settings = {name: getattr(self, name) for name in registry.settings(type(self))}
        return {**settings, "labels": list(self.labels), "learned": self.learned()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Task":
        """The task of a saved model."""
        task = cls(**{name: value for name, value in state.items() if name != "learned"})
        if "learned" in state:
            task.restore(state["learned"])
        return task
