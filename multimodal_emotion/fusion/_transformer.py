"""Transformer layers that stay finite where a row has nothing to attend to."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import InputError
from multimodal_emotion.positions import sinusoids


class Attention(nn.Module):
    """Multi-head attention from one sequence to another; the result is zero for a row without any key."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """
        Args:
            width: of both sequences.
            heads: must divide the width.
            dropout: on the attention weights.

        Raises:
            InputError: the heads do not divide the width.
        """
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"width {width} cannot be split among {heads} heads; take a multiple of {max(heads, 1)}")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        queries: Float[Tensor, "batch queries width"],
        memory: Float[Tensor, "batch time width"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, "batch queries width"]:
        """What each query finds in the steps of the memory that the mask allows."""
        some = mask.any(dim=1)
        # A softmax over nothing is NaN: a row without keys attends to all of its padding, and the result is dropped.
        allowed = mask | ~some.unsqueeze(1)
        found = nn.functional.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(memory)),
            self._split(self.value(memory)),
            attn_mask=allowed[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(found.transpose(1, 2).flatten(2)) * some[:, None, None]

    def _split(self, states: Tensor) -> Tensor:
        """(batch, time, width) -> (batch, heads, time, width / heads)."""
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """A transformer layer, norms first: attention to a memory (or to itself), then a feed-forward network.

    Source: Attention Is All You Need, 2017, arXiv 1706.03762; norms first: On Layer Normalization in the Transformer
    Architecture, 2020, arXiv 2002.04745.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.network_norm = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Float[Tensor, "batch steps width"],
        mask: Bool[Tensor, "batch time"],
        memory: Float[Tensor, "batch time width"] | None = None,
    ) -> Float[Tensor, "batch steps width"]:
        """
        Args:
            states: what is updated.
            mask: which steps of the memory are real.
            memory: what is attended to; None: the states themselves.
        """
        queries = self.attention_norm(states)
        keys = queries if memory is None else self.attention_norm(memory)
        states = states + self.dropout(self.attention(queries, keys, mask))
        return states + self.dropout(self.network(self.network_norm(states)))


class Steps(nn.Module):
    """Brings the steps of each modality to one width and says which step each is; padding is zero."""

    def __init__(self, dims: Mapping[str, int], width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """{modality: (batch, time, dim)} -> {modality: (batch, time, width)}."""
        return {name: self._project(layer, inputs[name]) for name, layer in self.layers.items()}

    def _project(self, layer: nn.Module, sequence: MaskedSequence) -> MaskedSequence:
        padding = ~sequence.mask.unsqueeze(-1)
        states = layer(sequence.values.masked_fill(padding, 0))
        states = states + sinusoids(states.shape[1], states.shape[2], states.device).to(states.dtype)
        return MaskedSequence(self.dropout(states).masked_fill(padding, 0), sequence.mask)


def token(*shape: int) -> nn.Parameter:
    """A learned token, or several, of small random values."""
    return nn.Parameter(torch.randn(*shape) * 0.02)
