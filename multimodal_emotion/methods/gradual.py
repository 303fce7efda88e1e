"""Gradual unfreezing: first the head learns, then the topmost blocks of the encoders, in the end all."""

from torch import nn

from multimodal_emotion.config import Config, in_range
from multimodal_emotion.errors import InputError
from multimodal_emotion.methods._base import Method, refuse_frozen
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task


class Gradual(Method):
    """Each epoch, further blocks of the encoders begin to learn, from the top.

    Source: Universal Language Model Fine-tuning for Text Classification, 2018, arXiv 1801.06146.
    """

    def __init__(self, *, blocks: int = 1) -> None:
        """
        Args:
            blocks: how many more of each encoder in each epoch after the first, in which none of them learns.

        Raises:
            InputError: a value out of its range.
        """
        self.blocks = in_range("training.methods.gradual.blocks", blocks, 1)
        self.stacks: list[list[list[nn.Parameter]]] = []

    def check_config(self, config: Config) -> None:
        """Refuses encoders that are all frozen."""
        refuse_frozen(config, "gradual", "unfreeze")

    def check(self, model: EmotionModel, task: Task) -> None:
        """Notes what is to learn in each block; what was frozen before stays so."""
        encoders = [model.encoder(name) for name in model.encoders if not model.encoder(name).frozen]
        self.stacks = []
        for encoder in encoders:
            blocks = [list(block.parameters()) for block in encoder.blocks()]
            inside = {id(parameter) for block in blocks for parameter in block}
            # What stands in no block (a last norm) belongs to the top.
            outside = [parameter for parameter in encoder.pretrained_parameters() if id(parameter) not in inside]
            learning = [[p for p in block if p.requires_grad] for block in [*blocks, outside]]
            if any(learning):
                self.stacks.append([*learning[:-2], [*learning[-2], *learning[-1]]] if blocks else learning)
        if not self.stacks:
            raise InputError(
                "training.methods.gradual has nothing to unfreeze: every encoder is frozen, or has no weights"
            )

    def begin(self, model: EmotionModel, epoch: int) -> None:
        """Lets the topmost epoch x blocks learn."""
        for stack in self.stacks:
            for height, block in enumerate(reversed(stack)):
                for parameter in block:
                    parameter.requires_grad_(height < epoch * self.blocks)
