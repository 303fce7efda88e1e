"""Where a perturbation enters: the output of each encoder's first layer (word embeddings, first convolution, patches)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import InputError
from multimodal_emotion.model import EmotionModel

FIRST = (nn.Embedding, nn.Linear, nn.Conv1d, nn.Conv2d)

Make = Callable[[int, Tensor], Tensor]
"""From the number of a call and what the first layer gave, to what is added to it."""


def entrances(model: EmotionModel, method: str) -> list[nn.Module]:
    """The first layer of each encoder that is not frozen.

    Raises:
        InputError: there is none.
    """
    backbones = [
        backbone
        for name in model.encoders
        if not model.encoder(name).frozen
        and isinstance(backbone := getattr(model.encoder(name), "backbone", None), nn.Module)
    ]
    if not backbones:
        raise InputError(
            f"training.methods.{method} has nothing to perturb: every encoder is frozen, or has no weights"
        )
    return [first_layer(backbone) for backbone in backbones]


def first_layer(backbone: nn.Module) -> nn.Module:
    """What the input of a pretrained part goes through first."""
    return next(module for module in backbone.modules() if isinstance(module, FIRST))


@contextmanager
def thawed(model: EmotionModel) -> Iterator[list[nn.Module]]:
    """As long as it lasts, gradients go through frozen encoders too, and none into the weights.

    Yields:
        Where each encoder is entered, see `every_entrance`.
    """
    encoders = [model.encoder(name) for name in model.encoders]
    frozen = [encoder.frozen for encoder in encoders]
    learning = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for encoder in encoders:
        encoder.frozen = False
    for parameter, _ in learning:
        parameter.requires_grad_(False)
    try:
        yield every_entrance(model)
    finally:
        for encoder, was in zip(encoders, frozen, strict=True):
            encoder.frozen = was
        for parameter, was in learning:
            parameter.requires_grad_(was)


def every_entrance(model: EmotionModel) -> list[nn.Module]:
    """The first layer of each encoder; the encoder itself, and so what it gives, where it has no weights."""
    found = []
    for name in model.encoders:
        backbone = getattr(model.encoder(name), "backbone", None)
        found.append(first_layer(backbone) if isinstance(backbone, nn.Module) else model.encoder(name))
    return found


@contextmanager
def adding(layers: Sequence[nn.Module], make: Make) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """As long as it lasts, something is added to the outputs of layers.

    Yields:
        What the layers gave, and what was added to it, in the order of their calls.
    """
    given: list[Tensor] = []
    added: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: Tensor | MaskedSequence) -> Tensor | MaskedSequence:
        values = output.values if isinstance(output, MaskedSequence) else output
        given.append(values.detach())
        added.append(make(len(added), given[-1]))
        changed = values + added[-1]
        return MaskedSequence(changed, output.mask) if isinstance(output, MaskedSequence) else changed

    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield given, added
    finally:
        for handle in handles:
            handle.remove()


def those(perturbations: Sequence[Tensor]) -> Make:
    """Adds these, one for each call."""
    return lambda call, _: perturbations[call]


def zeros(call: int, given: Tensor) -> Tensor:
    """Adds nothing, as a leaf that gets a gradient."""
    return torch.zeros_like(given).requires_grad_()


def gradients(loss: Tensor, added: Sequence[Tensor], *, retain_graph: bool = False) -> list[Tensor]:
    """The gradient of a loss for what was added; nothing where no layer was called, because all modalities are absent."""
    if not added:
        return []
    return list(torch.autograd.grad(loss, added, materialize_grads=True, retain_graph=retain_graph))


def taken(delta: Tensor) -> Tensor:
    """The gradient that a leaf was given; zeros where the layer gave nothing to decide by."""
    return torch.zeros_like(delta) if delta.grad is None else delta.grad


def norm(values: Tensor) -> Tensor:
    """The length of each row, (rows, ...) -> (rows, 1, ...)."""
    return values.flatten(1).norm(dim=1).reshape(-1, *[1] * (values.dim() - 1))


def scaled(direction: Tensor, length: Tensor) -> Tensor:
    """The rows of a direction brought to a length; a row of zeros stays."""
    return direction * (length / norm(direction).clamp(min=torch.finfo(direction.dtype).tiny))


def within(values: Tensor, length: Tensor) -> Tensor:
    """Rows that are longer than a length, brought to it."""
    return values * (length / norm(values).clamp(min=torch.finfo(values.dtype).tiny)).clamp(max=1)
