"""Losses of decisions about labels, in single precision whatever the precision of the logits."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def softmax_loss(
    logits: Float[Tensor, "*batch labels"],
    target: Float[Tensor, "*batch labels"],
    weights: Float[Tensor, " labels"] | None = None,
    focal_gamma: float | int = 0,
    label_smoothing: float | int = 0,
) -> Float[Tensor, "*batch"]:
    """Cross entropy of a distribution over labels.

    Args:
        logits: of each label.
        target: probabilities of the labels; all 0 gives a loss of 0.
        weights: of each label's term.
        focal_gamma: exponent on 1 - p, which turns attention to what is still wrong.
        label_smoothing: share of the target that is spread over all labels.

    Source: Focal Loss for Dense Object Detection, 2017, arXiv 1708.02002. Rethinking the Inception Architecture for
        Computer Vision (label smoothing), 2015, arXiv 1512.00567.
    """
    log_p = functional.log_softmax(logits.float(), dim=-1)
    terms = -smooth(target, label_smoothing, target.sum(dim=-1, keepdim=True) / target.shape[-1]) * log_p
    if weights is not None:
        terms = terms * weights
    if focal_gamma:
        terms = terms * (1 - log_p.exp()).clamp(min=1e-6) ** focal_gamma
    return terms.sum(dim=-1)


def sigmoid_loss(
    logits: Float[Tensor, "*batch labels"],
    target: Float[Tensor, "*batch labels"],
    weights: Float[Tensor, " labels"] | None = None,
    focal_gamma: float | int = 0,
    label_smoothing: float | int = 0,
) -> Float[Tensor, "*batch"]:
    """Binary cross entropy of each label, the mean over labels.

    Args:
        logits: of each label.
        target: probability that each label applies.
        weights: of each label's positive term.
        focal_gamma, label_smoothing: see `softmax_loss`; smoothing moves the target towards 0.5.
    """
    logits = logits.float()
    target = smooth(target, label_smoothing, 0.5)
    applies, applies_not = -functional.logsigmoid(logits), -functional.logsigmoid(-logits)
    if weights is not None:
        applies = applies * weights
    if focal_gamma:
        p = logits.sigmoid()
        applies, applies_not = applies * (1 - p) ** focal_gamma, applies_not * p**focal_gamma
    return (target * applies + (1 - target) * applies_not).mean(dim=-1)


def smooth(target: Tensor, share: float | int, towards: Tensor | float) -> Tensor:
    """The target, with a share of it moved."""
    return target.float() * (1 - share) + share * towards


def softmax_weights(seen: Float[Tensor, " labels"], effective: bool) -> Float[Tensor, " labels"]:
    """Weights of labels inverse to how often each was seen; their mean over what was seen is 1.

    Args:
        seen: how often; a label that never was weighs nothing.
        effective: whether to take the effective number in place of the number.
    """
    weights = torch.where(seen > 0, 1 / _measure(seen, effective), 0)
    return weights * (seen.sum() / (weights * seen).sum())


def sigmoid_weights(seen: Float[Tensor, " labels"], total: float | int, effective: bool) -> Float[Tensor, " labels"]:
    """Weights of labels' positive terms: how many utterances are without the label for each one with it.

    Args:
        seen: how often each applied; a label that never did weighs nothing.
        total: number of utterances.
        effective: whether to take effective numbers in place of numbers.
    """
    return torch.where(seen > 0, _measure(total - seen, effective) / _measure(seen, effective), 0)


def _measure(counts: Tensor, effective: bool, beta: float = 0.999) -> Tensor:
    """Counts, or how many different utterances so many amount to: at most 1 / (1 - beta).

    Source: Class-Balanced Loss Based on Effective Number of Samples, 2019, arXiv 1901.05555.
    """
    return ((1 - beta ** counts.double()) / (1 - beta)).to(counts.dtype) if effective else counts
