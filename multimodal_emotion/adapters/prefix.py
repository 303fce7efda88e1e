"""Prefix-tuning: in each layer, attention also goes to a few learnt keys and values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from multimodal_emotion.adapters._base import UNCALLED, Adapter, Added
from multimodal_emotion.config import in_range
from multimodal_emotion.errors import InputError

APART = (("key", "value"), ("k_proj", "v_proj"), ("k_lin", "v_lin"), ("key_proj", "value_proj"), ("k", "v"))
"""What attention calls the linear layers of its keys and of its values."""
TOGETHER = ("qkv", "Wqkv")
"""Likewise, where one layer gives queries, keys and values."""

PRODUCTS = (torch.matmul, torch.bmm, Tensor.matmul, Tensor.__matmul__, Tensor.bmm)
SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)


class Prefix(Adapter):
    """Every query of every layer sees `length` further keys and values, which are no token's and are learnt.

    Unlike other adapters it changes the output from the start: a prefix takes its share of the attention.

    Source: Prefix-Tuning: Optimizing Continuous Prompts for Generation, 2021, arXiv 2101.00190; in every layer of an encoder,
        without a network that makes them: P-Tuning v2, 2021, arXiv 2110.07602.
    """

    def __init__(self, *, length: int = 16) -> None:
        """
        Args:
            length: of the prefix.

        Raises:
            InputError: a value out of its range.
        """
        self.length = in_range("length of adapters/prefix", length, 1)

    def insert(self, backbone: nn.Module) -> None:
        """Adds a prefix to each attention."""
        found = list(attentions(backbone))
        if not found:
            raise InputError("it has no attention whose keys and values can be told apart")
        for attention, keys, values in found:
            device = next(attention.parameters()).device
            attention.prefix = KeysAndValues(self.length, keys, values, device)
            attention.forward = MethodType(_forward_with_prefix, attention)


class KeysAndValues(Added, nn.Module):
    """The prefix of one attention: (length, width) keys and values for all heads side by side."""

    def __init__(self, length: int, keys: int, values: int, device: torch.device) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.empty(length, keys, device=device))
        self.values = nn.Parameter(torch.empty(length, values, device=device))
        nn.init.normal_(self.keys, std=0.02)
        nn.init.normal_(self.values, std=0.02)


def attentions(backbone: nn.Module) -> Iterator[tuple[nn.Module, int, int]]:
    """Each attention whose keys and values have a linear layer, and how wide those are over all heads."""
    for module in backbone.modules():
        children = {name: child for name, child in module.named_children() if isinstance(child, nn.Linear)}
        if type(module).__name__ in UNCALLED:
            continue
        for keys, values in APART:
            if keys in children and values in children:
                yield module, children[keys].out_features, children[values].out_features
        for name in TOGETHER:
            if name in children:
                width = children[name].out_features // 3
                yield module, width, width


def _forward_with_prefix(self: Any, *given: Any, **named: Any) -> Any:
    with Lengthened(self.prefix) as attention:
        output = type(self).forward(self, *given, **named)
    if not attention.reached:
        raise InputError(
            f"adapter 'prefix' does not apply: {type(self).__name__} does not compute its attention in torch"
        )
    return output


class Lengthened(TorchFunctionMode):
    """While it lasts, the one attention that is computed also goes to a prefix, whatever it masks.

    That is seen from the torch functions it is computed by: `scaled_dot_product_attention`; or a product (of queries and
    keys), a softmax, and a product (with the values).
    """

    def __init__(self, prefix: KeysAndValues) -> None:
        super().__init__()
        self.prefix = prefix
        self.reached = False
        self._queries: Tensor | None = None
        self._share: Tensor | None = None

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Any torch function; those that compute attention are changed."""
        named = dict(kwargs or {})
        if function is functional.scaled_dot_product_attention:
            return self._fused(*args, **named)
        if function in SOFTMAX and self._queries is not None and self._share is None:
            return self._softmax(function, *args, **named)
        result = function(*args, **named)
        if function in PRODUCTS:
            if self._queries is None:
                self._queries = args[0]
            elif self._share is not None and not self.reached:
                result = result + self._from_prefix(self._share).reshape(result.shape)
                self.reached = True
        return result

    def _fused(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *given: Any, **named: Any
    ) -> Tensor:
        """(batch, heads, time, dim) each; the mask ends with the axis of the keys."""
        keys, values = (_in_heads(part, like) for part, like in ((self.prefix.keys, key), (self.prefix.values, value)))
        if attn_mask is not None:
            seen = True if attn_mask.dtype == torch.bool else 0.0
            attn_mask = functional.pad(attn_mask, (len(self.prefix.keys), 0), value=seen)
        self.reached = True
        key, value = torch.cat([keys, key], dim=-2), torch.cat([values, value], dim=-2)
        return functional.scaled_dot_product_attention(query, key, value, attn_mask, *given, **named)

    def _softmax(self, function: Callable[..., Tensor], scores: Tensor, *given: Any, **named: Any) -> Tensor:
        """(batch, heads, time, keys) scores -> probabilities, what the prefix takes already taken off."""
        assert self._queries is not None
        queries = self._queries.reshape(*scores.shape[:-1], -1)
        keys = _in_heads(self.prefix.keys, queries)
        own = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        probabilities = function(torch.cat([own, scores], dim=-1), *given, **named)
        self._share, rest = probabilities.split([own.shape[-1], scores.shape[-1]], dim=-1)
        return rest

    def _from_prefix(self, share: Tensor) -> Tensor:
        """(batch, heads, time, length) probabilities -> the values of the prefix, (batch, heads, time, dim)."""
        return share @ _in_heads(self.prefix.values, share)


def _in_heads(part: Tensor, like: Tensor) -> Tensor:
    """(length, heads x dim) -> (batch, heads, length, dim), with the leading axes, the heads and the type of another."""
    heads = part.view(len(part), like.shape[-3], -1).transpose(0, 1)
    return heads.to(like.dtype).expand(*like.shape[:-3], -1, -1, -1)
