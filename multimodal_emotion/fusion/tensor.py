"""Tensor fusion: the products of every component of every modality with those of the others."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import InputError
from multimodal_emotion.fusion._base import Fusion, one_step
from multimodal_emotion.fusion._branches import Branches, with_one

LARGEST_WIDTH = 32
DEFAULT_SIZE = (LARGEST_WIDTH + 1) ** 3
"""Three modalities of width 32, as in the paper; with more of them each becomes narrower by default."""
LARGEST_SIZE = 1_000_000


class TensorFusion(Fusion):
    """The outer product of [z_m, 1] over all modalities m, z_m = relu(W_m x_m), and a hidden layer on it.

    The constant 1 keeps the products of fewer modalities, and each alone; of an absent one only the constant is left.

    Source: Tensor Fusion Network for Multimodal Sentiment Analysis, 2017, arXiv 1707.07250.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int | None = None,
        dim: int = 128,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of each modality in the product, which has (width + 1) ** modalities components; None: 32 for up to
                three modalities, less for more.
            dim: width of the result.
            dropout: on the modalities and on the product.

        Raises:
            InputError: the product would be too large.
        """
        super().__init__(dims, outputs)
        self.dim = dim
        width = width or default_width(len(self.dims))
        size = (width + 1) ** len(self.dims)
        if size > LARGEST_SIZE:
            raise InputError(
                f"fusion 'tensor': width {width} of {len(self.dims)} modalities gives a product of {size:,} components;"
                f" at most {LARGEST_SIZE:,}. Take a smaller width, or fusion 'low_rank'"
            )
        self.branches = Branches(self.dims, width, nn.ReLU(), dropout)
        self.hidden = nn.Sequential(nn.Dropout(dropout), nn.Linear(size, dim), nn.ReLU())

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        return one_step(self.hidden(outer_product(self.branches(inputs))), inputs)


def outer_product(vectors: Float[Tensor, "batch modality width"]) -> Float[Tensor, "batch size"]:
    """The flat outer product of all vectors, the constant 1 appended to each; size is (width + 1) ** modality."""
    product = vectors.new_ones(len(vectors), 1)
    for vector in with_one(vectors).unbind(dim=1):
        product = torch.einsum("bi,bj->bij", product, vector).flatten(1)
    return product


def default_width(modalities: int) -> int:
    """The largest width up to 32 whose product has no more than DEFAULT_SIZE components."""
    return max(
        width for width in range(1, LARGEST_WIDTH + 1) if width == 1 or (width + 1) ** modalities <= DEFAULT_SIZE
    )
