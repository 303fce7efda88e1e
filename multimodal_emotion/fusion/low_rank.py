"""Low-rank tensor fusion: tensor fusion without ever building the tensor."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step
from multimodal_emotion.fusion._branches import Branches, with_one


class LowRank(Fusion):
    """h = b + sum over r of a_r * product over m of (F_m^r [z_m, 1]), with z_m = relu(W_m x_m).

    This is a linear layer on the outer product of all [z_m, 1], whose weight is the tensor `full_weight`, of low rank;
    cost and size grow with the sum of the widths, not with their product. Of an absent one only the constant is left.

    Source: Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, 2018, arXiv 1806.00064.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int = 64,
        rank: int = 4,
        dim: int = 128,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of each modality in the product.
            rank: of the weight tensor.
            dim: width of the result.
            dropout: on the modalities.
        """
        super().__init__(dims, outputs)
        self.dim = dim
        self.branches = Branches(self.dims, width, nn.ReLU(), dropout)
        factors = torch.empty(len(self.dims), rank, width + 1, dim).uniform_(-(width**-0.5), width**-0.5)
        # Constants begin at 1, so that a modality that is absent, or says nothing, lets the others pass unchanged.
        factors[:, :, -1] = 1.0
        self.factors = nn.Parameter(factors)
        self.rank_weights = nn.Parameter(torch.full((rank,), rank**-0.5))
        self.bias = nn.Parameter(torch.full((dim,), -(rank**0.5)))  # centres the products of those constants

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        return one_step(self.fuse(self.branches(inputs)), inputs)

    def fuse(self, vectors: Float[Tensor, "batch modality width"]) -> Float[Tensor, "batch dim"]:
        """The formula above for ready z_m."""
        products = torch.einsum("bmi,mrio->bmro", with_one(vectors), self.factors).prod(dim=1)
        return torch.einsum("bro,r->bo", products, self.rank_weights) + self.bias

    def full_weight(self) -> Float[Tensor, "dim size"]:
        """The weight of the linear layer on the outer product (see `tensor.outer_product`) that this stands for."""
        weight = torch.einsum("ro,r->ro", torch.ones_like(self.factors[0, :, 0]), self.rank_weights).unsqueeze(1)
        for factor in self.factors:
            weight = torch.einsum("rio,rjo->rijo", weight, factor).flatten(1, 2)
        return weight.sum(dim=0).T
