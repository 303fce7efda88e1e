"""Modality balancing (OGM-GE): slows down the modality that runs ahead, so that the others still learn."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn


def modulation(performance: Mapping[str, float | int], alpha: float | int = 0.5) -> dict[str, float]:
    """The factor on each modality's gradients: 1 - tanh(alpha * ratio) for one that is ahead (ratio > 1), 1 for others.

    The ratio is a modality's performance over the mean performance of the others; the paper has two modalities.

    Args:
        performance: of each modality alone in this batch, such as the mean probability that its own head gives to the
            true label; not negative.
        alpha: how strongly to slow down; 0 does not.

    Source: Balanced Multimodal Learning via On-the-fly Gradient Modulation, 2022, arXiv 2203.15332.
    """
    total, others = sum(performance.values()), max(1, len(performance) - 1)
    factors = {}
    for name, own in performance.items():
        rest = (total - own) / others
        ahead = len(performance) > 1 and own > rest
        # Without any performance of the others the ratio is infinite, and tanh is 1.
        ratio = own / rest if rest > 0 else math.inf
        factors[name] = 1 - math.tanh(alpha * ratio) if ahead and alpha else 1.0
    return factors


@torch.no_grad()
def modulate(parameters: Iterable[nn.Parameter], factor: float | int, enhance: bool = True) -> None:
    """Applies a factor of `modulation` to gradients, in place, after `backward` and before the optimiser's step.

    Args:
        parameters: of one modality's encoder; those without a gradient are left alone.
        factor: on their gradients.
        enhance: whether to add noise with the deviation of each gradient, drawn from torch's generator: slowing down
            takes away the noise of stochastic gradients, which helps generalisation (the "GE" of OGM-GE).
    """
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None or factor == 1:
            continue
        noise = torch.randn_like(gradient) * gradient.std(correction=0) if enhance else 0
        gradient.mul_(factor).add_(noise)
