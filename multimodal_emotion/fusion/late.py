"""Late fusion: each modality decides alone, then the decisions are fused.

The functions on probabilities are plain arithmetic and work on the posteriors of any models.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.fusion._base import Fusion, Opinion, one_step, summary

HOW = ("mean", "product", "weighted", "stacking")
SPACES = {"probability": HOW, "independent": HOW[:3], "value": ("mean", "weighted")}
"""What can be done in which space."""


class Late(Fusion):
    """A linear head for each modality; their decisions are fused over the modalities that are present.

    The output is such that the task's activation gives the fused decision: the logarithm of fused probabilities. Where
    nothing is present, all labels are equally likely. Each head learns from its own loss, as if it were the only one;
    only the weights of "weighted" learn from the fused decision (and the heads with them).

    Attributes:
        how, space: as given.
        together: by the name of each head, the modalities that it hears.
        stacker: for how="stacking"; see there how to fit it. In training, and until it is fitted, the mean stands in.
    """

    is_head = True

    def __init__(
        self,
        dims: Mapping[str, int],
        outputs: int,
        *,
        how: str = "mean",
        space: str = "probability",
        dropout: float | int = 0.1,
        together: Sequence[Sequence[str]] = (),
    ) -> None:
        """
        Args:
            dims: width of each modality, by name.
            outputs: how many outputs the task wants.
            how: "mean" of probabilities; "product", their normalised product; "weighted", a mean with one learned
                weight for each modality; "stacking", a logistic regression on the probabilities.
            space: what an output is: "probability" of one label among all (softmax), "independent" probability of each
                label (sigmoid), or the "value" of a regression, which is averaged as it is.
            dropout: before each head.
            together: groups of modalities that have one head on their vectors side by side, such as two encoders of one
                sound: [[audio, audio_base]]. A modality that is in no group has a head of its own.

        Raises:
            InputError: there is no such way, space or modality; the way does not apply to the space; a modality is in two
                groups.
        """
        super().__init__(dims, outputs)
        if space not in SPACES:
            raise unknown("space", space, SPACES, "fusion/late")
        if how not in SPACES[space]:
            where = "fusion/late" if how not in HOW else f"fusion/late for space {space!r}"
            raise unknown("way of fusing (how)", how, SPACES[space], where)
        self.how, self.space = how, space
        self.alone = how != "weighted"
        self.dim = outputs
        self.together = _voices(self.dims, together)
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Dropout(dropout), nn.Linear(sum(self.dims[each] for each in members), outputs))
                for name, members in self.together.items()
            }
        )
        if how == "weighted":
            self.weights = nn.Parameter(torch.zeros(len(self.heads)))
        if how == "stacking":
            self.stacker = Stacker(len(self.heads), outputs)

    def forward(self, inputs: Mapping[str, MaskedSequence]) -> MaskedSequence:
        """{modality: (batch, time, dims[modality])} -> (batch, 1, outputs)."""
        opinions = self.opinions(inputs).values()
        logits, present = (torch.stack(column, dim=1) for column in zip(*opinions, strict=True))
        return one_step(self.fuse(logits, present), inputs)

    def opinions(self, inputs: Mapping[str, MaskedSequence]) -> dict[str, Opinion]:
        """What each head says alone, before the activation; heads in the order of their names."""
        heard = self.hear(inputs)
        return {name: Opinion(head(summary(heard[name])), heard[name].present) for name, head in self.heads.items()}

    def hear(self, inputs: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """What each head hears: (batch, 1, dim) by name; of a group, the vectors side by side, zeros for what is absent."""
        heard = {}
        for name, members in self.together.items():
            parts = {each: inputs[each] for each in members}
            heard[name] = one_step(torch.cat([summary(part) for part in parts.values()], dim=1), parts)
        return heard

    def fuse(
        self, opinions: Float[Tensor, "batch modality outputs"], present: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch outputs"]:
        """The fused decision, before the activation."""
        if self.space == "value":
            weights = _weights(self._log_weights(opinions), present).exp()
            return (weights.unsqueeze(-1) * opinions).sum(dim=1)
        if self.space == "independent":
            # Each label is a decision between two: their fused log-odds are what a sigmoid wants.
            pairs = nn.functional.logsigmoid(torch.stack([opinions, -opinions], dim=-1)).transpose(1, 2).flatten(0, 1)
            fused = self._fuse(pairs, present.repeat_interleave(self.outputs, dim=0))
            return (fused[:, 0] - fused[:, 1]).view(len(present), self.outputs)
        return self._fuse(opinions.log_softmax(dim=-1), present)

    def _fuse(self, logs: Tensor, present: Tensor) -> Tensor:
        if self.how == "product":
            return _log_product(logs, present)
        if self.how == "stacking" and not self.training and bool(self.stacker.fitted):
            return self.stacker(logs.exp(), present).log_softmax(dim=-1)
        return _log_mean(logs, present, self._log_weights(logs))

    def _log_weights(self, like: Tensor) -> Tensor:
        return self.weights if self.how == "weighted" else like.new_zeros(len(self.heads))


def _voices(dims: Mapping[str, int], together: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The modalities that each head hears, by its name."""
    groups = [tuple(sorted(group)) for group in together]
    grouped = [name for group in groups for name in group]
    for name in grouped:
        if name not in dims:
            raise unknown("modality", name, dims, "fusion/late: together")
        if grouped.count(name) > 1:
            raise InputError(f"fusion/late: together names {name!r} twice; a modality decides once")
    alone = [(name,) for name in dims if name not in grouped]
    return {"+".join(members): members for members in sorted([*groups, *alone])}


class Stacker(nn.Module):
    """Logistic regression on the probabilities that several models give, absent ones counting as undecided.

    It must be fitted on *out-of-fold* probabilities: each utterance's by models that were trained without it (and,
    where speakers matter, without its speaker). A model that has learned the training set by heart gives nearly all
    probability to the true label there: a stacker fitted on that trusts whoever overfits most.

    Attributes:
        weight, bias: (labels, modality * labels) and (labels,); buffers, because the optimiser of the model must not
            touch them.
        fitted: whether `fit` was called; saved with the weights.

    Source: Stacked Generalization, 1992 (Neural Networks 5).
    """

    weight: Tensor
    bias: Tensor
    fitted: Tensor

    def __init__(self, modalities: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(labels, modalities * labels))
        self.register_buffer("bias", torch.zeros(labels))
        self.register_buffer("fitted", torch.tensor(False))

    def forward(
        self, probabilities: Float[Tensor, "batch modality labels"], present: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch labels"]:
        """The logits of the fused decision."""
        return nn.functional.linear(_centred(probabilities, present), self.weight, self.bias)

    def fit(
        self,
        probabilities: Float[Tensor, "batch modality labels"],
        present: Bool[Tensor, "batch modality"],
        target: Int[Tensor, " batch"],
        strength: float | int = 1.0,
    ) -> "Stacker":
        """Finds the weights that minimise the summed cross-entropy + |weight|² / (2 strength).

        Args:
            probabilities: out-of-fold, see above.
            present: which of them there are.
            target: the number of the true label.
            strength: of the fit against the penalty: scikit-learn's C.

        Raises:
            InputError: there are no rows, or strength is not positive.
        """
        if not len(target):
            raise InputError("no out-of-fold predictions to fit a stacker on")
        if strength <= 0:
            raise InputError(f"the strength of a stacker must be more than 0, not {strength}")
        features = _centred(probabilities, present).detach().double()
        weight = torch.zeros_like(self.weight, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros_like(self.bias, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [weight, bias], max_iter=1000, tolerance_grad=1e-6, tolerance_change=1e-12, line_search_fn="strong_wolfe"
        )

        def objective() -> Tensor:
            optimiser.zero_grad()
            scores = nn.functional.linear(features, weight, bias)
            loss = nn.functional.cross_entropy(scores, target.long(), reduction="sum")
            loss = loss + weight.square().sum() / (2 * strength)
            loss.backward()
            return loss

        with torch.enable_grad():
            optimiser.step(objective)
        self.weight.copy_(weight.detach())
        self.bias.copy_(bias.detach())
        self.fitted.fill_(True)
        return self


def mean_fusion(
    probabilities: Float[Tensor, "batch modality labels"], present: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch labels"]:
    """The mean of the probabilities of the modalities that are present; uniform where none is."""
    return weighted_fusion(probabilities, present, probabilities.new_ones(probabilities.shape[1]))


def weighted_fusion(
    probabilities: Float[Tensor, "batch modality labels"],
    present: Bool[Tensor, "batch modality"],
    weights: Float[Tensor, " modality"],
) -> Float[Tensor, "batch labels"]:
    """The weighted mean; positive weights, whose sum over those present is made 1 in each row."""
    return _log_mean(probabilities.log(), present, weights.log()).exp()


def product_fusion(
    probabilities: Float[Tensor, "batch modality labels"], present: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch labels"]:
    """The normalised product of the probabilities of the modalities that are present; uniform where none is.

    A probability of zero counts as the smallest number, so that one model alone cannot make all labels impossible.
    """
    tiny = torch.finfo(probabilities.dtype).tiny
    return _log_product(probabilities.clamp(min=tiny).log(), present).exp()


def _log_mean(logs: Tensor, present: Tensor, log_weights: Tensor) -> Tensor:
    """(batch, modality, labels) logarithms of probabilities -> (batch, labels), that of their weighted mean."""
    logs, present = _undecided(logs, present)
    return (logs + _weights(log_weights, present).unsqueeze(-1)).logsumexp(dim=1)


def _log_product(logs: Tensor, present: Tensor) -> Tensor:
    logs, present = _undecided(logs, present)
    return (logs * present.unsqueeze(-1)).sum(dim=1).log_softmax(dim=-1)


def _undecided(logs: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Absent modalities find all labels equally likely; where all are absent, all of them count."""
    uniform = -math.log(logs.shape[-1])
    return torch.where(present.unsqueeze(-1), logs, uniform), present | ~present.any(dim=1, keepdim=True)


def _weights(log_weights: Tensor, present: Tensor) -> Tensor:
    """(modality,) -> (batch, modality): logarithms of weights that sum to 1 over the modalities that are present."""
    lowest = torch.finfo(log_weights.dtype).min
    return log_weights.expand(present.shape).masked_fill(~present, lowest).log_softmax(dim=1)


def _centred(probabilities: Tensor, present: Tensor) -> Tensor:
    """(batch, modality, labels) -> (batch, modality * labels): how far above uniform; zero where absent."""
    return ((probabilities - 1 / probabilities.shape[-1]) * present.unsqueeze(-1)).flatten(1)
