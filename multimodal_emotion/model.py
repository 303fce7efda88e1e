"""The model: encoders -> fusion -> head. Text only, sound only and trimodal are the same path with fewer keys."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.fusion._base import Fusion, Opinion, summary


class Output(NamedTuple):
    """What the model gives for a batch.

    Attributes:
        logits: (batch, outputs), or (batch, words, outputs) for word-level tasks.
        auxiliary: what each modality's own head says (in training those of late fusion too), and of which rows it had
            something to go by; empty if there are none.
        penalty: the fusion's own loss, a scalar; None if it has none.
    """

    logits: Float[Tensor, "batch *words outputs"]
    auxiliary: Mapping[str, Opinion]
    penalty: Tensor | None = None


class Dimensions(nn.Module):
    """Values that are read off what one modality's encoder says, beside the decision: valence, arousal, dominance.

    A linear map, clamped to the range of the scale; `closed_form.fit_dimensions` finds it. Nothing is learnt from it.

    Attributes:
        modality: whose vector is read.
        names: of the values, in order.
        range: the least and the largest value of the scale.
    """

    def __init__(self, dim: int, modality: str, names: Sequence[str], range: Sequence[float | int]) -> None:
        """`dim` is the width of the modality's vector."""
        super().__init__()
        self.modality, self.names, self.range = modality, tuple(names), (range[0], range[1])
        self.linear = nn.Linear(dim, len(self.names)).requires_grad_(False)

    def forward(self, encoded: Mapping[str, MaskedSequence]) -> Float[Tensor, "batch names"]:
        """{modality: (batch, time, dim)} -> the values; NaN where the modality is absent."""
        sequence = encoded[self.modality]
        values = self.linear(summary(sequence).float()).clamp(*self.range)
        return values.masked_fill(~sequence.present.unsqueeze(-1), float("nan"))


class EmotionModel(nn.Module):
    """Encodes each modality that is present, fuses, decides. It knows no labels: `outputs` numbers come out."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        outputs: int,
        *,
        dropout: float = 0.1,
        hidden: int = 0,
        modality_dropout: float = 0.0,
        auxiliary: bool = False,
        dimensions: Dimensions | None = None,
    ) -> None:
        """
        Args:
            encoders: by modality name.
            fusion: built with the encoders' widths.
            outputs: how many numbers to give for an utterance (or word).
            dropout: before each linear layer of the head.
            hidden: width of a hidden layer of the head; 0 is a linear head.
            modality_dropout: probability that a present modality is hidden in training; one always stays.
            auxiliary: whether each modality has a linear head of its own.
            dimensions: what is read beside the decision, if anything.
        """
        super().__init__()
        self.encoders = nn.ModuleDict({name: encoders[name] for name in sorted(encoders)})
        self.fusion = fusion
        self.head = nn.Identity() if fusion.is_head else head(fusion.dim, outputs, dropout, hidden)
        own_heads = auxiliary and not fusion.is_head
        self.auxiliary = nn.ModuleDict(
            {name: head(encoders[name].dim, outputs, dropout) for name in self.encoders} if own_heads else {}
        )
        self.modality_dropout = modality_dropout
        self.dimensions = dimensions

    def forward(
        self,
        inputs: Mapping[str, MaskedSequence],
        words: Int[Tensor, "batch words"] | None = None,
        encoded: Collection[str] = (),
    ) -> Output:
        """
        Args:
            inputs: {modality: (batch, time, *feature)}; a key that is missing is absent in every row.
            words: the token that starts each word, -1 where there is none, for word-level tasks.
            encoded: the modalities whose inputs are features of a frozen encoder already.
        """
        return self.decide(self.encode(inputs, encoded), words)

    def encode(self, inputs: Mapping[str, MaskedSequence], encoded: Collection[str] = ()) -> dict[str, MaskedSequence]:
        """{modality: (batch, time, *feature)} -> {modality: (batch, time', dim)}."""
        inputs = self.complete(inputs)
        if self.training and self.modality_dropout > 0:
            inputs = hide(inputs, self.modality_dropout)
        return {
            name: self.encoder(name).pool_features(inputs[name])
            if name in encoded
            else self.encoder(name)(inputs[name])
            for name in self.encoders
        }

    def encoder(self, name: str) -> Encoder:
        """The encoder of a modality."""
        found = self.encoders[name]
        assert isinstance(found, Encoder)
        return found

    def decide(self, encoded: Mapping[str, MaskedSequence], words: Int[Tensor, "batch words"] | None = None) -> Output:
        """{modality: (batch, time', dim)} -> Output; what follows the encoders."""
        fused = self.fusion(encoded)
        states = summary(fused) if words is None else gather_words(fused.values, words)
        auxiliary = {
            name: Opinion(decide(summary(encoded[name])), encoded[name].present)
            for name, decide in self.auxiliary.items()
        }
        if self.training and not auxiliary:
            auxiliary = self.fusion.opinions(encoded)
        return Output(self.head(states), auxiliary, self.fusion.penalty(encoded) if self.training else None)

    def complete(self, inputs: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Every modality of the model, those that were not given as absent."""
        unknown = set(inputs) - set(self.encoders)
        if unknown:
            raise KeyError(f"no encoder for {', '.join(sorted(unknown))}; the model has {', '.join(self.encoders)}")
        some = next(iter(inputs.values()), None)
        if some is None:
            raise ValueError("the model needs at least one modality in its inputs")
        rows, device = len(some.mask), some.mask.device
        absent = MaskedSequence(
            torch.zeros(rows, 1, device=device), torch.zeros(rows, 1, dtype=torch.bool, device=device)
        )
        return {name: inputs.get(name, absent) for name in self.encoders}


def head(dim: int, outputs: int, dropout: float, hidden: int = 0) -> nn.Sequential:
    """Dropout and a linear layer, as `BertForSequenceClassification` has it, with one hidden layer where asked."""
    layers: list[nn.Module] = []
    if hidden:
        layers += [nn.Dropout(dropout), nn.Linear(dim, hidden), nn.GELU()]
    final = nn.Linear(hidden or dim, outputs)
    nn.init.normal_(final.weight, std=0.02)
    nn.init.zeros_(final.bias)
    return nn.Sequential(*layers, nn.Dropout(dropout), final)


def gather_words(
    states: Float[Tensor, "batch time dim"], words: Int[Tensor, "batch words"]
) -> Float[Tensor, "batch words dim"]:
    """The state of each word's first token; where there is no word, that of token 0 (the loss ignores it)."""
    index = words.clamp(min=0).unsqueeze(-1).expand(-1, -1, states.shape[-1])
    return states.gather(1, index)


def hide(inputs: Mapping[str, MaskedSequence], probability: float) -> dict[str, MaskedSequence]:
    """Modality dropout: hides each present modality of each row with a probability, but never the last one of a row."""
    present = torch.stack([sequence.present for sequence in inputs.values()])
    keep = present & (torch.rand(present.shape, device=present.device) >= probability)
    # A row that lost everything gets one of its modalities back, each with equal chance.
    chance = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
    rescued = torch.zeros_like(keep).scatter_(0, chance.argmax(dim=0, keepdim=True), True) & present
    keep = torch.where(keep.any(dim=0), keep, rescued)
    return {
        name: MaskedSequence(sequence.values, sequence.mask & kept.unsqueeze(1))
        for (name, sequence), kept in zip(inputs.items(), keep, strict=True)
    }
