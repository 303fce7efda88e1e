"""Bottleneck adapters: small networks, narrow in the middle, within each layer of the encoder."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion.adapters._base import Adapted, Adapter, ending, linear_layers, replace_layers
from multimodal_emotion.config import in_range
from multimodal_emotion.errors import InputError, unknown

ATTENTION = ("attention.output.dense", "attention.out_lin", "attn.o", "out_proj", "o_proj", "attn.proj")
"""How the names of the layers end that attention's output goes through."""
FEED_FORWARD = ("output.dense", "output_dense", "ffn.lin2", "fc2", "pwconv2")
"""Likewise for the feed-forward part."""

PLACEMENTS = ("both", "feed_forward")


class Bottleneck(Adapter):
    """y + up(gelu(down(y))) on what attention and feed-forward part of a layer give, before it is added to their input.

    `up` begins as zero, so that nothing changes at first.

    Source: Parameter-Efficient Transfer Learning for NLP (Houlsby et al.: both), 2019, arXiv 1902.00751. AdapterFusion
        (Pfeiffer et al.: feed-forward part only), 2020, arXiv 2005.00247.
    """

    def __init__(self, *, size: int = 32, placement: str = "both") -> None:
        """
        Args:
            size: width of the middle.
            placement: "both" (Houlsby) or "feed_forward" (Pfeiffer).

        Raises:
            InputError: a value out of its range.
        """
        self.size = in_range("size of adapters/bottleneck", size, 1)
        if placement not in PLACEMENTS:
            raise unknown("placement", placement, PLACEMENTS, "adapters/bottleneck")
        self.placement = placement

    def insert(self, backbone: nn.Module) -> None:
        """Adds the networks."""
        layers = linear_layers(backbone)
        attention = ending(layers, ATTENTION)
        rest = [name for name in ending(layers, FEED_FORWARD) if name not in attention]
        if not rest or (self.placement == "both" and not attention):
            part = "attention" if rest else "feed-forward part"
            raise InputError(f"no layer is known as the output of its {part}")
        names = [*attention, *rest] if self.placement == "both" else rest
        for name in names:
            if self.size > layers[name].out_features:
                raise InputError(f"size {self.size} is above the width {layers[name].out_features} of {name}")
        replace_layers(backbone, names, lambda layer: Narrowed(layer, self.size))


class Narrowed(Adapted):
    """A linear layer followed by a bottleneck with a shortcut."""

    def __init__(self, base: nn.Linear, size: int) -> None:
        super().__init__(base)
        self.down = nn.Linear(base.out_features, size, device=base.weight.device)
        self.up = nn.Linear(size, base.out_features, device=base.weight.device)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, input: Float[Tensor, "*axes inputs"]) -> Float[Tensor, "*axes outputs"]:
        """The layer's output, and what the bottleneck makes of it."""
        output = super().forward(input)
        return output + self.up(functional.gelu(self.down(output)))
