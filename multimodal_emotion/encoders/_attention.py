"""Attention and dropout in training on a processor, at a fraction of their usual cost.

torch draws dropout masks there number by number, which takes a tenth of a training step. Here four decisions are cut from
each number that the generator gives, and compared all at once: the same distribution (the probability is a multiple of
1 / 65536), the same generator and so the same dependence on the seed, other masks than torch's own.

Attention is put together of plain products where it drops weights, since torch would do that too but with its own masks; and
in bfloat16, for which the backward pass of torch's fused kernel takes several times as long as those products.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, no_type_check

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

STEPS = 1 << 16
"""What a decision of 16 bits can tell apart."""

SHORT = 512
"""Keys up to which attention that drops nothing is worth putting together; beyond, the fused kernel saves much memory."""


def trained_attention(device: torch.device | str) -> AbstractContextManager[Any]:
    """The context in which both are done this way where a gradient is wanted; on other devices one that changes nothing."""
    return TrainedAttention() if torch.device(device).type == "cpu" else nullcontext()


class TrainedAttention(TorchFunctionMode):
    """Replaces `dropout` and `scaled_dot_product_attention` where that pays; what they cannot do here stays torch's."""

    @no_type_check  # called for every function of torch: a check of its types, as tests do, would take most of their time
    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Any torch function; these two are what is replaced."""
        return REPLACED.get(function, function)(*args, **(kwargs or {}))


def dropout(input: Tensor, p: float | int = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """What torch's function of that name gives: each value zeroed with probability p, the others larger by 1 / (1 - p)."""
    if training and not inplace and _drawn_here(input, p):
        return input * noise(input, p)
    return nn.functional.dropout(input, p, training, inplace)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float | int = 0.0,
    *more: Any,
    **named: Any,
) -> Tensor:
    """What torch's function of that name gives, with all its arguments; see `attention`."""
    plain = not any(more) and not named.get("is_causal") and not named.get("enable_gqa")
    short = query.dtype == torch.bfloat16 and dropout_p == 0 and key.shape[-2] <= SHORT
    slow = short and query.device.type == "cpu" and torch.is_grad_enabled()
    if plain and (slow or _drawn_here(query, dropout_p)):
        return attention(query, key, value, attn_mask, dropout_p, named.get("scale"))
    return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, *more, **named)


REPLACED: Mapping[Callable[..., Any], Callable[..., Any]] = {
    nn.functional.dropout: dropout,
    nn.functional.scaled_dot_product_attention: scaled_dot_product_attention,
}


def _drawn_here(values: Tensor, p: float | int) -> bool:
    fits = values.is_floating_point() and values.device.type == "cpu" and values.numel() > 0
    return fits and torch.is_grad_enabled() and 0 < round(p * STEPS) < STEPS


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float | int,
    scale: float | int | None = None,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value, the weights being dropped: what torch's own function gives.

    A query that may look at nothing gets the mean of all values where torch gives zeros: it is padding, which nothing reads.

    Args:
        query, key, value: (..., heads, time, width).
        attn_mask: broadcast over (..., heads, query time, key time): true where a key may be seen, or what is added.
        dropout_p: of each weight.
        scale: None is 1 / sqrt(width).
    """
    scores = (query * (scale if scale is not None else 1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if attn_mask is not None:
        lowest = torch.finfo(scores.dtype).min
        if attn_mask.dtype == torch.bool:
            bias = torch.zeros(attn_mask.shape, dtype=scores.dtype).masked_fill_(~attn_mask, lowest)
        else:
            bias = attn_mask.to(scores.dtype).clamp(min=lowest)
        scores = scores + bias
    weights = torch.softmax(scores, dim=-1)
    return (weights * noise(weights, dropout_p) if dropout_p else weights) @ value


def noise(like: Tensor, p: float | int) -> Tensor:
    """Zero with probability p, else 1 / (1 - p), of the shape and type of `like`."""
    count = like.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(1 << 63), None)
    zeros = round(p * STEPS)
    # Straight into the type wanted: a mask of booleans would be turned into it in a pass of its own.
    kept = torch.ge(words.view(torch.int16)[:count], zeros - STEPS // 2, out=torch.empty(count, dtype=like.dtype))
    return kept.mul_(STEPS / (STEPS - zeros)).view(like.shape)
