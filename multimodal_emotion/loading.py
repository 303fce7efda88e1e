"""Utterances -> batches: prepares each modality, codes the label, groups rows of similar length, pads."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from multimodal_emotion.batch import Batch, Utterance, pad
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.tasks._base import Task

Collated = TypeVar("Collated")

MEGABATCH = 64
"""Rows are sorted by length within this many batches: enough to save nearly all padding, few enough to stay shuffled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One prepared utterance: arrays (time, *feature) by modality (None: absent), its coded label, its words' tokens."""

    id: str
    arrays: Mapping[str, np.ndarray | None]
    target: np.ndarray | None = None
    words: np.ndarray | None = None
    errors: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether any modality is there."""
        return any(array is not None for array in self.arrays.values())


class Rows(Dataset[Row]):
    """The torch view of some utterances. Text is tokenised once, at the start; everything else when it is asked for.

    Attributes:
        problems: by utterance, why something of it could not be decoded; filled by `note` as batches go by.
        epoch: of the training, which augmentations depend on.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        preparations: Mapping[str, Preparation],
        task: Task | None = None,
        *,
        words: bool = False,
        on_error: str = "raise",
        features: Mapping[str, Sequence[np.ndarray | None]] | None = None,
        augment: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """
        Args:
            utterances: the rows.
            preparations: by modality name.
            task: codes the labels; None leaves targets out (prediction).
            words: whether the words' tokens are wanted (word-level tasks).
            on_error: "raise", or "skip": a modality that cannot be decoded is absent, and `Row.errors` says why.
            features: of frozen encoders, by modality name, one (time', width) for each utterance: they stand in for
                what `preparations` would give.
            augment: by modality name, see `augmentation.Chain`; a row is then read anew in each `epoch`.
        """
        self.utterances = utterances
        self.preparations = dict(sorted(preparations.items()))
        self.task = task
        self.words = words
        self.on_error = on_error
        self.targets = None if task is None else [task.target(utterance) for utterance in utterances]
        self.problems: dict[str, tuple[str, ...]] = {}
        self.augment = dict(augment or {})
        self.epoch = 0
        self.encoded = frozenset(features or {})
        self.ready: dict[str, Sequence[np.ndarray | None]] = dict(features or {})
        for name, preparation in self.preparations.items():
            if preparation.cheap and not words and name not in self.ready:
                self.ready[name] = preparation.many([preparation.read(utterance) for utterance in utterances])

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Row:
        utterance = self.utterances[index]
        arrays: dict[str, np.ndarray | None] = {}
        errors = []
        starts = None
        for name, preparation in self.preparations.items():
            if name in self.ready and name not in self.augment:
                arrays[name] = self.ready[name][index]
                continue
            try:
                medium = self._changed(name, preparation.read(utterance), utterance, prepared=False)
                array = None if medium is None else preparation(medium)
                if self.words and medium is not None:
                    starts = preparation.word_starts(medium)
            except InputError as error:
                if self.on_error == "raise":
                    raise InputError(f"utterance {utterance.id}: {error}") from error
                errors.append(str(error))
                array = None
            array = array if array is not None and len(array) else None
            arrays[name] = self._changed(name, array, utterance, prepared=True)
        target = None if self.targets is None else self.targets[index]
        return Row(utterance.id, arrays, target, starts, tuple(errors))

    def _changed(self, name: str, value: Any, utterance: Utterance, *, prepared: bool) -> Any:
        """A medium or array as it is in this epoch."""
        if value is None or name not in self.augment:
            return value
        return self.augment[name](value, self.epoch, utterance.id, prepared=prepared)

    def note(self, batch: Batch) -> None:
        """Takes down what could not be decoded in a batch of these rows (which another process may have made)."""
        self.problems.update({name: errors for name, errors in zip(batch.ids, batch.errors, strict=True) if errors})

    def length(self, index: int) -> int:
        """How long a row is, for grouping: tokens if there is text, else tenths of seconds where the corpus knows them."""
        for rows in self.ready.values():
            row = rows[index]
            if row is not None:
                return len(row)
        utterance = self.utterances[index]
        if utterance.start is not None and utterance.end is not None:
            return int(10 * (utterance.end - utterance.start))
        return int(10 * float(utterance.extra.get("duration_s", 0) or 0))


@dataclass(frozen=True)
class Collate:
    """Rows -> Batch. Picklable, for worker processes.

    Attributes:
        fills: the value of the padding by modality name.
        task: collates targets.
        lengths: pad a modality to this many steps instead of to the longest row.
        encoded: the modalities whose arrays are features already.
    """

    fills: Mapping[str, float] = field(default_factory=dict)
    task: Task | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    encoded: frozenset[str] = frozenset()

    def __call__(self, rows: Sequence[Row]) -> Batch:
        inputs = {
            name: pad(
                [_tensor(row.arrays[name]) for row in rows], self.fills.get(name, 0), length=self.lengths.get(name)
            )
            for name in rows[0].arrays
        }
        targets = [row.target for row in rows if row.target is not None]
        words = [row.words for row in rows if row.words is not None]
        return Batch(
            inputs=inputs,
            target=self.task.collate(targets) if self.task is not None and targets else None,
            ids=tuple(row.id for row in rows),
            words=_pad_words(words) if words else None,
            encoded=self.encoded,
            errors=tuple(row.errors for row in rows),
        )


def collate_for(
    preparations: Mapping[str, Preparation],
    task: Task | None = None,
    padding: str = "longest",
    encoded: frozenset[str] = frozenset(),
) -> Collate:
    """The Collate of these preparations: their padding values and, for padding "max_length", their lengths."""
    lengths = {
        name: preparation.max_length
        for name, preparation in preparations.items()
        if padding == "max_length" and preparation.max_length
    }
    fills = {name: 0.0 if name in encoded else preparation.fill for name, preparation in preparations.items()}
    return Collate(fills, task, lengths, encoded)


def plan(
    lengths: Sequence[int],
    batch_size: int,
    *,
    seed: int | None = None,
    buckets: bool = True,
    groups: Sequence[Hashable] | None = None,
) -> list[list[int]]:
    """Which rows make each batch.

    Args:
        lengths: of the rows.
        batch_size: rows in a batch; the last may be smaller.
        seed: shuffles; None keeps the order (with buckets: the longest rows first, throughout).
        buckets: rows of similar length together, within shuffled groups of MEGABATCH batches; the batches are shuffled.
        groups: of each row; each group then gives as many rows, see `balanced`. Needs a seed.

    Returns:
        Lists of row numbers, as many as there are rows; without groups each row is in exactly one.
    """
    count = len(lengths)
    generator = np.random.default_rng(seed)
    if groups is not None:
        order = balanced(groups, generator)
    else:
        order = np.arange(count) if seed is None else generator.permutation(count)
    if buckets:
        span = max(count, 1) if seed is None else batch_size * MEGABATCH
        keys = np.asarray(lengths)
        parts = [order[start : start + span] for start in range(0, count, span)]
        order = np.concatenate([part[np.argsort(keys[part], kind="stable")] for part in parts]) if parts else order
    batches = [order[start : start + batch_size].tolist() for start in range(0, count, batch_size)]
    if buckets and seed is not None:
        generator.shuffle(batches)
    elif buckets:
        # Memory that a batch gave back then has room for the next; from short to long, each would take new memory.
        batches.reverse()
    return batches


def balanced(groups: Sequence[Hashable], generator: np.random.Generator) -> Int[np.ndarray, " rows"]:
    """As many row numbers as there are rows, shuffled, of which each group has as many (but for one).

    Rows of a small group are repeated, each as often (but for one); of a large group, a part is drawn.
    """
    members: dict[Hashable, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    # Which groups give one more than the others is drawn too.
    quotas = len(groups) // len(members) + (generator.permutation(len(members)) < len(groups) % len(members))
    drawn = [
        np.concatenate([generator.permutation(numbers) for _ in range(-(-quota // len(numbers)))])[:quota]
        for numbers, quota in zip(members.values(), quotas, strict=True)
    ]
    return generator.permutation(np.concatenate(drawn))


def groups_of(utterances: Sequence[Utterance], task: Task, by: str) -> list[Hashable] | None:
    """What `training.sampling` balances.

    Args:
        utterances: labelled.
        task: codes their labels.
        by: "label", "speaker", "dialogue" or a column of `extra` ("corpus", of several as one); "none" gives None.

    Raises:
        InputError: a task without one label for each utterance; an utterance without a value.
    """
    if by == "none":
        return None
    if by == "label":
        if task.space != "probability" or task.resolution != "utterance":
            raise InputError(
                f"training.sampling label needs one label for each utterance, which task {task.name} has not"
            )
        return [task.label(task.target(utterance)) for utterance in utterances]
    return column(utterances, by, "training.sampling")


def column(utterances: Sequence[Utterance], name: str, setting: str, *, needed: bool = True) -> list[Hashable]:
    """What utterances have in a column.

    Args:
        utterances: any.
        name: "speaker", "dialogue" or a column of `extra`.
        setting: that asks for it, for messages.
        needed: whether an utterance without a value is an error; else it has None.

    Raises:
        InputError: an utterance has no value there.
    """
    values = [getattr(each, name) if name in ("speaker", "dialogue") else each.extra.get(name) for each in utterances]
    if needed and None in values:
        without = utterances[values.index(None)]
        known = ", ".join(("label", "speaker", "dialogue", *without.extra))
        raise InputError(f"{setting} is {name!r}, but utterance {without.id} has none (known: {known})")
    return values


def loader(
    rows: Rows, batches: Sequence[Sequence[int]], collate: Callable[..., Collated], workers: int = 0
) -> Iterator[Collated]:
    """Batches in the given order, prepared by worker processes (0: in this one)."""
    return iter(
        DataLoader(
            rows,
            batch_sampler=list(batches),  # type: ignore[arg-type]  # a sampler is any iterable of lists
            collate_fn=collate,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            pin_memory=torch.cuda.is_available(),
        )
    )


def _tensor(array: np.ndarray | None) -> Tensor | None:
    return None if array is None or not len(array) else torch.from_numpy(array)


def _pad_words(words: Sequence[np.ndarray]) -> Tensor:
    longest = max(1, *(len(row) for row in words))
    padded = torch.full((len(words), longest), -1, dtype=torch.long)
    for number, row in enumerate(words):
        padded[number, : len(row)] = torch.from_numpy(row)
    return padded
