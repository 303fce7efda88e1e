"""The contract of an adapter: what of an encoder's pretrained part learns, and what is added to it; the rest is frozen."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_emotion import registry
from multimodal_emotion.adapters._wavlm import call_layers
from multimodal_emotion.errors import InputError

UNCALLED = ("MultiheadAttention",)
"""Modules that read the weights of their linear layers without calling them: what is added to those would do nothing."""


class Adapter(ABC):
    """Chooses, or adds, the few parameters of a pretrained part that learn. Built from settings alone, without weights."""

    @abstractmethod
    def insert(self, backbone: nn.Module) -> None:
        """Adds modules to a frozen pretrained part, or unfreezes some of it.

        Raises:
            InputError: there is nothing in it that this adapter applies to, or it is too narrow.
        """

    def companion(self, backbone: nn.Module) -> "Companion | None":
        """What acts beside a part that this adapter was put into while it is trained, where anything does."""
        return None


class Companion(nn.Module, ABC):
    """Acts beside an adapter in training. Its buffers are part of a resumable state, and of no model.

    Attributes:
        settled: whether the model may be kept as it is now.
    """

    settled: bool

    @abstractmethod
    def penalty(self) -> Tensor:
        """What is added to the loss of a step, a scalar."""

    @abstractmethod
    def after_step(self, step: int, steps: int) -> None:
        """Is called after the optimiser has taken a step (from 0) of so many; the gradients are still there."""


class Added:
    """Marks a module in which an adapter added something."""

    def added(self) -> list[nn.Parameter]:
        """What was added."""
        assert isinstance(self, nn.Module)
        return list(self.parameters())

    def difference(self) -> Tensor | None:
        """What is added to the weight, (outputs, inputs), where that is all that is added; else None."""
        return None


class Adapted(Added, nn.Linear):
    """A linear layer with something added. Weight and bias are the layer's own and keep their names."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base.in_features, base.out_features, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias

    def added(self) -> list[nn.Parameter]:
        """What was added to the layer."""
        own = {id(self.weight), id(self.bias)}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]


def adapt(encoder: nn.Module, settings: Mapping[str, Any], where: str, *, own_code: bool = True) -> None:
    """Freezes the pretrained part of an encoder and adds an adapter to it.

    Args:
        encoder: is changed.
        settings: {"type": a file name of adapters/, and its settings}.
        where: the encoder's name, for messages.
        own_code: see `registry.find`.

    Raises:
        InputError: no such adapter or setting; the adapter does not apply to this encoder.
    """
    options = {key: value for key, value in settings.items() if key != "type"}
    adapter = registry.build("adapters", settings["type"], own_code=own_code, **options)
    backbone = getattr(encoder, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise InputError(f"adapter {settings['type']!r} does not apply to {where}: it has no pretrained part")
    backbone.requires_grad_(False)
    call_layers(backbone)
    try:
        adapter.insert(backbone)
    except InputError as error:
        raise InputError(f"adapter {settings['type']!r} does not apply to {where}: {error}") from None


def added_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that adapters added, which start from scratch."""
    for module in model.modules():
        if isinstance(module, Added):
            yield from module.added()


def companions(encoders: nn.ModuleDict, settings: Mapping[str, Mapping[str, Any]]) -> list[Companion]:
    """What acts beside the adapters of encoders while they are trained.

    Args:
        encoders: by name.
        settings: of these encoders, by name.
    """
    found = []
    for name, given in settings.items():
        if given.get("adapter"):
            options = dict(given["adapter"])
            adapter = registry.build("adapters", options.pop("type"), **options)
            found.append(adapter.companion(encoders[name].backbone))
    return [each for each in found if each is not None]


@torch.no_grad()
def merge(encoder: nn.Module) -> None:
    """Folds what was added to the weights into them; the outputs stay equal but for rounding.

    Raises:
        InputError: something was added that is not linear.
    """
    layers = [(name, module) for name, module in encoder.named_modules() if isinstance(module, Added)]
    differences = [difference for _, module in layers if (difference := module.difference()) is not None]
    if len(differences) < len(layers):
        raise InputError(
            "what was added is not linear and cannot be merged into the weights; only LoRA and AdaLoRA can"
        )
    for (name, module), difference in zip(layers, differences, strict=True):
        assert isinstance(module, Adapted)
        plain = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
        # A new tensor: other models may share the old one.
        plain.weight, plain.bias = nn.Parameter(module.weight + difference), module.bias
        _replace(encoder, name, plain.train(module.training))


def linear_layers(backbone: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers that are called and whose output counts, by name."""
    return {
        name: module
        for name, module in backbone.named_modules()
        if type(module) is nn.Linear
        and type(backbone.get_submodule(name.rpartition(".")[0])).__name__ not in UNCALLED
        and not name.startswith("pooler.")
    }


def targeted_layers(backbone: nn.Module, targets: Collection[str] | None, rank: int) -> dict[str, nn.Linear]:
    """The linear layers beside whose weights a product of low rank is learnt, by name.

    Args:
        backbone: the pretrained part.
        targets: how their names end; None takes every linear layer.
        rank: of the product.

    Raises:
        InputError: there are none, or one is narrower than the rank.
    """
    layers = linear_layers(backbone)
    names = list(layers) if targets is None else ending(layers, targets)
    if not names:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in layers})) or "none"
        wanted = "" if targets is None else f" whose name ends in {' or '.join(targets)}"
        raise InputError(f"it has no linear layer{wanted}; its linear layers: {known}")
    for name in names:
        width = min(layers[name].weight.shape)
        if rank > width:
            raise InputError(f"rank {rank} is above the width {width} of {name}")
    return {name: layers[name] for name in names}


def replace_layers(backbone: nn.Module, names: Iterable[str], change: Callable[[nn.Linear], nn.Module]) -> None:
    """Puts something else in place of linear layers."""
    for name in names:
        layer = backbone.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        _replace(backbone, name, change(layer))


def ending(names: Iterable[str], endings: Iterable[str]) -> list[str]:
    """The names whose last words are one of these: "0.attention.out" ends in "attention.out", but not in "n.out"."""
    wanted = tuple(f".{end}" for end in endings)
    return [name for name in names if f".{name}".endswith(wanted)]


def _replace(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, module)
