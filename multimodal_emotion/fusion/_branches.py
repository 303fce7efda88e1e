"""What fusions of vectors share: each modality brought to one width, and how to say that it is absent."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import summary


class Branches(nn.Module):
    """A linear layer with activation and dropout for each modality: all of one width, zeros where it is absent."""

    def __init__(self, dims: Mapping[str, int], width: int, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(dim, width), activation, nn.Dropout(dropout)) for name, dim in dims.items()}
        )

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> Float[Tensor, "batch modality width"]:
        """{modality: (batch, time, dim)} -> (batch, modality, width), modalities in the order of their names."""
        vectors = torch.stack([layer(summary(inputs[name])) for name, layer in self.layers.items()], dim=1)
        return vectors * presence(inputs).unsqueeze(-1)


def presence(inputs: Mapping[str, MaskedSequence]) -> Bool[Tensor, "batch modality"]:
    """Which rows have which modality, modalities in the order of their names."""
    return torch.stack([inputs[name].present for name in sorted(inputs)], dim=1)


def with_one(vectors: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width+1"]:
    """Appends the constant 1, which makes a product of vectors contain every product of fewer of them.

    An absent modality, all zeros, is then the constant alone: it leaves the products of the others as they are.
    """
    return nn.functional.pad(vectors, (0, 1), value=1.0)


def mean_over_present(
    vectors: Float[Tensor, "batch modality width"], present: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch width"]:
    """The mean over the modalities that are present; zeros where none is."""
    weights = present.unsqueeze(-1).to(vectors.dtype)
    return (vectors * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
