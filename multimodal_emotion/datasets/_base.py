"""The contract of a corpus: it reports a published collection as released."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError, unknown

SPLITS = ("train", "validation", "test")


class Corpus(ABC):
    """A published collection under a folder. Nothing elsewhere knows a corpus by its name.

    Attributes:
        name: the file name.
        title, size, language, elicitation: what it is, for the list of corpora; elicitation is "acted", "elicited",
            "natural" or "written", several of them with commas, or "any".
        citation, licence: as published.
        task: the task it is made for.
        levels: the label sets it comes in; the first is the default. Empty if there is one only.
        modalities: which of "audio", "image", "text" it has.
        labels: the labels of the chosen level, in the order of the release (dimensions for a regression).
        ranges: for a regression, the range of each dimension.
        primary_metric: the metric that results on it are published in, such as "weighted_f1"; None is the task's own.
        folds: what it is cross-validated by, its published protocol first: columns of `extra`, or "speaker" for leaving
            one speaker out. Empty where official splits are the protocol.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    size: ClassVar[str]
    language: ClassVar[str]
    elicitation: ClassVar[str]
    citation: ClassVar[str]
    licence: ClassVar[str]
    task: str
    levels: ClassVar[tuple[str, ...]] = ()
    modalities: tuple[str, ...] = ("text",)
    labels: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = {}
    primary_metric: str | None = None
    folds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        """
        Args:
            root: the folder that holds the corpus as released.
            level: one of `levels`.

        Raises:
            InputError: the folder does not exist, or there is no such level.
        """
        self.root = Path(root)
        if not self.root.exists():
            raise InputError(
                f"corpus {self.name}: {self.root} does not exist; --root must name the folder of its files"
            )
        if level is not None and level not in self.levels:
            raise unknown("level", level, self.levels, f"corpus {self.name}")
        self.level = level or (self.levels[0] if self.levels else None)

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The splits whose files are there, of "train", "validation", "test", in this order."""

    @abstractmethod
    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split that is there, in the order of the release."""

    def missing(self) -> list[str]:
        """What the release has and the folder has not: one line each."""
        return []

    def notes(self) -> list[str]:
        """Where `read` departs from the release, such as a row that cannot be used: one line each."""
        return []

    def utterances(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split, in the order of the release.

        Raises:
            InputError: there is no such split, or its files are not here.
        """
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, f"corpus {self.name}")
        if split not in self.splits:
            here = ", ".join(self.splits) or "none"
            missing = "; ".join(self.missing()[:3])
            raise InputError(f"corpus {self.name}: no {split} split in {self.root} (here: {here}). {missing}".strip())
        return self.read(split)
