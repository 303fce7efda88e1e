"""Linear layers of float32 models through oneDNN, for passes without gradient on a processor.

By default such layers multiply through MKL, which keeps to half the vector width on processors that Intel did not make:
there oneDNN, with weights packed for it, is twice as fast, and elsewhere it is no slower. The sums are taken in another
order, so results differ in the last digits.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PAYS_FROM = 256
"""Rows of activations (batch x time) from which on a multiplication is worth packing its weights."""


def packed_linear(device: torch.device | str) -> AbstractContextManager[Any]:
    """The context in which linear layers go through oneDNN where that can be; elsewhere one that changes nothing."""
    return (
        PackedLinear() if torch.device(device).type == "cpu" and torch.backends.mkldnn.is_available() else nullcontext()
    )


class PackedLinear(TorchFunctionMode):
    """Replaces `linear` by oneDNN's; weights are packed when they are first used and let go with the context.

    The weights must not change meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        # The weight is kept beside its packed form: its identity, which is the key, must not come to mean another.
        self._packed: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Any torch function; `linear` with a float32 parameter as its weight is what is replaced."""
        if function is nn.functional.linear and not kwargs and self._fits(*args):
            return self._linear(*args)
        return function(*args, **(kwargs or {}))

    def _fits(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
        rows = values.numel() // max(1, weight.shape[-1])
        return (
            isinstance(weight, nn.Parameter)
            and values.dtype == weight.dtype == torch.float32
            and (rows >= PAYS_FROM or (id(weight) in self._packed and rows > 0))
            and values.dim() > 1
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )

    def _linear(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if id(weight) not in self._packed:
            rows = values.numel() // weight.shape[-1]
            self._packed[id(weight)] = weight, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
        return torch.ops.mkldnn._linear_pointwise(values, self._packed[id(weight)][1], bias, "none", [], "")
