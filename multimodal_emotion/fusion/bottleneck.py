"""Attention bottlenecks (MBT): modalities exchange what they know through a few shared tokens only."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion, one_step
from multimodal_emotion.fusion._branches import mean_over_present, presence
from multimodal_emotion.fusion._transformer import Block, Steps, token


class Bottleneck(Fusion):
    """In each layer [z_m, b_m] = layer_m([z_m, b]) for each modality m, and then b is the mean of all b_m.

    z_m are the steps of the modality and its class token, b the bottleneck tokens. The result is the mean of the class
    tokens: with a linear head that is the mean of their logits, as in the paper. The layers before fusion are the
    encoders. Both means are over the modalities that are present.

    Source: Attention Bottlenecks for Multimodal Fusion, 2021, arXiv 2107.00135.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        bottlenecks: int = 4,
        dropout: float | int = 0.1,
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            width: of steps and tokens, and of the result.
            layers: of each modality's transformer.
            heads: of each layer; they divide the width.
            bottlenecks: how many tokens are shared.
            dropout: on the steps and in the layers.

        Raises:
            InputError: the heads do not divide the width.
        """
        super().__init__(dims, outputs)
        self.dim = width
        self.steps = Steps(self.dims, width, dropout)
        self.tokens = nn.ParameterDict({name: token(1, width) for name in self.dims})
        self.bottleneck = token(bottlenecks, width)
        self.layers = nn.ModuleList(
            [nn.ModuleDict({name: Block(width, heads, dropout) for name in self.dims}) for _ in range(layers)]
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in self.dims})

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        present = presence(inputs)
        states, masks = {}, {}
        for name, steps in self.steps(inputs).items():
            own = self.tokens[name].expand(len(present), 1, -1).to(steps.values.dtype)
            states[name] = torch.cat([own, steps.values], dim=1)
            masks[name] = nn.functional.pad(steps.mask, (1, 0), value=True)
        shared = self.bottleneck.expand(len(present), -1, -1)
        for layer in self.layers:
            shared = self._exchange(layer, states, masks, shared, present)
        classes = torch.stack([self.norms[name](states[name][:, 0]) for name in self.dims], dim=1)
        return one_step(mean_over_present(classes, present), inputs)

    def _exchange(
        self,
        layer: nn.Module,
        states: dict[str, Tensor],
        masks: Mapping[str, Tensor],
        shared: Float[Tensor, "batch bottlenecks width"],
        present: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch bottlenecks width"]:
        """One layer: updates the states in place and returns the new bottleneck."""
        seen = []
        for name, block in layer.items():  # type: ignore[operator]  # a ModuleDict, handed out as a Module
            mask = nn.functional.pad(masks[name], (0, shared.shape[1]), value=True)
            both = block(torch.cat([states[name], shared], dim=1), mask)
            states[name], own = both.split([states[name].shape[1], shared.shape[1]], dim=1)
            seen.append(own.flatten(1))
        return mean_over_present(torch.stack(seen, dim=1), present).view_as(shared)
