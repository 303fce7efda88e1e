"""Tells attention which step is which."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoids(steps: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "steps dim"]:
    """Sines and cosines of geometrically falling frequency: which step it is, for as many steps as wanted.

    Source: Attention Is All You Need, 2017, arXiv 1706.03762.
    """
    frequencies = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10000.0) / dim))
    angles = torch.arange(steps, device=device).unsqueeze(1) * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :dim]
