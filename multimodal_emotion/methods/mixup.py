"""Mixup of what goes into the head: utterances between utterances, with labels between labels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from multimodal_emotion.config import in_range
from multimodal_emotion.errors import InputError
from multimodal_emotion.methods._base import Method, Step
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task


class Mixup(Method):
    """Each fused vector is mixed with that of another utterance of the batch; the loss is mixed likewise.

    Source: mixup: Beyond Empirical Risk Minimization, 2017, arXiv 1710.09412; on sentence vectors: Augmenting Data with Mixup
        for Sentence Classification, 2019, arXiv 1905.08941.
    """

    replaces = True

    def __init__(self, *, alpha: float | int = 0.4) -> None:
        """
        Args:
            alpha: both parameters of the beta distribution that shares are drawn from; small ones hardly mix.

        Raises:
            InputError: a value out of its range.
        """
        self.alpha = in_range("training.methods.mixup.alpha", alpha, 1e-3)

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses a model that has no single vector for an utterance to mix."""
        if task.resolution == "word":
            raise InputError("training.methods.mixup does not apply to a task that decides for each word")
        if model.fusion.is_head or model.fusion.alone or model.auxiliary:
            raise InputError(
                "training.methods.mixup mixes the fused vector; this model decides for each modality on its own "
                "(late fusion, or model.auxiliary)"
            )

    def extra(self, step: Step) -> Tensor:
        """The mixed loss."""
        generator = np.random.default_rng(step.seed)
        share = float(generator.beta(self.alpha, self.alpha))
        other = torch.from_numpy(generator.permutation(len(step.batch))).to(step.target.device)
        with mixing(step.model.head, share, other):
            output = step.again()
        own, others = (step.measure(output, target) for target in (step.target, step.target[other]))
        return share * own + (1 - share) * others


@contextmanager
def mixing(head: nn.Module, share: float, other: Tensor) -> Iterator[None]:
    """As long as it lasts, what goes into the head is mixed: share of each row, the rest of the row at `other`."""

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return share * inputs[0] + (1 - share) * inputs[0][other]

    handle = head.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
