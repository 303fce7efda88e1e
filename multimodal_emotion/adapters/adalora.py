"""AdaLoRA: a product like LoRA's in the form of a singular value decomposition, whose rank goes where it matters."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from multimodal_emotion.adapters._base import Adapted, Adapter, Companion, replace_layers, targeted_layers
from multimodal_emotion.config import in_range


class AdaLora(Adapter):
    """weight + alpha / rank * left @ diag(values) @ right. All layers share a budget of values, rank x layers of them.

    Training begins with more of them than the budget allows, and takes the least important away until it is kept. The
    values begin as zero, so that nothing changes at first; the product can be merged.

    Source: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning, 2023, arXiv 2303.10512. As in its authors' code,
        importance is taken from the weights after a step and the gradients before it. `left` and `right` begin orthonormal,
        not normally distributed: so their penalty begins as zero.
    """

    def __init__(
        self,
        *,
        rank: int = 8,
        start: int | None = None,
        alpha: float | int = 16,
        dropout: float | int = 0.0,
        targets: list[str] | None = None,
        orthogonality: float | int = 0.1,
        warmup: float | int = 0.1,
        settled: float | int = 0.5,
        interval: int = 10,
        smoothing: float | int = 0.85,
    ) -> None:
        """
        Args:
            rank: of a layer's product in the end, the mean over layers.
            start: of each at first; None takes half as much again as `rank`, or the layer's width where that is less.
            alpha: the product is multiplied by alpha / rank.
            dropout: on what goes into the product.
            targets: how the names of the layers end that are adapted (["query", "value"]); None adapts every linear layer.
            orthogonality: weight of the penalty on what `left` and `right` lack of being orthonormal.
            warmup: share of the steps before values are taken away.
            settled: share of the steps after which the budget is kept and what is left stays. Of earlier epochs none is kept.
            interval: steps from one pruning to the next; a value that was taken away may come back until then.
            smoothing: of importance over steps.

        Raises:
            InputError: a value out of its range.
        """
        self.rank = in_range("rank of adapters/adalora", rank, 1)
        self.start = start if start is None else in_range("start of adapters/adalora", start, rank)
        self.alpha = in_range("alpha of adapters/adalora", alpha, 0)
        self.dropout = in_range("dropout of adapters/adalora", dropout, 0, 0.99)
        self.targets = targets
        self.orthogonality = in_range("orthogonality of adapters/adalora", orthogonality, 0)
        self.settled = in_range("settled of adapters/adalora", settled, 0, 1)
        self.warmup = in_range("warmup of adapters/adalora", warmup, 0, settled)
        self.interval = in_range("interval of adapters/adalora", interval, 1)
        self.smoothing = in_range("smoothing of adapters/adalora", smoothing, 0, 0.9999)

    def insert(self, backbone: nn.Module) -> None:
        """Adapts the linear layers."""
        names = targeted_layers(backbone, self.targets, self.start or self.rank)
        replace_layers(backbone, names, self._decomposed)

    def _decomposed(self, layer: nn.Linear) -> "Decomposed":
        start = self.start or min(math.ceil(1.5 * self.rank), *layer.weight.shape)
        return Decomposed(layer, start, self.alpha / self.rank, self.dropout)

    def companion(self, backbone: nn.Module) -> "Allocation":
        """What shares the budget out."""
        return Allocation([module for module in backbone.modules() if isinstance(module, Decomposed)], self)

    def budget(self, done: int, steps: int, layers: Sequence["Decomposed"]) -> int:
        """How many values all layers may have together after so many of all steps: fewer and fewer, by a cubic curve."""
        begin, end = self.warmup * steps, self.settled * steps
        left = min(1.0, (end - done) / max(end - begin, 1e-9)) if done < end else 0.0
        first, last = sum(len(layer.values) for layer in layers), self.rank * len(layers)
        return last + int((first - last) * left**3)


class Decomposed(Adapted):
    """A linear layer with a product beside its weight, as a singular value decomposition.

    Attributes:
        kept: (rank,), the values that count; all of them until the budget is settled.
    """

    kept: Tensor

    def __init__(self, base: nn.Linear, rank: int, scale: float | int, dropout: float | int = 0.0) -> None:
        super().__init__(base)
        self.scale, self.dropout = scale, dropout
        device = base.weight.device
        self.left = nn.Parameter(torch.empty(base.out_features, rank, device=device))
        self.values = nn.Parameter(torch.zeros(rank, device=device))
        self.right = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.register_buffer("kept", torch.ones(rank, dtype=torch.bool, device=device))
        nn.init.orthogonal_(self.left)
        nn.init.orthogonal_(self.right)

    def forward(self, input: Float[Tensor, "*axes inputs"]) -> Float[Tensor, "*axes outputs"]:
        """The layer's output and the product's."""
        narrow = functional.linear(functional.dropout(input, self.dropout, self.training), self.right)
        return super().forward(input) + self.scale * functional.linear(narrow * self.values * self.kept, self.left)

    def difference(self) -> Float[Tensor, "outputs inputs"]:
        """The product."""
        return self.scale * (self.left * self.values * self.kept) @ self.right

    def rank(self) -> int:
        """How many values there are that are not zero."""
        return int((self.values * self.kept).count_nonzero())

    def lack(self) -> Tensor:
        """What `left` and `right` lack of being orthonormal: the squared norms of their products with themselves, less 1."""
        identity = torch.eye(len(self.values), device=self.values.device)
        return (self.left.T @ self.left - identity).square().sum() + (
            self.right @ self.right.T - identity
        ).square().sum()


class Allocation(Companion):
    """Shares a budget of singular values out among layers."""

    fixed: Tensor

    def __init__(self, layers: Sequence[Decomposed], settings: AdaLora) -> None:
        super().__init__()
        self.layers, self.settings = list(layers), settings
        self.importance = nn.ModuleList(Importance(layer, settings.smoothing) for layer in layers)
        self.register_buffer("fixed", torch.tensor(False))

    @property
    def settled(self) -> bool:  # type: ignore[override]
        """Whether the budget is kept for good."""
        return bool(self.fixed)

    def penalty(self) -> Tensor:
        """What the vectors lack of being orthonormal, the mean over layers."""
        return self.settings.orthogonality * torch.stack([layer.lack() for layer in self.layers]).mean()

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Notes what matters, and takes away what is beyond the budget."""
        if self.settled:
            return
        for importance in self.importance:
            importance.update()  # type: ignore[operator]  # nn.ModuleList hands out nn.Module
        done = step + 1
        last = done >= self.settings.settled * steps
        if last or done % self.settings.interval == 0:
            self.prune(self.settings.budget(done, steps, self.layers), last)

    def prune(self, budget: int, last: bool = False) -> None:
        """Sets all values but the most important ones of all layers to zero; at last those stay so."""
        scores = torch.cat([importance.scores() for importance in self.importance])  # type: ignore[operator]
        best = torch.zeros_like(scores, dtype=torch.bool)
        best[scores.argsort(descending=True, stable=True)[:budget]] = True
        for layer, kept in zip(self.layers, best.split([len(layer.values) for layer in self.layers]), strict=True):
            layer.values.mul_(kept)
            if last:
                layer.kept.copy_(kept)
        self.fixed.fill_(last)


class Importance(nn.Module):
    """How much each singular value of a layer matters, with its two vectors."""

    def __init__(self, layer: Decomposed, smoothing: float | int) -> None:
        super().__init__()
        self.left = Sensitivity(layer.left, smoothing)
        self.values = Sensitivity(layer.values, smoothing)
        self.right = Sensitivity(layer.right, smoothing)

    def update(self) -> None:
        """Takes in a step."""
        for each in (self.left, self.values, self.right):
            each.update()

    def scores(self) -> Float[Tensor, " rank"]:
        """The importance of each value: its own, and the mean of the entries of either vector."""
        return self.values.scores() + self.left.scores().mean(dim=0) + self.right.scores().mean(dim=1)


class Sensitivity(nn.Module):
    """How much the loss would change without each entry of a parameter, |entry x gradient|, smoothed over steps."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, parameter: nn.Parameter, smoothing: float | int) -> None:
        super().__init__()
        self._of = (parameter,)  # in a tuple, so that it is no parameter of this module
        self._share = 1 - smoothing
        self.register_buffer("mean", torch.zeros_like(parameter, requires_grad=False))
        self.register_buffer("deviation", torch.zeros_like(parameter, requires_grad=False))

    def update(self) -> None:
        """Takes in a step, if the parameter had a part in it."""
        (parameter,) = self._of
        if parameter.grad is not None:
            now = (parameter * parameter.grad).abs()
            self.mean.lerp_(now, self._share)
            self.deviation.lerp_((now - self.mean).abs(), self._share)

    def scores(self) -> Tensor:
        """The importance of each entry; one of which little is certain counts for more."""
        return self.mean * self.deviation
