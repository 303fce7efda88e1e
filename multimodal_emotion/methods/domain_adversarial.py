"""Domain-adversarial training: what the model goes by should not tell who speaks, or from which corpus it is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, in_range
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.fusion._base import summary
from multimodal_emotion.loading import column
from multimodal_emotion.methods._base import Method, Step
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task

PLACES = ("fused", "encoded")

NAME = "training.methods.domain_adversarial"


class DomainAdversarial(Method):
    """A discriminator learns to tell the domain from the model's vectors; the model, through a reversed gradient, to hide it.

    The reversed gradient grows from 0 to `strength` in the course of the training, so that the discriminator is not believed
    before it knows anything. What is told apart are the domains of the training utterances.

    Source: Domain-Adversarial Training of Neural Networks, 2015, arXiv 1505.07818.
    """

    shares = True

    def __init__(
        self,
        *,
        column: str = "speaker",
        at: str = "fused",
        strength: float | int = 1.0,
        gamma: float | int = 10.0,
        hidden: int = 128,
    ) -> None:
        """
        Args:
            column: what a domain is: "speaker", "dialogue", or a column of the corpus ("corpus", of a union).
            at: which vectors: "fused", or "encoded", those of each modality, each with a discriminator of its own.
            strength: what the reversed gradient is multiplied by in the end.
            gamma: how soon it gets there: at share p of the training it is strength x (2 / (1 + exp(-gamma p)) - 1).
            hidden: width of the discriminator's hidden layer.

        Raises:
            InputError: a value out of its range.
        """
        if column == "label":
            raise InputError(f"{NAME}.column is label, which is what the model is to tell; name speaker, corpus, ...")
        if at not in PLACES:
            raise unknown("place", at, PLACES, f"{NAME}.at")
        self.column, self.at = column, at
        self.strength = in_range(f"{NAME}.strength", strength, 0)
        self.gamma = in_range(f"{NAME}.gamma", gamma, 0)
        self.hidden = in_range(f"{NAME}.hidden", hidden, 1)
        self.domains: dict[str, int] = {}

    def check_config(self, config: Config) -> None:
        """Refuses the fused vector where the configuration has none."""
        fusion = (config.model.fusion or {}).get("type")
        if self.at == "fused" and fusion == "late":
            raise without_vector()

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Refuses utterances without the column, and a single domain."""
        if self.at == "fused" and task.resolution == "word":
            raise without_vector()
        found = set(column(utterances, self.column, f"{NAME}.column"))
        if len(found) < 2:
            raise InputError(f"{NAME}: all training utterances have the same {self.column}, {found.pop()!r}")

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses the fused vector of a model that has none."""
        if self.at == "fused" and (model.fusion.is_head or task.resolution == "word"):
            raise without_vector()

    def prepare(self, model: EmotionModel, task: Task, utterances: Sequence[Utterance]) -> None:
        """Numbers the domains, and makes the discriminators. Utterances of a former run may have no domain."""
        found = {each.id: column([each], self.column, f"{NAME}.column", needed=False)[0] for each in utterances}
        names = sorted({str(value) for value in found.values() if value is not None})
        self.domains = {name: names.index(str(value)) for name, value in found.items() if value is not None}
        widths = {"fused": model.fusion.dim} if self.at == "fused" else model.fusion.dims
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.module = nn.ModuleDict(
                {name: discriminator(width, self.hidden, len(names)) for name, width in widths.items()}
            )

    def extra(self, step: Step) -> Tensor:
        """The loss of the discriminators, whose gradient is reversed on its way into the model."""
        assert self.module is not None, "prepare comes before extra"
        numbers = [self.domains.get(name, -1) for name in step.batch.ids]
        domain = torch.tensor(numbers, device=step.target.device)
        losses = []
        for name, (vectors, present) in self.vectors(step).items():
            told = self.module[name](reversed_gradient(vectors.float(), self.multiplier(step.progress)))  # type: ignore[index]
            known = present & (domain >= 0)
            each = functional.cross_entropy(told, domain.clamp(min=0), reduction="none")
            losses.append((each * known).sum() / known.sum().clamp(min=1))
        return torch.stack(losses).sum()

    def vectors(self, step: Step) -> dict[str, tuple[Tensor, Tensor]]:
        """What the discriminators see of a step, and of which rows there is something to see, by name."""
        encoded: Mapping[str, Any] = step.seen.encoded
        if self.at == "fused":
            return {"fused": (step.seen.fused, step.counted)}
        return {name: (summary(sequence), sequence.present) for name, sequence in encoded.items()}

    def multiplier(self, progress: float) -> float:
        """What the reversed gradient is multiplied by when this share of the training is done."""
        return self.strength * (2 / (1 + math.exp(-self.gamma * progress)) - 1)


class ReversedGradient(torch.autograd.Function):
    """Changes nothing on the way forward, and turns the gradient round on the way back."""

    @staticmethod
    def forward(context: Any, values: Tensor, strength: float) -> Tensor:
        """The values."""
        context.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Minus strength times the gradient."""
        return -context.strength * gradients[0], None


def reversed_gradient(values: Tensor, strength: float) -> Tensor:
    """The values, whose gradient is multiplied by -strength."""
    return ReversedGradient.apply(values, strength)


def discriminator(width: int, hidden: int, domains: int) -> nn.Sequential:
    """From a vector to what speaks for each domain."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, domains))


def without_vector() -> InputError:
    """The error for a model without one fused vector for an utterance."""
    return InputError(f"{NAME} needs one fused vector for each utterance, which this model has not; set at: encoded")
