"""The contract of a fusion: vectors of any subset of modalities go in, one sequence of vectors comes out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence


class Fusion(nn.Module, ABC):
    """Fuses encoded modalities. Whatever subset is present, output and gradients are finite; key order is irrelevant.

    Attributes:
        dims: width of each modality, by name, names sorted.
        dim: width of the output.
        is_head: True where the output already is the logits (late fusion): the model then adds no head.
        alone: True where nothing is learnt from the fused decision: each modality's opinion has its own loss instead.
    """

    is_head: ClassVar[bool] = False
    alone: bool = False
    dim: int

    def __init__(self, dims: Mapping[str, int], outputs: int) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants; only fusions of decisions use it.
        """
        super().__init__()
        if not dims:
            raise ValueError("a fusion needs at least one modality")
        self.dims = {name: dims[name] for name in sorted(dims)}
        self.outputs = outputs

    @abstractmethod
    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, time', dim). Keys: those of `dims`, some rows absent."""

    def opinions(self, inputs: Mapping[str, MaskedSequence]) -> dict[str, "Opinion"]:
        """What heads of the fusion's own say of each modality (or of some together), by name; empty if it has none."""
        return {}

    def penalty(self, inputs: Mapping[str, MaskedSequence]) -> Tensor | None:
        """An additional loss of the fusion's own (MISA's difference loss, say) for this batch; None if it has none."""
        return None


class Opinion(NamedTuple):
    """What a head says alone: logits (batch, outputs), and where it had something to go by, (batch,)."""

    logits: Float[Tensor, "batch outputs"]
    present: Bool[Tensor, " batch"]


def summary(sequence: MaskedSequence) -> Tensor:
    """The mean over real steps, (batch, time, dim) -> (batch, dim); zeros where the modality is absent."""
    weights = sequence.mask.unsqueeze(-1).to(sequence.values.dtype)
    total = (sequence.values.masked_fill(~sequence.mask.unsqueeze(-1), 0) * weights).sum(dim=1)
    return total / weights.sum(dim=1).clamp(min=1)


def one_step(values: Tensor, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
    """(batch, dim) -> a sequence of one step, present where any modality is."""
    present = torch.stack([sequence.present for sequence in inputs.values()]).any(dim=0)
    return MaskedSequence(values.unsqueeze(1), present.unsqueeze(1))
