"""The contract of an encoder: a medium goes in, a sequence of vectors comes out."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from multimodal_emotion.batch import MaskedSequence, Utterance
from multimodal_emotion.errors import InputError


class Preparation(ABC):
    """Turns an utterance into an array, without weights: picklable, so that worker processes can run it.

    Everything that shapes the array is a public attribute: `settings()` addresses the feature cache.

    Attributes:
        fill: the value of padding.
        max_length: steps at most, where the encoder has such a limit; 0 where it has none.
        cheap: whether all rows of a corpus may be prepared at once and kept in memory (token ids).
    """

    fill: float = 0.0
    max_length: int = 0
    cheap: ClassVar[bool] = False

    @abstractmethod
    def read(self, utterance: Utterance) -> Any | None:
        """The medium of the utterance (text, sound, frames, ...), decoded; None if the utterance does not have it."""

    @abstractmethod
    def __call__(self, medium: Any) -> np.ndarray:
        """The array (time, *feature) of a medium that `read` gave. Zero steps mean absent."""

    def many(self, media: Sequence[Any | None]) -> list[np.ndarray | None]:
        """The arrays of many media at once; None stays None."""
        return [None if medium is None else self(medium) for medium in media]

    def word_starts(self, medium: Any) -> np.ndarray:
        """(words,): the step that starts each word of a medium with words; only text encoders have it."""
        raise InputError(f"{type(self).__name__} knows no words; word-level tasks need a text encoder")

    def settings(self) -> dict[str, Any]:
        """Everything that shapes the array."""
        return {key: value for key, value in sorted(vars(self).items()) if not key.startswith("_")}


class Encoder(nn.Module, ABC):
    """An encoder: `prepare` makes arrays in worker processes, `forward` makes vectors.

    `forward` is `pool(extract(inputs))`. `extract` is the pretrained part, which a feature cache may stand in for when it is
    frozen; `pool` is the small part that is always trained.

    Attributes:
        medium: what `prepare` reads: "text", "audio", "image" or "features".
        dim: width of the output.
        prepare: the `Preparation`.
        padding_invariant: whether a padded row gives the same output as the row alone. Where it does not, `forward` runs
            rows of equal length together, so that a caller never sees a difference.
        frozen: whether `extract` is without gradient (set by `freeze`).
    """

    medium: ClassVar[str]
    dim: int
    prepare: Preparation
    padding_invariant: bool = True
    frozen: bool = False

    @abstractmethod
    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time, *feature) -> (batch, time', width) by the pretrained part. No row is absent."""

    def pool(self, features: MaskedSequence) -> MaskedSequence:
        """(batch, time', width) -> (batch, time'', dim) by the part that is always trained. No row is absent."""
        return features

    def blocks(self) -> list[nn.Module]:
        """The pretrained part from the input upwards: embeddings first, then the layers. For freezing and layer-wise rates."""
        return []

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what building this encoder again needs besides its weights (configuration, tokeniser) into a folder.

        The constructor, given that folder as `checkpoint` and `weights=False`, builds the same architecture.
        """

    def forward(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time, *feature) -> (batch, time', dim); absent rows come out as zeros with an all-False mask."""
        return self._over_present(inputs, lambda rows: self.pool(self.extract_rows(rows)))

    def features(self, inputs: MaskedSequence) -> MaskedSequence:
        """`extract` for any batch, absent rows included: what a feature cache keeps."""
        return self._over_present(inputs, self.extract_rows)

    def pool_features(self, features: MaskedSequence) -> MaskedSequence:
        """`pool` for any batch, absent rows included: what follows a feature cache."""
        return self._over_present(features, self.pool)

    def extract_rows(self, inputs: MaskedSequence) -> MaskedSequence:
        """`extract` without gradient where frozen, and by equal lengths where padding would change the result."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            if self.padding_invariant:
                return self.extract(inputs)
            lengths = inputs.mask.sum(dim=1)
            groups = [(lengths == length).nonzero(as_tuple=True)[0] for length in lengths.unique()]
            if len(groups) == 1:
                return self.extract(inputs.rows(groups[0]))
            return _scatter([(index, self.extract(inputs.rows(index))) for index in groups], len(lengths))

    def _over_present(self, inputs: MaskedSequence, function: Any) -> MaskedSequence:
        present = inputs.present
        if bool(present.all()):
            return function(inputs)
        if not bool(present.any()):
            device = inputs.values.device
            return MaskedSequence(
                torch.zeros(len(present), 1, self.dim, device=device),
                torch.zeros(len(present), 1, dtype=torch.bool, device=device),
            )
        index = present.nonzero(as_tuple=True)[0]
        return _scatter([(index, function(inputs.rows(index)))], len(present))

    @property
    def wants_fit(self) -> bool:
        """Whether `fit` must see the features of the training split before training."""
        return False

    def fit(self, features: Iterable[MaskedSequence]) -> None:
        """Learns from the features of the training split, one utterance or batch after the other (standardisation)."""

    def freeze(self, bottom: int | None = None) -> None:
        """Freezes the pretrained part: all of it, or the bottom blocks only (the embeddings count as one).

        Args:
            bottom: how many of `blocks()`; None freezes the whole pretrained part, also in its dropout.

        Raises:
            ValueError: there are not that many blocks.
        """
        blocks = self.blocks()
        if bottom is not None and not 0 <= bottom <= len(blocks):
            raise ValueError(f"cannot freeze {bottom} blocks: {type(self).__name__} has {len(blocks)}")
        if bottom is None:
            self.frozen = True
            for parameter in self.pretrained_parameters():
                parameter.requires_grad_(False)
            self.train(self.training)
            return
        for block in blocks[:bottom]:
            for parameter in block.parameters():
                parameter.requires_grad_(False)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """The parameters of the pretrained part: by convention those of the attribute `backbone`."""
        backbone = getattr(self, "backbone", None)
        return list(backbone.parameters()) if isinstance(backbone, nn.Module) else []

    def train(self, mode: bool = True) -> "Encoder":
        """Training mode; a frozen pretrained part stays in evaluation mode, so that its features are constant."""
        super().train(mode)
        backbone = getattr(self, "backbone", None)
        if self.frozen and isinstance(backbone, nn.Module):
            backbone.eval()
        return self

    def fingerprint(self) -> str:
        """A hash of everything that shapes `features`: preparation, architecture and weights of the pretrained part."""
        digest = hashlib.sha256()
        digest.update(json.dumps(self.prepare.settings(), sort_keys=True, default=str).encode())
        digest.update(type(self).__qualname__.encode())
        digest.update(self.extract_settings().encode())
        backbone = getattr(self, "backbone", None)
        if isinstance(backbone, nn.Module):
            for name, tensor in sorted(backbone.state_dict().items()):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def extract_settings(self) -> str:
        """Settings that shape `extract` besides the preparation and the weights, as text."""
        return ""


def _scatter(parts: list[tuple[Tensor, MaskedSequence]], size: int) -> MaskedSequence:
    """Puts parts, each with its row numbers, back into one batch of `size` rows; rows in no part are absent."""
    longest = max(part.values.shape[1] for _, part in parts)
    first = parts[0][1].values
    values = first.new_zeros(size, longest, *first.shape[2:])
    mask = torch.zeros(size, longest, dtype=torch.bool, device=first.device)
    for index, part in parts:
        steps = part.values.shape[1]
        padded = nn.functional.pad(part.values, [0, 0] * (first.dim() - 2) + [0, longest - steps])
        values = values.index_copy(0, index, padded)
        mask[index, :steps] = part.mask
    return MaskedSequence(values, mask)
