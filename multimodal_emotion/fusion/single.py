"""Pass-through: one modality, nothing to fuse. The documented BERT classifier is this with a linear head."""

from collections.abc import Mapping

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.fusion._base import Fusion


class Single(Fusion):
    """Hands the only modality on, sequence and all."""

    def __init__(self, dims: Mapping[str, int], outputs: int) -> None:
        super().__init__(dims, outputs)
        if len(dims) != 1:
            raise ValueError(f"fusion 'single' takes one modality, not {', '.join(self.dims)}; take 'concat', say")
        (self.dim,) = dims.values()

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dim)} -> (batch, time, dim), unchanged."""
        (sequence,) = inputs.values()
        return sequence
