"""What flows through the model: the undecoded `Utterance`, the padded `MaskedSequence`, the `Batch` of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

Label = str | tuple[str, ...] | Mapping[str, float]
"""One label (multiclass); several, or one for each word (multilabel, sequence labelling); a number for each name
(dimensions of a regression, or the votes of raters over labels)."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled unit, undecoded: what a corpus lists and what a prediction is asked for.

    Attributes:
        id: unique in its corpus.
        text: the words as a sentence; None if there are none.
        words: the words as released, for corpora that label each word; None elsewhere.
        audio, image, video: files; a video yields sound and frames.
        start, end: the interval of this utterance in its audio or video file, in seconds; None for the whole file.
        label: see `Label`; None where unlabelled.
        speaker, dialogue, turn: who speaks, in which dialogue, at which position of it (from 0).
        context: the utterances before this one, oldest first, each "speaker: text" or "text".
        features: ready-made numbers by modality name: a file (.npy, .npz) or a tuple of numbers.
        extra: further columns of the corpus, such as "gender" or "fold".
    """

    id: str
    text: str | None = None
    words: tuple[str, ...] | None = None
    audio: Path | None = None
    image: Path | None = None
    video: Path | None = None
    start: float | None = None
    end: float | None = None
    label: Label | None = None
    speaker: str | None = None
    dialogue: str | None = None
    turn: int | None = None
    context: tuple[str, ...] = ()
    features: Mapping[str, Path | tuple[float, ...]] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaskedSequence:
    """A padded sequence of one modality, before or after encoding.

    Attributes:
        values: (batch, time, *feature); feature is () for token ids and audio samples, (3, height, width) for frames,
            (dim,) once encoded.
        mask: (batch, time), True where real. A row that is all False: the modality is absent.
    """

    values: Shaped[Tensor, "batch time ..."]
    mask: Bool[Tensor, "batch time"]

    @property
    def present(self) -> Bool[Tensor, " batch"]:
        """Which rows have the modality."""
        return self.mask.any(dim=1)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "MaskedSequence":
        """The same sequence on another device."""
        return MaskedSequence(
            self.values.to(device, non_blocking=non_blocking), self.mask.to(device, non_blocking=non_blocking)
        )

    def rows(self, index: Tensor) -> "MaskedSequence":
        """Some rows, by a boolean mask (batch,) or by positions, cut to the longest of them (at least one step)."""
        mask = self.mask[index]
        steps = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        longest = max(1, int((mask * steps).amax())) if mask.numel() else 1
        return MaskedSequence(self.values[index][:, :longest], mask[:, :longest])


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training or prediction step sees.

    Attributes:
        inputs: by modality name.
        target: as the task codes it, first axis batch; None when predicting.
        ids: of the utterances, in order.
        words: (batch, words), the token that starts each word, -1 where there is none; only for word-level tasks.
        encoded: the modalities whose inputs are features of a frozen encoder (`Encoder.features`) already.
        errors: of each utterance: why a modality that it names could not be decoded.
    """

    inputs: Mapping[str, MaskedSequence]
    target: Tensor | None
    ids: Sequence[str]
    words: Int[Tensor, "batch words"] | None = None
    encoded: frozenset[str] = frozenset()
    errors: Sequence[tuple[str, ...]] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on another device."""
        return replace(
            self,
            inputs={name: sequence.to(device, non_blocking) for name, sequence in self.inputs.items()},
            target=None if self.target is None else self.target.to(device, non_blocking=non_blocking),
            words=None if self.words is None else self.words.to(device, non_blocking=non_blocking),
        )


def pad(rows: Sequence[Tensor | None], fill: float = 0, length: int | None = None) -> MaskedSequence:
    """Pads rows (time, *feature) to one MaskedSequence; None (or an empty row) is an absent modality.

    Args:
        rows: at least one of them not None, to know the shape of a feature; all None gives (batch, 1) zeros.
        fill: the value of the padding.
        length: pad to this many steps; None pads to the longest row.
    """
    known = next((row for row in rows if row is not None), torch.zeros(0))
    lengths = [0 if row is None else len(row) for row in rows]
    longest = max(1, *lengths, length or 0)
    values = torch.full((len(rows), longest, *known.shape[1:]), fill, dtype=known.dtype)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        if row is not None:
            values[number, : len(row)] = row
            mask[number, : len(row)] = True
    return MaskedSequence(values, mask)
