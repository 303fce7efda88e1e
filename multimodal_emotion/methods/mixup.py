"""Mixup of vectors: utterances between utterances, with labels between labels."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.config import Config, in_range
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.methods._base import Method, Step, decides_for_words, refuse_words
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task

PLACES = ("fused", "encoded")

NAME = "training.methods.mixup"


class Mixup(Method):
    """Vectors of each utterance are mixed with those of another one of the batch; the loss is mixed likewise.

    Either the fused vectors, or, before the fusion, what the encoder of each modality gives: then the other utterance is one
    that has the same modalities, if there is another.

    Source: mixup: Beyond Empirical Risk Minimization, 2017, arXiv 1710.09412; on sentence vectors: Augmenting Data with Mixup
        for Sentence Classification, 2019, arXiv 1905.08941.
    """

    replaces = True

    def __init__(self, *, alpha: float | int = 0.4, at: str = "fused") -> None:
        """
        Args:
            alpha: both parameters of the beta distribution that shares are drawn from; small ones hardly mix.
            at: what is mixed, "fused" or "encoded".

        Raises:
            InputError: a value out of its range.
        """
        self.alpha = in_range(f"{NAME}.alpha", alpha, 1e-3)
        if at not in PLACES:
            raise unknown("place", at, PLACES, f"{NAME}.at")
        self.at = at

    def check_config(self, config: Config) -> None:
        """Refuses a task for words, and several heads."""
        refuse_words(config, "mixup")
        if (config.model.fusion or {}).get("type") == "late" or config.model.auxiliary:
            raise several_heads()

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses a model that does not decide once for an utterance."""
        if task.resolution == "word":
            raise decides_for_words("mixup")
        if model.fusion.is_head or model.fusion.alone or model.auxiliary:
            raise several_heads()

    def extra(self, step: Step) -> Tensor:
        """The mixed loss."""
        generator = np.random.default_rng(step.seed)
        share = float(generator.beta(self.alpha, self.alpha))
        if self.at == "fused":
            other = torch.from_numpy(generator.permutation(len(step.batch))).to(step.target.device)
            with mixing(step.model.head, share, other):
                output = step.again()
        else:
            with mixing_encoded(step.model.fusion, share, generator) as others_by_pass:
                output = step.again()
            (other,) = others_by_pass
        own, others = (step.measure(output, target) for target in (step.target, step.target[other]))
        return share * own + (1 - share) * others


def several_heads() -> InputError:
    """The error for a model with more decisions than one."""
    return InputError(
        f"{NAME} mixes what one decision is made from; this model decides for each modality on its own "
        "(late fusion, or model.auxiliary)"
    )


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


@contextmanager
def mixing_encoded(fusion: nn.Module, share: float, generator: np.random.Generator) -> Iterator[list[Tensor]]:
    """As long as it lasts, what goes into the fusion is mixed, each row with one that has the same modalities.

    Yields:
        Of each pass, the other row of each row.
    """
    passes: list[Tensor] = []

    def hook(module: nn.Module, inputs: tuple[Mapping[str, MaskedSequence]]) -> tuple[dict[str, MaskedSequence]]:
        (encoded,) = inputs
        passes.append(partners(torch.stack([each.present for each in encoded.values()], dim=1), generator))
        return ({name: mixed(each, share, passes[-1]) for name, each in encoded.items()},)

    handle = fusion.register_forward_pre_hook(hook)
    try:
        yield passes
    finally:
        handle.remove()


def partners(present: Bool[Tensor, "batch modalities"], generator: np.random.Generator) -> Int[Tensor, " batch"]:
    """For each row another one, drawn among those with the same modalities: a permutation."""
    _, group = present.unique(dim=0, return_inverse=True)
    other = torch.arange(len(group))
    for number in group.unique():
        (rows,) = torch.nonzero(group == number, as_tuple=True)
        rows = rows.cpu()
        other[rows] = rows[torch.from_numpy(generator.permutation(len(rows)))]
    return other.to(present.device)


def mixed(sequence: MaskedSequence, share: float, other: Int[Tensor, " batch"]) -> MaskedSequence:
    """Sequences mixed step by step; a step beyond the end of one of the two is the other's alone."""
    mask, values = sequence.mask, sequence.values
    both = (mask & mask[other]).unsqueeze(-1)
    alone = torch.where(mask.unsqueeze(-1), values, values[other])
    return MaskedSequence(torch.where(both, share * values + (1 - share) * values[other], alone), mask | mask[other])
