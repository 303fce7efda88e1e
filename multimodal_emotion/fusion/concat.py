"""Concatenation: the vectors of all modalities side by side."""

from collections.abc import Mapping

import torch
from torch import nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import unknown
from multimodal_emotion.fusion._base import Fusion, one_step, summary

PLACEHOLDERS = ("learned", "zero")


class Concat(Fusion):
    """The vector of each modality in the order of names; a placeholder stands where one is absent."""

    def __init__(
        self, dims: Mapping[str, int], outputs: int, *, placeholder: str = "learned", dropout: float | int = 0.0
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            placeholder: for an absent modality: "learned", a vector of its own that begins as zero, or "zero".
            dropout: on the result; the head has dropout of its own.

        Raises:
            InputError: there is no such placeholder.
        """
        super().__init__(dims, outputs)
        if placeholder not in PLACEHOLDERS:
            raise unknown("placeholder", placeholder, PLACEHOLDERS, "fusion/concat")
        self.dim = sum(self.dims.values())
        learned = self.dims if placeholder == "learned" else {}
        self.placeholders = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim)) for name, dim in learned.items()})
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, dim)."""
        vectors = []
        for name in self.dims:
            vector = summary(inputs[name])
            if name in self.placeholders:
                vector = torch.where(inputs[name].present.unsqueeze(1), vector, self.placeholders[name])
            vectors.append(vector)
        return one_step(self.dropout(torch.cat(vectors, dim=1)), inputs)
