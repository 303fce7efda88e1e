"""BitFit: of the pretrained part only the biases learn."""

from torch import nn

from multimodal_emotion.adapters._base import Adapter
from multimodal_emotion.errors import InputError


class Bitfit(Adapter):
    """The biases of linear layers and norms learn; every weight stays.

    Source: BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models, 2021,
        arXiv 2106.10199.
    """

    def insert(self, backbone: nn.Module) -> None:
        """Unfreezes the biases."""
        biases = [parameter for name, parameter in backbone.named_parameters() if name.rpartition(".")[2] == "bias"]
        if not biases:
            raise InputError("it has no biases")
        for bias in biases:
            bias.requires_grad_(True)
