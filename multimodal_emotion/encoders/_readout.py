"""What an encoder hands on: which layers of the pretrained stack are read, and how a sequence becomes a vector."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.encoders._pooling import LayerMix, Standardise
from multimodal_emotion.encoders._pooling import pooling as build_pooling
from multimodal_emotion.errors import InputError

Layers = str | int | Sequence[int]
"""Which layers are read: "last", "mix" (a learned weighted mean of all), "all" (side by side), or numbers (likewise).

Layer 0 is what goes into the first layer; negative numbers count from the last."""


class Readout(nn.Module):
    """Layers -> features (`collect`, part of `extract`) -> vectors (`forward`, the encoder's `pool`).

    Everything without parameters happens in `collect`, so that a feature cache keeps as little as possible.

    Attributes:
        width: of the features.
        dim: of the vectors.
    """

    def __init__(
        self, widths: Sequence[int], layers: Layers = "last", pooling: str = "mean", standardise: bool = False
    ) -> None:
        """
        Args:
            widths: of each layer's states, from the input upwards.
            layers: see `Layers`.
            pooling: a name of `_pooling.pooling`.
            standardise: whether features are standardised, as the training split gives it.

        Raises:
            InputError: there is no such layer or pooling; layers of different width cannot be mixed.
        """
        super().__init__()
        self.layers = choose(layers, len(widths))
        chosen = [widths[layer] for layer in self.layers]
        self.mix = LayerMix(len(chosen)) if layers == "mix" else None
        if self.mix is not None and len(set(chosen)) > 1:
            raise InputError(
                f"layers of widths {', '.join(map(str, chosen))} cannot be mixed; take layers 'all' or 'last'"
            )
        self.pooling = build_pooling(pooling, chosen[0] if self.mix is not None else sum(chosen))
        self.early = self.mix is None and not self.pooling.learned
        self.width = self.pooling.out_dim if self.early else sum(chosen)
        self.dim = self.pooling.out_dim
        self.standardise = Standardise(self.width) if standardise else None

    def collect(self, states: Sequence[Tensor], mask: Tensor) -> MaskedSequence:
        """States (batch, time, dim) of every layer, and their mask (batch, time) -> features (batch, time', width)."""
        values = torch.cat([states[layer] for layer in self.layers], dim=-1)
        features = MaskedSequence(values.masked_fill(~mask.unsqueeze(-1), 0), mask)
        return self.pooling(features) if self.early else features

    def forward(self, features: MaskedSequence) -> MaskedSequence:
        """Features (batch, time', width) -> vectors (batch, time'', dim)."""
        if self.standardise is not None:
            features = self.standardise(features)
        if self.mix is not None:
            parts = features.values.chunk(len(self.layers), dim=-1)
            features = MaskedSequence(self.mix(parts), features.mask)
        return features if self.early else self.pooling(features)

    def settings(self) -> str:
        """What shapes the features."""
        return f"layers {self.layers} pooling {type(self.pooling).__name__ if self.early else None}"


def choose(layers: Layers, count: int) -> tuple[int, ...]:
    """The numbers of the layers that are read, of `count`.

    Raises:
        InputError: there are no such layers.
    """
    if layers == "last":
        return (count - 1,)
    if layers in ("mix", "all"):
        return tuple(range(count))
    numbers = [layers] if isinstance(layers, int) else layers
    if isinstance(numbers, str) or not numbers or not all(isinstance(n, int) and -count <= n < count for n in numbers):
        raise InputError(f"layers is {layers!r}; it must be 'last', 'mix', 'all', or numbers from 0 to {count - 1}")
    return tuple(number % count for number in numbers)


class ReadoutEncoder(Encoder):
    """An encoder whose small, always trained part is a `Readout`.

    A subclass sets `backbone` (where it has one), calls `read_out`, and ends its `extract` with `readout.collect`.
    """

    backbone: Any
    readout: Readout

    def read_out(self, widths: Sequence[int], layers: Layers, pooling: str, standardise: bool) -> None:
        """Builds `readout`; see `Readout` for the arguments and what they raise."""
        self.readout = Readout(widths, layers, pooling, standardise)
        self.dim = self.readout.dim

    def pool(self, features: MaskedSequence) -> MaskedSequence:
        """(batch, time', width) -> (batch, time'', dim)."""
        return self.readout(features)

    def fit(self, features: Iterable[MaskedSequence]) -> None:
        """Learns mean and deviation from the features of the training split, where it standardises."""
        if self.readout.standardise is not None:
            self.readout.standardise.fit(features)

    @property
    def wants_fit(self) -> bool:
        """Whether `fit` has something to learn that it has not learnt yet."""
        return self.readout.standardise is not None and not bool(self.readout.standardise.fitted)

    def extract_settings(self) -> str:
        """Which layers are read and how they are pooled."""
        return self.readout.settings()
