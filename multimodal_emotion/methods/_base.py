"""The contract of a method of training: it adds to the loss of a step, or takes its place, or decides who learns when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion.batch import Batch, Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.model import EmotionModel, Output
from multimodal_emotion.tasks._base import Task


@dataclass
class Step:
    """One training step. Everything random in it follows from its seed, so that a training can be continued anywhere.

    Attributes:
        model, task, batch: what is trained, on what.
        seed: of this step.
        run: the model's output for the batch, with the next random numbers.
        measure: the loss of an output for given targets, a scalar.
    """

    model: EmotionModel
    task: Task
    batch: Batch
    seed: int
    run: Callable[[], Output]
    measure: Callable[[Output, Tensor], Tensor]

    @property
    def target(self) -> Tensor:
        """The targets of the batch."""
        assert self.batch.target is not None
        return self.batch.target

    @cached_property
    def output(self) -> Output:
        """The plain output, with the step's first random numbers."""
        return self.again()

    @cached_property
    def loss(self) -> Tensor:
        """The plain loss, a scalar."""
        return self.measure(self.output, self.target)

    def again(self) -> Output:
        """A further output with the same random numbers: the same dropout, the same modalities hidden."""
        torch.manual_seed(self.seed)
        return self.run()

    @property
    def counted(self) -> Bool[Tensor, "batch *words"]:
        """Which decisions count: rows with a modality, and of those the words that are there."""
        rows = torch.stack([sequence.present for sequence in self.batch.inputs.values()]).any(dim=0)
        return rows if self.batch.words is None else rows.unsqueeze(1) & (self.batch.words >= 0)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """How far the second logits are from the first, the mean over the decisions that count; a scalar."""
        apart = divergence(self.task.space, first, second)
        return (apart * self.counted).sum() / self.counted.sum().clamp(min=1)


class Method:
    """A method of training. Built from settings alone.

    Attributes:
        replaces: whether `extra` takes the place of the plain loss.
        module: what the method learns for itself, at the head's rate, from `prepare` on; no part of the saved model.
    """

    replaces: ClassVar[bool] = False
    module: nn.Module | None = None

    def check(self, model: EmotionModel, task: Task) -> None:
        """Looks at a model before its training.

        Raises:
            InputError: the method does not apply to it.
        """

    def rows(self, utterances: Sequence[Utterance], seed: int) -> Sequence[Utterance]:
        """The training utterances, with what the method adds to them."""
        return utterances

    def prepare(self, model: EmotionModel, task: Task, utterances: Sequence[Utterance]) -> None:
        """Is called once after `check`, also before a training that is continued: finds out what the method needs to know.

        Args:
            model, task: what is trained.
            utterances: on what.

        Raises:
            InputError: the method does not apply.
        """

    def begin(self, model: EmotionModel, epoch: int) -> None:
        """Is called before an epoch (from 0), also before one that is continued."""

    def extra(self, step: Step) -> Tensor | None:
        """What is added to the loss of a step, a scalar; None adds nothing."""
        return None


def former_run(run: str | None, method: str) -> str:
    """The folder of a former run that a method needs.

    Raises:
        InputError: it was not named.
    """
    if run is None:
        raise InputError(
            f"training.methods.{method} needs the former run: model.initial (train --from RUN), or its setting run"
        )
    return run


def divergence(
    space: str, first: Float[Tensor, "*decisions outputs"], second: Float[Tensor, "*decisions outputs"]
) -> Float[Tensor, "*decisions"]:
    """Kullback-Leibler divergence of what two logits say, KL(first || second); of values, half their squared distance.

    Half the squared distance is the divergence of two normal distributions of variance 1.

    Args:
        space: what an output is, see `Task.space`.
        first, second: logits.
    """
    first, second = first.float(), second.float()
    if space == "value":
        return 0.5 * (first - second).square().sum(dim=-1)
    if space == "probability":
        log_p, log_q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
        return (log_p.exp() * (log_p - log_q)).sum(dim=-1)
    p = first.sigmoid()
    applies = functional.logsigmoid(first) - functional.logsigmoid(second)
    applies_not = functional.logsigmoid(-first) - functional.logsigmoid(-second)
    return (p * applies + (1 - p) * applies_not).sum(dim=-1)
