"""Finding and reading the files of a release."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.errors import InputError


class OneFilePerSplit(Corpus):
    """A corpus that is released with one file for each split.

    Attributes:
        files: for each split, the patterns below the root that its file may match, the released place first; `{level}`
            stands for the chosen level and `**/` for any folders.
    """

    files: ClassVar[Mapping[str, Sequence[str]]]

    @abstractmethod
    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """The utterances of one file, in its order."""

    def file(self, split: str) -> Path | None:
        """The file of a split; None if it is not here."""
        return find(self.root, *(pattern.format(level=self.level) for pattern in self.files[split]))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits whose file is there."""
        return tuple(split for split in SPLITS if split in self.files and self.file(split))

    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split that is there, in the order of the release."""
        path = self.file(split)
        assert path is not None, f"{split} is not one of {self.splits}"
        return self.read_file(path, split)

    def missing(self) -> list[str]:
        """The splits whose file is absent, with the file's name."""
        absent = (split for split in self.files if not self.file(split))
        return [f"{split}: no {self.files[split][0].format(level=self.level)}" for split in absent]


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """The files below a folder: the folder and the name of each. Links to folders are followed, to each folder once."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        state = os.stat(folder)
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        yield from ((folder, name) for name in names)


def find(root: Path, *patterns: str) -> Path | None:
    """The file below a folder that matches the earliest of the patterns, the shallowest one first.

    Args:
        root: the folder.
        patterns: as of `Path.glob`; "**/NAME" is a name anywhere below, also where links to folders lead.
    """
    for pattern in patterns:
        anywhere = pattern.removeprefix("**/")
        if anywhere != pattern and "/" not in anywhere:
            found = (Path(folder, name) for folder, name in walk(root) if fnmatchcase(name, anywhere))
        else:
            found = iter(root.glob(pattern))
        matches = [path for path in found if path.is_file()]
        if matches:
            return min(matches, key=lambda path: (len(path.parts), str(path)))
    return None


def read_text(path: Path, fallback: str | None = None) -> str:
    """The text of a UTF-8 file, a byte order mark removed and line ends kept.

    Args:
        path: the file.
        fallback: the encoding of old copies of the file, tried where it is not UTF-8.

    Raises:
        InputError: the file is not UTF-8; line, byte and the right encoding are named.
    """
    return decode(path.read_bytes(), str(path), fallback)


def decode(content: bytes, place: str, fallback: str | None = None) -> str:
    """The text of the content of a file; see `read_text`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if fallback is not None:
            return content.decode(fallback, "replace")
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        raise InputError(f"{place}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error


def numbered_lines(path: Path) -> list[tuple[str, str]]:
    r"""The lines of a UTF-8 file without their ends, each with its place, "FILE, line 3"; empty lines are left out.

    Only "\n" and "\r\n" end a line: the further line ends of `str.splitlines` stand inside released sentences.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [(f"{path}, line {number}", line.rstrip("\r")) for number, line in lines if line.strip()]


def pick(labels: Sequence[str], index: str, place: str) -> str:
    """The label that a released number stands for.

    Args:
        labels: in the order of their numbers, from 0.
        index: the number as it stands in the file.
        place: where it stands, such as "FILE, line 3".

    Raises:
        InputError: it is not the number of a label.
    """
    if index.isdecimal() and int(index) < len(labels):
        return labels[int(index)]
    raise InputError(f"{place}: {index!r} is no label; a number from 0 to {len(labels) - 1} is expected")


def mend(text: str) -> str:
    """Restores quotation marks and dashes of Windows-1252 that were carried into Unicode as control characters."""
    return "".join(_WINDOWS.get(letter, letter) for letter in text)


_WINDOWS = {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
