"""Elastic weight consolidation: what mattered for a former corpus may change less."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from multimodal_emotion import checkpoint
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import in_range
from multimodal_emotion.loading import Rows, collate_for, loader
from multimodal_emotion.methods._base import Method, Step, former_run
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.splits import config_of_run, draw, splits_of_run
from multimodal_emotion.tasks._base import Task


class Ewc(Method):
    """Half the strength times the squared distance of each weight from that of a former run, weighed by its importance there.

    Importance is the diagonal of the Fisher information at the labels of the former training rows (the empirical one). The
    head counts where the labels are the same, else the encoders alone.

    Source: Overcoming catastrophic forgetting in neural networks, 2016, arXiv 1612.00796.
    """

    def __init__(self, *, run: str | None = None, strength: float | int = 100.0, count: int = 256) -> None:
        """
        Args:
            run: the former run's folder, whose corpus is still where it was; None takes `model.initial`.
            strength: of the penalty.
            count: of the former training utterances, from which importance is estimated.

        Raises:
            InputError: a value out of its range.
        """
        self.run = run
        self.strength = in_range("training.methods.ewc.strength", strength, 0)
        self.count = in_range("training.methods.ewc.count", count, 1)
        self.terms: list[tuple[nn.Parameter, Tensor, Tensor]] = []

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Refuses what is no run."""
        config_of_run(former_run(self.run, "ewc"))

    def prepare(self, model: EmotionModel, task: Task, utterances: Sequence[Utterance]) -> None:
        """Loads the former run, and finds what mattered to it."""
        run = former_run(self.run, "ewc")
        former = checkpoint.load(run)
        importance = fisher(former, draw(splits_of_run(run).train, self.count, 0))
        own = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self.terms = [
            (own[name], anchor.detach().to(own[name].device), importance[name].to(own[name].device))
            for name, anchor in former.model.named_parameters()
            if name in own
            and own[name].shape == anchor.shape
            and (name.startswith("encoders.") or former.task.labels == task.labels)
        ]

    def extra(self, step: Step) -> Tensor:
        """The penalty."""
        return self.strength * penalty(self.terms)


def penalty(terms: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Half the sum of importance x (weight - anchor)^2 over (weight, anchor, importance), a scalar."""
    return 0.5 * torch.stack([(each * (weight - anchor).square()).sum() for weight, anchor, each in terms]).sum()


def fisher(trained: TrainedModel, utterances: Sequence[Utterance]) -> Mapping[str, Tensor]:
    """The mean square of the gradient of each utterance's loss, by the name of the parameter; the model is as in use.

    Args:
        trained: a model.
        utterances: labelled.
    """
    model, task = trained.model.eval(), trained.task
    task.prepare(utterances)
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    rows = Rows(utterances, trained.preparations, task, words=trained.words, on_error="skip")
    for batch in loader(rows, [[number] for number in range(len(rows))], collate_for(trained.preparations, task)):
        assert batch.target is not None
        loss = task.loss(model(batch.inputs, batch.words).logits, batch.target).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                found[name] += gradient.square() / len(rows)
    return found
