"""MISA: each modality in a space shared by all and in one of its own, held apart by three losses."""

from collections.abc import Mapping
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step
from multimodal_emotion.fusion._branches import Branches, presence
from multimodal_emotion.fusion._transformer import Block

MOMENTS = 5


class Misa(Fusion):
    """Self-attention over a shared and a private vector of each modality, which then stand side by side.

    The penalty of a batch has three parts: similarity (shared vectors of different modalities have one distribution),
    difference (private ones are orthogonal to the shared ones and to each other), reconstruction (both together still
    tell everything). Only rows in which the modalities in question are present count.

    Source: MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis, 2020,
    arXiv 2005.03545.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int = 128,
        heads: int = 2,
        similarity: float | int = 1.0,
        difference: float | int = 0.3,
        reconstruction: float | int = 1.0,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of each space; the result has twice that for each modality.
            heads: of the self-attention; they divide the width.
            similarity: weight of that loss; the three defaults are those of the paper's program.
            difference: weight of that loss.
            reconstruction: weight of that loss.
            dropout: in the self-attention.

        Raises:
            InputError: the heads do not divide the width.
        """
        super().__init__(dims, outputs)
        self.dim = 2 * len(self.dims) * width
        self.weights = (similarity, difference, reconstruction)
        # No dropout here: forward and penalty must see the same vectors.
        self.branches = Branches(self.dims, width, nn.ReLU(), dropout=0.0)
        self.norm = nn.LayerNorm(width)
        # Both end in a sigmoid: the central moment discrepancy is made for values between 0 and 1.
        self.shared = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
        self.private = nn.ModuleDict({name: nn.Sequential(nn.Linear(width, width), nn.Sigmoid()) for name in self.dims})
        self.rebuild = nn.ModuleDict({name: nn.Linear(width, width) for name in self.dims})
        self.block = Block(width, heads, dropout)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        _, shared, private = self.spaces(inputs)
        mask = presence(inputs).repeat(1, 2)
        states = self.block(torch.cat([private, shared], dim=1), mask) * mask.unsqueeze(-1)
        return one_step(states.flatten(1), inputs)

    def spaces(self, inputs: Mapping[str, MaskedSequence]) -> tuple[Tensor, Tensor, Tensor]:
        """Each modality's vector, its shared part and its private part, each (batch, modality, width)."""
        vectors = self.norm(self.branches(inputs))
        private = [self.private[name](vector) for name, vector in zip(self.dims, vectors.unbind(dim=1), strict=True)]
        return vectors, self.shared(vectors), torch.stack(private, dim=1)

    def penalty(self, inputs: Mapping[str, MaskedSequence]) -> Tensor:
        """The weighted sum of similarity, difference and reconstruction losses of this batch."""
        vectors, shared, private = (space.unbind(dim=1) for space in self.spaces(inputs))
        here = presence(inputs).unbind(dim=1)
        each, pairs = range(len(self.dims)), tuple(combinations(range(len(self.dims)), 2))
        similar = [moment_discrepancy(shared[a][here[a]], shared[b][here[b]]) for a, b in pairs]
        different = [overlap(shared[a][here[a]], private[a][here[a]]) for a in each]
        different += [overlap(private[a][here[a] & here[b]], private[b][here[a] & here[b]]) for a, b in pairs]
        rebuilt = [
            mean_square(layer(shared[a] + private[a])[here[a]] - vectors[a][here[a]])
            for a, layer in zip(each, self.rebuild.values(), strict=True)
        ]
        # As in the paper: similarity and reconstruction are means, difference is a sum.
        similarity = torch.stack(similar).mean() if similar else vectors[0].sum() * 0
        losses = (similarity, torch.stack(different).sum(), torch.stack(rebuilt).mean())
        return torch.stack([weight * loss for weight, loss in zip(self.weights, losses, strict=True)]).sum()


def moment_discrepancy(
    first: Float[Tensor, "some width"], second: Float[Tensor, "others width"], moments: int = MOMENTS
) -> Float[Tensor, ""]:
    """How far two distributions of values between 0 and 1 are apart: distances of means and of central moments, summed.

    Zero where there are no samples of one of them.

    Source: Central Moment Discrepancy (CMD) for Domain-Invariant Representation Learning, 2017, arXiv 1702.08811.
    """
    if not (len(first) and len(second)):
        return (first.sum() + second.sum()) * 0
    distance = torch.linalg.vector_norm(first.mean(dim=0) - second.mean(dim=0))
    first, second = first - first.mean(dim=0), second - second.mean(dim=0)
    for order in range(2, moments + 1):
        distance = distance + torch.linalg.vector_norm(first.pow(order).mean(dim=0) - second.pow(order).mean(dim=0))
    return distance


def overlap(first: Float[Tensor, "rows width"], second: Float[Tensor, "rows width"]) -> Float[Tensor, ""]:
    """How far two spaces are from orthogonal: the mean square of H1' H2, columns centred, then rows of length one.

    The paper takes the sum (the squared Frobenius norm); the mean does not grow with the width. Zero without rows.
    """
    first, second = (nn.functional.normalize(side - _mean(side), dim=1) for side in (first, second))
    return mean_square(first.T @ second)


def mean_square(values: Tensor) -> Float[Tensor, ""]:
    """The mean of the squares; zero of none."""
    return values.square().sum() / max(1, values.numel())


def _mean(rows: Tensor) -> Tensor:
    return rows.sum(dim=0) / max(1, len(rows))
