"""A value for each of some named dimensions, such as valence, arousal and dominance."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.metrics import Statistics
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.tasks._options import choice

FIGURES = {"ccc": metrics.ccc, "pearson": metrics.pearson, "mae": metrics.mae, "mse": metrics.mse}
LOSSES = ("ccc", "mse", "mae")
TINY = 1e-8


class Regression(Task):
    """Logits are values in standard units: less the mean of the training labels, over their standard deviation.

    So every dimension weighs alike in the loss, however narrow its values. Scores are in the range of the release.
    """

    name = "regression"
    space = "value"
    primary_metrics: ClassVar = tuple(f"mean_{figure}" for figure in FIGURES)

    def __init__(
        self,
        labels: Sequence[str],
        *,
        primary_metric: str | None = None,
        ranges: Mapping[str, Sequence[float | int]] | None = None,
        loss: str = "ccc",
    ) -> None:
        """
        Args:
            labels: distinct names of the dimensions, in order.
            primary_metric: the mean over dimensions of "ccc" (None), "pearson", "mae" or "mse".
            ranges: least and largest value of each dimension; a label outside is an error, scores stay inside. A
                dimension that is not named has no bounds.
            loss: "ccc" (1 - concordance within the batch), "mse" or "mae".

        Raises:
            InputError: an unknown dimension, metric or loss, or a range that is none.
        """
        super().__init__(
            labels, primary_metric=f"mean_{primary_metric}" if primary_metric in FIGURES else primary_metric
        )
        self.ranges = {name: list(_range(name, ends, self.labels)) for name, ends in (ranges or {}).items()}
        self.loss_kind = choice("loss", loss, LOSSES, "task regression")
        bounds = [self.ranges.get(label, [-np.inf, np.inf]) for label in self.labels]
        self.low, self.high = np.array(bounds, dtype=float).T
        self.mean, self.deviation = np.zeros(self.outputs), np.ones(self.outputs)

    @property
    def higher_is_better(self) -> bool:
        """The direction of the primary metric."""
        return metrics.HIGHER_IS_BETTER[self.primary_metric.removeprefix("mean_")]

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Takes mean and standard deviation of the training labels as the unit of the logits."""
        values = np.array([self.target(utterance) for utterance in utterances], dtype=float)
        deviation = values.std(axis=0)
        self.mean, self.deviation = values.mean(axis=0), np.where(deviation > 0, deviation, 1.0)

    def target(self, utterance: Utterance) -> Float[np.ndarray, " labels"]:
        """The value of each dimension as released, float32.

        Raises:
            InputError: no values, an unknown or missing dimension, a value that is not finite or out of its range.
        """
        label, where = utterance.label, f"utterance {utterance.id}"
        if not isinstance(label, Mapping):
            raise InputError(
                f"{where}: the label is {label!r}; task regression needs a number for each of {self._named}"
            )
        for name in label:
            if name not in self.labels:
                raise unknown("dimension", name, self.labels, where)
        for name, low, high in zip(self.labels, self.low, self.high, strict=True):
            if name not in label:
                raise InputError(f"{where}: no value for {name!r}; task regression needs all of {self._named}")
            if not np.isfinite(label[name]) or not low <= label[name] <= high:
                raise InputError(f"{where}: {name} is {label[name]}; it must be from {low:g} to {high:g}")
        return np.array([label[name] for name in self.labels], dtype=np.float32)

    def label(self, target: np.ndarray) -> dict[str, float]:
        """The value of each dimension by name."""
        return dict(zip(self.labels, target.tolist(), strict=True))

    def loss(
        self, logits: Float[Tensor, "batch labels"], target: Float[Tensor, "batch labels"]
    ) -> Float[Tensor, " batch"]:
        """The loss of each utterance in standard units, the mean over dimensions.

        For "ccc" it is each utterance's share of 1 - concordance of the batch: its squared error over var(x) + var(y) +
        (mean(x) - mean(y))^2. The mean over the batch is 1 - concordance, since the mean squared error is that
        denominator less twice the covariance. A batch of one has no concordance and teaches nothing.
        """
        values = logits.float()
        target = (target.float() - self._on(logits, self.mean)) / self._on(logits, self.deviation)
        error = values - target
        if self.loss_kind == "mae":
            return error.abs().mean(dim=-1)
        if self.loss_kind == "mse":
            return error.square().mean(dim=-1)
        bias = values.mean(dim=0) - target.mean(dim=0)
        spread = values.var(dim=0, unbiased=False) + target.var(dim=0, unbiased=False) + bias.square()
        return (error.square() / (spread + TINY)).mean(dim=-1)

    def scores(self, logits: Float[Tensor, "*batch labels"]) -> Float[Tensor, "*batch labels"]:
        """Values as released."""
        values = logits.float() * self._on(logits, self.deviation) + self._on(logits, self.mean)
        return values.clamp(self._on(logits, self.low), self._on(logits, self.high))

    def decode(self, scores: Float[np.ndarray, "rows labels"]) -> list[dict[str, float]]:
        """The value of each dimension by name, for each utterance."""
        return [self.label(row) for row in scores]

    def statistics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Statistics:
        """Moments of each dimension."""
        true, predicted = (np.reshape(rows, (len(rows), self.outputs)) for rows in (targets, scores))
        return {"moments": metrics.moments(true, predicted)}

    def figures(self, sums: Statistics) -> dict[str, np.ndarray]:
        """Concordance, correlation and errors of each dimension (*batch, labels), and their means over dimensions."""
        found = {name: figure(sums["moments"]) for name, figure in FIGURES.items()}
        return {f"mean_{name}": np.asarray(values.mean(axis=-1)) for name, values in found.items()} | found

    def per_label(self, sums: Statistics) -> dict[str, dict[str, float | int]]:
        """Concordance, correlation and errors of each dimension."""
        figures = {name: figure(sums["moments"]) for name, figure in FIGURES.items()}
        return {
            label: {name: float(values[number]) for name, values in figures.items()}
            for number, label in enumerate(self.labels)
        }

    def learned(self) -> dict[str, Any]:
        """The unit of the logits."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Takes back the unit of the logits."""
        self.mean, self.deviation = (
            np.array(learned[name], dtype=float).reshape(self.outputs) for name in ("mean", "deviation")
        )

    def state(self) -> dict[str, Any]:
        """See `Task.state`; the setting `loss` is not kept under its name, which is that of the method."""
        return {**super().state(), "loss": self.loss_kind}

    @property
    def _named(self) -> str:
        """The dimensions, for messages."""
        return ", ".join(self.labels)

    def _on(self, logits: Tensor, values: np.ndarray) -> Float[Tensor, " labels"]:
        return torch.from_numpy(values).to(logits.device, torch.float32)


def _range(name: str, ends: Sequence[float | int], labels: Sequence[str]) -> tuple[float, float]:
    """Checks one range."""
    if name not in labels:
        raise unknown("dimension of ranges", name, labels, "task regression")
    if len(ends) != 2 or not ends[0] <= ends[1]:
        raise InputError(
            f"task regression: the range of {name!r} is {list(ends)}; give its least and its largest value"
        )
    return float(ends[0]), float(ends[1])
