"""Gated multimodal unit: a gate for each modality and each component, from all modalities, says whom to believe."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step, summary
from multimodal_emotion.fusion._branches import Branches, presence


class Gated(Fusion):
    """h = sum over modalities m of z_m * tanh(W_m x_m), with gates z = softmax over m of V_m [x_1, x_2, ...].

    For two modalities this is the unit of the paper: a softmax over two is the sigmoid of the difference, z and 1 - z.
    An absent modality gets gate 0, and the gates of the others still sum to 1.

    Source: Gated Multimodal Units for Information Fusion, 2017, arXiv 1702.01992.
    """

    def __init__(self, dims: Mapping[str, int], outputs: int, *, width: int = 256, dropout: float | int = 0.1) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of the result.
            dropout: on the candidates tanh(W_m x_m).
        """
        super().__init__(dims, outputs)
        self.dim = width
        self.branches = Branches(self.dims, width, nn.Tanh(), dropout)
        self.gate = nn.Linear(sum(self.dims.values()), len(self.dims) * width)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        fused = (self.gates(inputs) * self.branches(inputs)).sum(dim=1)
        return one_step(fused, inputs)

    def gates(self, inputs: Mapping[str, MaskedSequence]) -> Float[Tensor, "batch modality width"]:
        """How much each modality weighs in each component, modalities in the order of their names."""
        everything = torch.cat([summary(inputs[name]) for name in self.dims], dim=1)
        scores = self.gate(everything).unflatten(1, (len(self.dims), self.dim))
        return softmax_over_present(scores, presence(inputs))


def softmax_over_present(
    scores: Float[Tensor, "batch modality width"], present: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch modality width"]:
    """The softmax over the modalities that are present; zeros for the others, and where none is."""
    kept = present.unsqueeze(-1)
    # The lowest finite number, not -inf: a row without any modality would become NaN.
    return scores.masked_fill(~kept, torch.finfo(scores.dtype).min).softmax(dim=1) * kept
