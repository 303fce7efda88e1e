"""Attention over modalities: a class token reads one token of each modality through transformer layers."""

from collections.abc import Mapping

import torch
from torch import nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step
from multimodal_emotion.fusion._branches import Branches, presence
from multimodal_emotion.fusion._transformer import Block, token


class AttentionFusion(Fusion):
    """A class token and one token for each modality, with an embedding that says which; absent ones are masked.

    Source: Attention Is All You Need, 2017, arXiv 1706.03762; the class token is that of BERT, 2018, arXiv 1810.04805.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of the tokens, and of the result.
            layers: of the transformer.
            heads: of each layer; they divide the width.
            dropout: on the tokens and in the layers.

        Raises:
            InputError: the heads do not divide the width.
        """
        super().__init__(dims, outputs)
        self.dim = width
        self.branches = Branches(self.dims, width, nn.Identity(), dropout)
        self.modality = token(len(self.dims), width)
        self.token = token(1, width)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        vectors = self.branches(inputs) + self.modality
        states = torch.cat([self.token.expand(len(vectors), 1, -1), vectors], dim=1)
        mask = nn.functional.pad(presence(inputs), (1, 0), value=True)  # the class token itself is always there
        for block in self.blocks:
            states = block(states, mask)
        return one_step(self.norm(states[:, 0]), inputs)
