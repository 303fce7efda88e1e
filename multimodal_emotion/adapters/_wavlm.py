"""WavLM's attention, computed by calling its linear layers, so that what is added to them counts."""

import math
from types import MethodType
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


def call_layers(backbone: nn.Module) -> None:
    """Lets WavLM's attention call its layers; by itself it only reads their weights. Other modules are left as they are."""
    for module in backbone.modules():
        if type(module).__name__ == "WavLMAttention":
            module.torch_multi_head_self_attention = MethodType(_attend, module)  # type: ignore[assignment]


def _attend(
    self: Any,
    states: Float[Tensor, "batch time dim"],
    mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"] | None,
    bias: Float[Tensor, "batch_heads time time"],
) -> tuple[Float[Tensor, "batch time dim"], None]:
    """The same attention but for rounding: `bias` is added to the scores; the mask is 1 where a step is real."""
    batch, time, _ = states.shape
    query, key, value = (
        layer(states).view(batch, time, self.num_heads, self.head_dim).transpose(1, 2)
        for layer in (self.q_proj, self.k_proj, self.v_proj)
    )
    scores = bias.view(batch, self.num_heads, time, time).to(query.dtype)
    if mask is not None:
        scores = scores.masked_fill(mask.ne(1)[:, None, None], -math.inf)
    dropout = self.dropout if self.training else 0.0
    attended = functional.scaled_dot_product_attention(query, key, value, scores, dropout)
    return self.out_proj(attended.transpose(1, 2).reshape(batch, time, -1)), None
