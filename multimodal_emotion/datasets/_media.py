"""Corpora of recordings: finding the files of a release, and what they share."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._files import read_text, walk
from multimodal_emotion.datasets._table import Row, read_table
from multimodal_emotion.datasets.manifest import SPLIT_NAMES
from multimodal_emotion.errors import unknown

AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
VIDEO = (".mp4", ".avi", ".flv", ".mkv", ".mov", ".webm", ".mpg")
IMAGE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MEDIUM_OF = {suffix: kind for kind, of in {"audio": AUDIO, "video": VIDEO, "image": IMAGE}.items() for suffix in of}

_SEED = 1
_NOT_EXTRA = ("path", "label", "split", "subject", "transcript", "language")


class Collected(Corpus):
    """A corpus that is read as a whole and then divided into splits.

    Attributes:
        released: how many utterances the release has, over all splits; for each level where they differ.
        divided: the splits that it is divided into.
        label_sets: the labels of each level, for corpora with levels. The level "dimensions" is a regression.
        limits: the range of each dimension of a regression.
    """

    released: ClassVar[int | Mapping[str, int]]
    divided: ClassVar[tuple[str, ...]] = SPLITS
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    limits: ClassVar[tuple[float, float]]

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        super().__init__(root, level)
        if self.level is not None:
            self.labels = self.label_sets[self.level]
        if self.level == "dimensions":
            self.task = "regression"
        if self.task == "regression":
            self.ranges = dict.fromkeys(self.labels, self.limits)
        everything = [utterance for rows in self.rows.values() for utterance in rows]
        self.modalities = modalities_of(everything) or self.modalities

    @abstractmethod
    def collect(self) -> Iterable[tuple[str, Utterance]]:
        """Each utterance that is here, with its split, in the order of the release."""

    @cached_property
    def rows(self) -> Mapping[str, Sequence[Utterance]]:
        """The utterances that are here, by split."""
        rows: dict[str, list[Utterance]] = {}
        for split, utterance in self.collect():
            rows.setdefault(split, []).append(utterance)
        return rows

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are utterances of."""
        return tuple(split for split in SPLITS if split in self.rows)

    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split that is there, in the order of the release."""
        return self.rows[split]

    def missing(self) -> list[str]:
        """The splits without utterances, and how many utterances of the release are here."""
        here = sum(len(rows) for rows in self.rows.values())
        released = self.released if isinstance(self.released, int) else self.released[str(self.level)]
        lines = [f"{split}: nothing of it is here" for split in self.divided if split not in self.splits]
        return lines if here >= released else [*lines, f"{here:,} of {released:,} utterances are here"]


class Recordings(Collected):
    """A corpus whose recordings tell by their names what they are, wherever they lie below the root.

    Sound, video and pictures of one utterance are put together. A `manifest.csv` with a column `path`, where there is one,
    adds its columns to `extra`; its columns `split` and `transcript` count more than what is known otherwise.

    Attributes:
        suffixes: endings of the files to look for; where an utterance has several files for one medium, an earlier ending
            counts more.
    """

    suffixes: ClassVar[tuple[str, ...]] = (*AUDIO, *VIDEO)

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        self.copies: list[Path] = []
        super().__init__(root, level)

    @abstractmethod
    def parse(self, path: Path) -> Utterance | None:
        """What the name of a file says, without the file itself; None if it is not one of this corpus (or level).

        Files with the same `id` are of one utterance.
        """

    @abstractmethod
    def split_of(self, utterance: Utterance) -> str:
        """The split of an utterance, by the protocol that the corpus' file describes."""

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """Each utterance that is here, with its split, in the order of ids."""
        listed = manifest_rows(self.root)
        for utterance in self._takes():
            row = next((listed[path.stem] for path in _files(utterance) if path.stem in listed), None)
            yield (self.split_of(utterance), utterance) if row is None else self._as_listed(utterance, row)

    def notes(self) -> list[str]:
        """Files that stand there twice."""
        if not self.copies:
            return []
        return [f"{len(self.copies)} files have the name of another one and are not read, such as {self.copies[0]}"]

    def _takes(self) -> list[Utterance]:
        takes: dict[str, Utterance] = {}
        for path in files_below(self.root, self.suffixes):
            parsed = self.parse(path)
            if parsed is None:
                continue
            take = takes.setdefault(parsed.id, parsed)
            medium: dict[str, Any] = {MEDIUM_OF[path.suffix.lower()]: path}
            known = getattr(take, *medium)
            if known is None:
                takes[parsed.id] = replace(take, **medium)
            elif known.name == path.name:
                self.copies.append(path)
        return [takes[name] for name in sorted(takes)]

    def _as_listed(self, utterance: Utterance, row: Row) -> tuple[str, Utterance]:
        split = SPLIT_NAMES.get(row.text("split") or self.split_of(utterance))
        if split is None:
            raise unknown("split", row.text("split"), SPLIT_NAMES, row.place)
        further = {name: row.text(name) for name in row.cells if name not in _NOT_EXTRA}
        text = row.text("transcript") or utterance.text
        return split, replace(utterance, text=text, extra={**utterance.extra, **further})


def files_below(root: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files below a folder with one of these endings: earlier endings first, then by name, then the shallowest.

    Hidden files, such as the "._name" that some systems leave in archives, are none.
    """
    # The globs of pathlib take ten times as long over tens of thousands of files.
    names = ((folder, name) for folder, name in walk(root) if not name.startswith("."))
    found = [Path(folder, name) for folder, name in names if os.path.splitext(name)[1].lower() in suffixes]
    rank = {suffix: number for number, suffix in enumerate(suffixes)}
    return sorted(found, key=lambda path: (rank[path.suffix.lower()], path.name, len(path.parts), str(path)))


def by_name(root: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files below a folder with one of these endings, by name; of several with one name the shallowest."""
    return {path.name: path for path in reversed(files_below(root, suffixes))}


def manifest_rows(root: Path) -> dict[str, Row]:
    """The rows of all `manifest.csv` with a column `path`, by the name of the file without its ending."""
    rows: dict[str, Row] = {}
    for path in sorted(Path(folder, name) for folder, name in walk(root) if name == "manifest.csv"):
        table = read_table(path)
        if "path" in table.columns:
            rows.update((Path(row.text("path")).stem, row) for row in table.rows)
    return rows


def lines_of(path: Path) -> list[str]:
    """The lines of a text file of a release, UTF-8 or the Windows-1252 of older ones, without the white space around."""
    return [line.strip() for line in read_text(path, fallback="cp1252").split("\n") if line.strip()]


def modalities_of(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """Which of audio, image and text some of the utterances have; a video is both sound and picture."""
    found = {
        kind
        for row in utterances
        for kind, there in (
            ("audio", row.audio or row.video),
            ("image", row.image or row.video),
            ("text", row.text),
        )
        if there
    }
    return tuple(sorted(found))


def draw(group: str) -> str:
    """The split that a speaker (or another group) gets where none is official: about 80 % train, 10 %, 10 %.

    It depends on the name of the group alone: what else is here, or is not, changes nothing.
    """
    part = hashlib.sha256(f"{_SEED}:{group}".encode()).digest()[0] / 256
    return "train" if part < 0.8 else "validation" if part < 0.9 else "test"


def _files(utterance: Utterance) -> Iterator[Path]:
    yield from (path for path in (utterance.video, utterance.audio, utterance.image) if path is not None)
