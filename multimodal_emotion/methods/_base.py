"""The contract of a method of training: it adds to the loss of a step, or takes its place, or decides who learns when."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion import registry
from multimodal_emotion.batch import Batch, MaskedSequence, Utterance
from multimodal_emotion.config import Config, freeze_of
from multimodal_emotion.errors import InputError
from multimodal_emotion.methods._entrances import adding, gradients, taken, zeros
from multimodal_emotion.model import EmotionModel, Output
from multimodal_emotion.tasks._base import Task


@dataclass
class Step:
    """One training step. Everything random in it follows from its seed, so that a training can be continued anywhere.

    Attributes:
        model, task, batch: what is trained, on what.
        seed: of this step.
        forward: from a batch to the model's output, with the next random numbers.
        criterion: from an output, targets and their batch to the loss, a scalar.
        progress: how much of the training is done, 0 to 1.
        learn: takes the gradient of a loss at once, beside that of what `Method.extra` returns, and lets go of its graph.
        entrances: the layers whose outputs are perturbed, if a method does that.
    """

    model: EmotionModel
    task: Task
    batch: Batch
    seed: int
    forward: Callable[[Batch], Output]
    criterion: Callable[[Output, Tensor, Batch], Tensor]
    progress: float = 0.0
    learn: Callable[[Tensor], None] = torch.Tensor.backward
    entrances: Sequence[nn.Module] = ()

    @property
    def target(self) -> Tensor:
        """The targets of the batch."""
        assert self.batch.target is not None
        return self.batch.target

    @cached_property
    def seen(self) -> "Seen":
        """The plain output, with the step's first random numbers, and what led to it."""
        zeroed = adding(self.entrances, zeros)
        with watching(self.model.fusion) as encoded, watching(self.model.head) as fused, zeroed as (given, added):
            output = self.again()
        return Seen(output, encoded[0], fused[0], given, added)

    @property
    def output(self) -> Output:
        """The plain output."""
        return self.seen.output

    @cached_property
    def loss(self) -> Tensor:
        """The plain loss, a scalar."""
        return self.measure(self.output, self.target)

    def learn_plain(self) -> None:
        """Takes the gradient of the plain loss at once: from then on `loss` is a number, and no graph is held beside others."""
        if self.loss.requires_grad:  # there may be nothing to learn from
            self.learn(self.loss)
        self.loss = self.loss.detach()

    @cached_property
    def slope(self) -> list[Tensor]:
        """The gradient of the plain loss for what each entrance gave, call by call (`seen.given`); costs no further pass."""
        if self.loss.requires_grad:
            return gradients(self.loss, self.seen.added, retain_graph=True)
        return [taken(zero) for zero in self.seen.added]

    def run(self) -> Output:
        """The model's output for the batch, with the next random numbers."""
        return self.forward(self.batch)

    def again(self) -> Output:
        """A further output with the same random numbers: the same dropout, the same modalities hidden."""
        torch.manual_seed(self.seed)
        return self.run()

    def measure(self, output: Output, target: Tensor) -> Tensor:
        """The loss of an output for given targets, a scalar."""
        return self.criterion(output, target, self.batch)

    def on(self, batch: Batch) -> "Step":
        """The same step on another batch."""
        return replace(self, batch=batch)

    @property
    def counted(self) -> Bool[Tensor, "batch *words"]:
        """Which decisions count: rows with a modality, and of those the words that are there."""
        rows = torch.stack([sequence.present for sequence in self.batch.inputs.values()]).any(dim=0)
        return rows if self.batch.words is None else rows.unsqueeze(1) & (self.batch.words >= 0)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """How far the second logits are from the first, the mean over the decisions that count; a scalar."""
        apart = divergence(self.task.space, first, second)
        return (apart * self.counted).sum() / self.counted.sum().clamp(min=1)


class Seen(NamedTuple):
    """What a pass of the model gave.

    Attributes:
        output: of the model.
        encoded, fused: what went into the fusion, and into the head.
        given, added: what each entrance gave, call by call, and the zeros that were added to it, which get a gradient.
    """

    output: Output
    encoded: Mapping[str, MaskedSequence]
    fused: Tensor
    given: Sequence[Tensor]
    added: Sequence[Tensor]


class Method:
    """A method of training. Built from settings alone.

    Bad settings are refused by the constructor; what does not go together, as early as it can be known: by `check_config`
    when a configuration is read, by `check_rows` before weights are loaded, by `check` before anything is written.

    Attributes:
        replaces: whether `extra` takes the place of the plain loss.
        perturbs: whether `extra` needs the step's entrances.
        shares: whether what `extra` returns has a gradient through the plain pass, whose graph is then kept.
        module: what the method learns for itself, at the head's rate, from `prepare` on; no part of the saved model.
    """

    replaces: ClassVar[bool] = False
    perturbs: ClassVar[bool] = False
    shares: ClassVar[bool] = False
    module: nn.Module | None = None

    def check_config(self, config: Config) -> None:
        """Looks at the other settings.

        Raises:
            InputError: the method does not go with them.
        """

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Looks at the training utterances, and at what else the method needs, before any weights are loaded.

        Raises:
            InputError: the method does not apply to them, or what it needs is not there.
        """

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


def refuse_frozen(config: Config, method: str, purpose: str) -> None:
    """Refuses a method that needs an encoder which learns, where the configuration says that none does.

    Args:
        config: one without encoders says nothing yet.
        method: its name.
        purpose: what the method has nothing to do with: "perturb", say.

    Raises:
        InputError: every encoder is frozen, or has no weights.
    """
    encoders = config.model.encoders
    learning = [
        name
        for name, given in encoders.items()
        if freeze_of(name, config) != "all"
        and ("checkpoint" in registry.settings(registry.find("encoders", given["type"])) or ":" in given["type"])
    ]
    if encoders and not learning:
        raise InputError(
            f"training.methods.{method} has nothing to {purpose}: every encoder is frozen, or has no weights"
        )


def refuse_words(config: Config, method: str) -> None:
    """Refuses a method for whole utterances where the configuration names a task that decides for each word.

    Raises:
        InputError: it does.
    """
    name = config.task.name
    if name is not None and registry.find("tasks", name).resolution == "word":  # type: ignore[attr-defined]
        raise decides_for_words(method)


def decides_for_words(method: str) -> InputError:
    """The error for a task that decides for each word."""
    return InputError(f"training.methods.{method} does not apply to a task that decides for each word")


@contextmanager
def watching(module: nn.Module) -> Iterator[list[Any]]:
    """As long as it lasts, keeps what goes into a module."""
    seen: list[Any] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()


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
