"""From a sequence of vectors to one vector (or a shorter sequence), safe for rows of one step and for absent rows."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.positions import sinusoids

TINY = 1e-10
"""Variances below this count as zero; it keeps the gradient of the standard deviation finite."""


class Pooling(nn.Module):
    """(batch, time, dim) -> (batch, time', out_dim); the mask tells which steps are real.

    Attributes:
        dim: width of what goes in.
        out_dim: width of what comes out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = self.out_dim = dim

    @property
    def learned(self) -> bool:
        """Whether it has parameters, so that its output cannot be kept in a feature cache."""
        return next(self.parameters(), None) is not None

    def forward(self, sequence: MaskedSequence) -> MaskedSequence:
        """(batch, time, dim) -> (batch, 1, out_dim)."""
        pooled = self.reduce(sequence.values, sequence.mask)
        return MaskedSequence(pooled.unsqueeze(1), sequence.present.unsqueeze(1))

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) and (batch, time) -> (batch, out_dim)."""
        raise NotImplementedError


class Whole(Pooling):
    """Keeps the sequence as it is."""

    def forward(self, sequence: MaskedSequence) -> MaskedSequence:
        """(batch, time, dim) -> the same."""
        return sequence


class First(Pooling):
    """The first step: BERT's [CLS]."""

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) -> (batch, dim)."""
        return values[:, 0].masked_fill(~mask[:, :1], 0)


class Mean(Pooling):
    """The mean over real steps."""

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) -> (batch, dim)."""
        return _mean(values, mask)


class Stats(Pooling):
    """Mean and standard deviation over real steps, side by side. A single step has deviation (nearly) zero.

    Source: X-Vectors: Robust DNN Embeddings for Speaker Recognition, 2018 (ICASSP).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.out_dim = 2 * dim

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) -> (batch, 2 * dim): the means, then the deviations."""
        mean = _mean(values, mask)
        variance = _mean((values - mean.unsqueeze(1)).square(), mask)
        return torch.cat([mean, variance.clamp(min=TINY).sqrt()], dim=-1)


class Attention(Pooling):
    """A weighted mean whose weights are learned from each step.

    Source: A Structured Self-attentive Sentence Embedding, 2017, arXiv 1703.03130.
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__(dim)
        self.score = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) -> (batch, dim)."""
        scores = self.score(values).squeeze(-1)
        # The lowest finite number instead of -inf: a row without any real step must not become NaN.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1) * mask
        return (values.masked_fill(~mask.unsqueeze(-1), 0) * weights.unsqueeze(-1)).sum(dim=1)


class Transformer(Pooling):
    """A learned token reads the steps, in their order, through transformer layers; its last state is the result."""

    def __init__(self, dim: int, layers: int = 2, width: int = 256, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__(dim)
        self.out_dim = width
        self.project = nn.Linear(dim, width)
        self.token = nn.Parameter(torch.randn(width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)

    def reduce(self, values: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, dim) -> (batch, width)."""
        steps = self.project(values)
        steps = steps + sinusoids(steps.shape[1], steps.shape[2], steps.device).to(steps.dtype)
        steps = torch.cat([self.token.expand(len(steps), 1, -1), steps], dim=1)
        # The token itself is always there, so that no row is without any key.
        hidden = nn.functional.pad(~mask, (1, 0), value=False)
        return self.encoder(steps, src_key_padding_mask=hidden)[:, 0]


POOLINGS: dict[str, type[Pooling]] = {
    "none": Whole,
    "first": First,
    "mean": Mean,
    "stats": Stats,
    "attention": Attention,
    "transformer": Transformer,
}


def pooling(name: str, dim: int) -> Pooling:
    """The pooling of that name for vectors of that width.

    Args:
        name: "none" (the sequence is kept), "first", "mean", "stats" (mean and standard deviation), "attention"
            (weights are learned), "transformer" (learned, knows the order of steps).
        dim: width of the vectors.

    Raises:
        InputError: there is no such pooling.
    """
    if name not in POOLINGS:
        raise unknown("pooling", name, POOLINGS)
    return POOLINGS[name](dim)


class LayerMix(nn.Module):
    """A learned weighted mean of layers: softmax weights, times a learned scale.

    Source: Deep contextualized word representations, 2018, arXiv 1802.05365; for speech SUPERB, 2021, arXiv 2105.01051.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, states: Sequence[Tensor] | Float[Tensor, "layers batch time dim"]) -> Tensor:
        """As many states (batch, time, dim) as there are layers -> (batch, time, dim).

        Raises:
            InputError: the layers are not of equal width.
        """
        widths = sorted({state.shape[-1] for state in states})
        if len(widths) > 1:
            raise InputError(f"layers of widths {', '.join(map(str, widths))} cannot be mixed; take 'all' or 'last'")
        weights = self.weights.softmax(dim=0)
        return self.scale * sum(weight * state for weight, state in zip(weights, states, strict=True))


class Standardise(nn.Module):
    """(values - mean) / deviation, fitted once on the features of the training split; the identity before that.

    Attributes:
        fitted: whether `fit` was called; saved with the weights.
    """

    mean: Tensor
    deviation: Tensor
    fitted: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        self.register_buffer("fitted", torch.tensor(False))

    def forward(self, sequence: MaskedSequence) -> MaskedSequence:
        """(batch, time, dim) -> the same shape; padding stays zero."""
        values = (sequence.values - self.mean) / self.deviation
        return MaskedSequence(values.masked_fill(~sequence.mask.unsqueeze(-1), 0), sequence.mask)

    @torch.no_grad()
    def fit(self, values: Tensor | MaskedSequence | Iterable[Tensor | MaskedSequence]) -> None:
        """Learns mean and deviation; features that are constant get deviation 1.

        Args:
            values: all steps at once, or any number of parts: tensors (steps, dim), or sequences, whose padding is
                ignored. One pass, and no part is kept: they may be read from disk one by one.

        Raises:
            InputError: there is not a single step.
        """
        parts = [values] if isinstance(values, Tensor | MaskedSequence) else values
        count, mean = 0, torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(mean)
        for part in parts:
            rows = part.values[part.mask] if isinstance(part, MaskedSequence) else part
            rows = rows.to(mean).reshape(-1, len(mean))
            if not len(rows):
                continue
            # Chan's update: a plain sum of squares would lose small deviations around large means.
            shift, total = rows.mean(dim=0) - mean, count + len(rows)
            within = (rows - rows.mean(dim=0)).square().sum(dim=0)
            between = shift.square() * count * len(rows) / total
            mean, squares = mean + shift * len(rows) / total, squares + within + between
            count = total
        if not count:
            raise InputError("no features to standardise: the training split has no utterance with this modality")
        deviation = (squares / count).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 1e-6 * (1 + mean.abs()), deviation, 1.0))
        self.fitted.fill_(True)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """(batch, time, dim) -> (batch, dim), zeros for a row without real steps."""
    real = mask.unsqueeze(-1)
    return values.masked_fill(~real, 0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
