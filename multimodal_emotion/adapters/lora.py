"""LoRA: a product of two narrow matrices is learnt beside each weight."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion.adapters._base import Adapted, Adapter, replace_layers, targeted_layers
from multimodal_emotion.config import in_range


class Lora(Adapter):
    """weight + alpha / rank * up @ down. `up` begins as zero, so that nothing changes at first; both can be merged later.

    Source: LoRA: Low-Rank Adaptation of Large Language Models, 2021, arXiv 2106.09685.
    """

    def __init__(
        self,
        *,
        rank: int = 8,
        alpha: float | int = 16,
        dropout: float | int = 0.0,
        targets: list[str] | None = None,
    ) -> None:
        """
        Args:
            rank: of the product.
            alpha: the product is multiplied by alpha / rank.
            dropout: on what goes into the product.
            targets: how the names of the layers end that are adapted (["query", "value"]); None adapts every linear layer.

        Raises:
            InputError: a value out of its range.
        """
        self.rank = in_range("rank of adapters/lora", rank, 1)
        self.alpha = in_range("alpha of adapters/lora", alpha, 0)
        self.dropout = in_range("dropout of adapters/lora", dropout, 0, 0.99)
        self.targets = targets

    def insert(self, backbone: nn.Module) -> None:
        """Adapts the linear layers."""
        names = targeted_layers(backbone, self.targets, self.rank)
        replace_layers(backbone, names, lambda layer: LowRank(layer, self.rank, self.alpha / self.rank, self.dropout))


class LowRank(Adapted):
    """A linear layer with a product of low rank beside its weight."""

    def __init__(self, base: nn.Linear, rank: int, scale: float | int, dropout: float | int = 0.0) -> None:
        super().__init__(base)
        self.scale, self.dropout = scale, dropout
        device = base.weight.device
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, input: Float[Tensor, "*axes inputs"]) -> Float[Tensor, "*axes outputs"]:
        """The layer's output and the product's."""
        narrow = functional.linear(functional.dropout(input, self.dropout, self.training), self.down)
        return super().forward(input) + self.scale * functional.linear(narrow, self.up)

    def difference(self) -> Float[Tensor, "outputs inputs"]:
        """The product."""
        return self.scale * self.up @ self.down
