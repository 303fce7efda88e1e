"""Linear layers of float32 models through oneDNN, on a processor.

By default such layers multiply through MKL, which keeps to half the vector width on processors that Intel did not make:
there oneDNN is twice as fast, and elsewhere it is no slower. Without gradient, weights are packed for it once; in training,
where they change with every step, they are taken as they are. The sums are taken in another order, so results differ in the
last digits.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, no_type_check

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

PAYS_FROM = 256
"""Rows of activations (batch x time) from which on a multiplication is worth packing its weights."""


def packed_linear(device: torch.device | str) -> AbstractContextManager[Any]:
    """The context in which linear layers go through oneDNN where that can be; elsewhere one that changes nothing."""
    return PackedLinear() if _possible(device) else nullcontext()


def trained_linear(device: torch.device | str) -> AbstractContextManager[Any]:
    """The same for a pass whose gradient is wanted; the backward pass need not be inside."""
    return TrainedLinear() if _possible(device) else nullcontext()


def _possible(device: torch.device | str) -> bool:
    return torch.device(device).type == "cpu" and torch.backends.mkldnn.is_available()


class _ReplacedLinear(TorchFunctionMode):
    """Replaces `linear` with a float32 parameter as its weight by oneDNN's, where there are rows enough for it to pay.

    Attributes:
        trained: whether that is so in passes with gradient, or in those without.
    """

    trained: ClassVar[bool]

    @no_type_check  # called for every function of torch: a check of its types, as tests do, would take most of their time
    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Any torch function; `linear` is what is replaced."""
        if function is nn.functional.linear and not kwargs and self._fits(*args):
            return self._linear(*args)
        return function(*args, **(kwargs or {}))

    def _fits(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
        return (
            isinstance(weight, nn.Parameter)
            and values.dtype == weight.dtype == torch.float32
            and values.dim() > 1
            and self._pays(values.numel() // max(1, weight.shape[-1]), weight)
            and torch.is_grad_enabled() == self.trained
            and not torch.is_autocast_enabled("cpu")
        )

    def _pays(self, rows: int, weight: Tensor) -> bool:
        return rows >= PAYS_FROM

    @abstractmethod
    def _linear(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The product."""


class PackedLinear(_ReplacedLinear):
    """For passes without gradient: weights are packed when they are first used and let go with the context.

    The weights must not change meanwhile.
    """

    trained = False

    def __init__(self) -> None:
        super().__init__()
        # The weight is kept beside its packed form: its identity, which is the key, must not come to mean another.
        self._packed: dict[int, tuple[Tensor, Tensor]] = {}

    def _pays(self, rows: int, weight: Tensor) -> bool:
        return super()._pays(rows, weight) or (id(weight) in self._packed and rows > 0)

    def _linear(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if id(weight) not in self._packed:
            rows = values.numel() // weight.shape[-1]
            self._packed[id(weight)] = weight, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
        return _multiply(values, self._packed[id(weight)][1], bias)


class TrainedLinear(_ReplacedLinear):
    """For passes whose gradient is wanted."""

    trained = True

    def _linear(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return Product.apply(values, weight, bias)


class Product(torch.autograd.Function):
    """values @ weight.T + bias, and its gradients: three multiplications by oneDNN, which takes transposed matrices too."""

    @staticmethod
    def forward(context: Any, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(..., inputs), (outputs, inputs), (outputs,) or None -> (..., outputs)."""
        # Only what a wanted gradient takes is held until then: below an adapter that is half of it.
        of_values, of_weight = context.needs_input_grad[:2]
        context.save_for_backward(values if of_weight else None, weight if of_values else None)
        return _multiply(values, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """(..., outputs) -> the gradients of values, weight and bias, of those that are wanted."""
        values, weight = context.saved_tensors
        wanted = context.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            _multiply(gradient, weight.t(), None) if wanted[0] else None,
            _multiply(rows.t(), values.flatten(0, -2).t(), None) if wanted[1] else None,
            rows.sum(0) if wanted[2] else None,
        )


def _multiply(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
