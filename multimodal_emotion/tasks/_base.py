"""The contract of a task: it knows the labels, the coding of targets, the loss, the decoding and the metric."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion.batch import Utterance


class Task(ABC):
    """A task over a set of labels. The model does not know labels, the task does not know the model.

    Arrays: N utterances, K outputs. For word-level tasks each of N is a sentence, and scores are a list of (words, K).

    Attributes:
        name: the file name.
        resolution: "utterance", or "word": one decision for each word.
        labels: names of the outputs, in order.
        primary_metric: the key of `metrics()` that selection uses.
        higher_is_better: the direction of that metric.
    """

    name: ClassVar[str]
    resolution: ClassVar[str] = "utterance"
    primary_metric: str
    higher_is_better: ClassVar[bool] = True

    def __init__(self, labels: Sequence[str]) -> None:
        if not labels:
            raise ValueError(f"task {self.name!r} needs at least one label")
        self.labels = tuple(labels)

    @property
    def outputs(self) -> int:
        """How many numbers the model must give for each utterance (or word)."""
        return len(self.labels)

    def prepare(self, utterances: Sequence[Utterance]) -> None:  # noqa: B027  (most tasks need nothing)
        """Looks once at the training utterances: class weights, for example. Called by training only."""

    @abstractmethod
    def target(self, utterance: Utterance) -> np.ndarray:
        """The coded label of one utterance, (..., ) without a batch axis; raises InputError naming a label it does not know."""

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

    def tune(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> None:  # noqa: B027
        """Chooses what decoding needs (thresholds) on validation data. Called by training only."""

    @abstractmethod
    def metrics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> dict[str, Any]:
        """All figures of the report for coded targets and scores of the same N utterances: the keys of report.json."""

    def state(self) -> dict[str, Any]:
        """What a saved model needs to build this task again: constructor settings and what was tuned. JSON types only."""
        return {"labels": list(self.labels)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Task":
        """The task of a saved model."""
        return cls(**state)
