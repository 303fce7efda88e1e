"""Which parameters learn how fast: parameter groups, schedule, averages of weights."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from multimodal_emotion.adapters._base import added_parameters
from multimodal_emotion.config import TrainingConfig
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.model import EmotionModel


def freeze(model: EmotionModel, what: str | int | Mapping[str, str | int]) -> None:
    """Freezes the encoders' pretrained parts.

    Args:
        model: whose encoders.
        what: "none", "all", or how many bottom blocks (the embeddings count as one); or one of these by modality name.

    Raises:
        InputError: a modality that the model does not have; more blocks than an encoder has.
    """
    wishes = dict(what) if isinstance(what, Mapping) else dict.fromkeys(model.encoders, what)
    for name, wish in wishes.items():
        if name not in model.encoders:
            raise unknown("modality", name, model.encoders, "training.freeze")
        encoder = model.encoders[name]
        assert isinstance(encoder, Encoder)
        if wish == "none":
            continue
        try:
            encoder.freeze(None if wish == "all" else int(wish))
        except ValueError as error:
            raise InputError(f"training.freeze: {name}: {error}") from None


def build_optimizer(
    model: EmotionModel, settings: TrainingConfig, beside: Sequence[nn.Module] = ()
) -> torch.optim.Optimizer:
    """AdamW or SGD over groups: pretrained parts (by block, with layer decay) and the rest, with and without decay.

    What methods learn `beside` the model learns at the head's rate, without decay.
    """
    groups = [group for group in parameter_groups(model, settings) if group["params"]]
    if not groups:
        raise ValueError("nothing is left to train: every parameter is frozen")
    rate = settings.head_learning_rate
    groups += [{"params": list(each.parameters()), "lr": rate, "base_lr": rate, "weight_decay": 0.0} for each in beside]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=settings.momentum > 0
        )
    beta1, beta2 = settings.betas
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(beta1, beta2), eps=settings.eps, fused=True)


def parameter_groups(model: EmotionModel, settings: TrainingConfig) -> list[dict]:
    """One group for each learning rate and weight decay; frozen parameters are in none.

    Biases and norms (parameters with one axis) have no weight decay. With layer_decay d, the block k from the top of an
    encoder learns at learning_rate * d**k.
    """
    rates: dict[nn.Parameter, float] = {}
    for encoder in model.encoders.values():
        assert isinstance(encoder, Encoder)
        for parameter in encoder.pretrained_parameters():
            rates[parameter] = settings.learning_rate
        blocks = encoder.blocks()
        for height, block in enumerate(reversed(blocks)):
            for parameter in block.parameters():
                rates[parameter] = settings.learning_rate * settings.layer_decay**height
    rates |= dict.fromkeys(added_parameters(model), settings.head_learning_rate)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.dim() > 1 else 0.0
            groups.setdefault((rates.get(parameter, settings.head_learning_rate), decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "base_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def rate_factor(step: int, steps: int, settings: TrainingConfig) -> float:
    """The factor on every learning rate in a step (from 0): warm-up, then the schedule."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if settings.schedule == "constant":
        return 1.0
    done = (step - warm) / max(1, steps - warm)
    return 1 - done if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))


class Average:
    """A mean of a model's weights over its steps: an exponential moving one, or one in which all steps weigh alike.

    The moving one has a warm-up, so that early steps do not weigh for ever. Statistics of batch norms are averaged as
    weights are, not counted anew.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; equal weights over the end of
        a training: Averaging Weights Leads to Wider Optima and Better Generalization, 2018, arXiv 1803.05407.

    Attributes:
        steps: how many were taken in; before the first there is no average, and `swap` changes nothing.
    """

    def __init__(self, model: nn.Module, decay: float | None, start: int = 0) -> None:
        """
        Args:
            model: whose weights.
            decay: of the moving average; None weighs all steps alike.
            start: the first step (from 0) that is taken in.
        """
        self.decay, self.start = decay, start
        self.steps = 0
        self.weights = {name: tensor.detach().clone() for name, tensor in _floats(model)}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int = 0) -> None:
        """Takes the weights after a step in, if it is not before the start."""
        if step < self.start:
            return
        self.steps += 1
        share = 1 / self.steps
        if self.decay is not None:
            share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, tensor in _floats(model):
            self.weights[name].lerp_(tensor, share)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchanges the model's weights with the average; a second call undoes the first."""
        if not self.steps:
            return
        for name, tensor in _floats(model):
            kept = tensor.detach().clone()
            tensor.copy_(self.weights[name])
            self.weights[name] = kept


def average_of(model: nn.Module, settings: TrainingConfig, steps: int) -> Average | None:
    """The average that a configuration wants.

    Args:
        model: whose weights.
        settings: `average` and `average_start` count.
        steps: of the whole training.
    """
    if settings.average == "equal":
        return Average(model, None, start=min(round(settings.average_start * steps), steps - 1))
    return Average(model, float(settings.average)) if settings.average else None


def _floats(model: nn.Module) -> Iterable[tuple[str, torch.Tensor]]:
    return ((name, tensor) for name, tensor in model.state_dict().items() if tensor.is_floating_point())
