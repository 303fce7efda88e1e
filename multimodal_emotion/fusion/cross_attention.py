"""Cross-modal attention (MulT): each modality reads each other one step by step, without any alignment in time."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step, summary
from multimodal_emotion.fusion._transformer import Block, Steps


class CrossAttention(Fusion):
    """For each modality: one stack of cross-modal layers for each other modality, then self-attention over all of them.

    The queries of a cross-modal layer are the steps of the target, its keys and values always the *first* states of the
    source. Two departures from the paper: a linear layer brings steps to one width (a convolution of one step, since
    encoders have already looked at neighbours), and a target is summed up by the mean over its real steps, not the last
    one. A source that is absent adds nothing; a target that is absent is zero.

    Source: Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019, arXiv 1906.00295.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of the steps; the result has modalities * (modalities - 1) * width (width for a single one).
            layers: of each stack.
            heads: of each layer; they divide the width.
            dropout: on the steps and in the layers.

        Raises:
            InputError: the heads do not divide the width.
        """
        super().__init__(dims, outputs)
        names = tuple(self.dims)
        self.sources = {name: tuple(other for other in names if other != name) for name in names}
        joined = max(1, len(names) - 1) * width
        self.dim = len(names) * joined
        self.steps = Steps(self.dims, width, dropout)
        self.cross = nn.ModuleDict(
            {name: nn.ModuleList([stack(width, layers, heads, dropout) for _ in self.sources[name]]) for name in names}
        )
        self.own = nn.ModuleDict({name: stack(joined, layers, heads, dropout) for name in names})
        self.norms = nn.ModuleDict({name: nn.LayerNorm(joined) for name in names})

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        steps = self.steps(inputs)
        return one_step(torch.cat([self.target(name, steps) for name in self.dims], dim=1), inputs)

    def target(self, name: str, steps: Mapping[str, MaskedSequence]) -> Tensor:
        """What a modality becomes by reading the others: {modality: (batch, time, width)} -> (batch, joined)."""
        own = steps[name]
        stacks = self.cross[name]
        assert isinstance(stacks, nn.ModuleList)
        read = [
            run(blocks, own.values, steps[source].mask, steps[source].values)
            for source, blocks in zip(self.sources[name], stacks, strict=True)
        ]
        states = run(self.own[name], torch.cat(read or [own.values], dim=2), own.mask)
        return summary(MaskedSequence(self.norms[name](states), own.mask))


def stack(width: int, layers: int, heads: int, dropout: float | int) -> nn.ModuleList:
    """Transformer layers, one above the other."""
    return nn.ModuleList([Block(width, heads, dropout) for _ in range(layers)])


def run(blocks: nn.Module, states: Tensor, mask: Tensor, memory: Tensor | None = None) -> Tensor:
    """Sends states through the layers; each reads the same memory, or the states themselves."""
    for block in blocks:  # type: ignore[attr-defined]  # a ModuleList, which ModuleDict hands out as a Module
        states = block(states, mask, memory)
    return states
