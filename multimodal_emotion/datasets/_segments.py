"""Corpora of opinion videos, cut into segments: a table of labels, and segments or whole videos."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import AUDIO, MEDIUM_OF, VIDEO, Collected, files_below, lines_of
from multimodal_emotion.datasets._table import Row, Table, as_number, read_table
from multimodal_emotion.datasets.manifest import SPLIT_NAMES
from multimodal_emotion.errors import InputError, unknown

Key = tuple[str, str]
"""A video and the number of a segment in it."""


class Segments(Collected):
    """`label.csv` with the columns video_id, clip_id, text, label, mode; `VIDEO/CLIP.mp4` or `VIDEO_CLIP.mp4` (or .wav).

    Where a segment has no file of its own but its times are known (columns start and end, or the transcripts of the
    release), it is that interval of the whole video `VIDEO.mp4`.

    Attributes:
        columns: for each level the column of its value.
    """

    task = "regression"
    labels = ("sentiment",)
    columns: ClassVar[Mapping[str, str]] = {"": "label"}
    limits = (-3.0, 3.0)
    modalities = ("audio", "image", "text")

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The rows of the table, in its order."""
        table = self.table
        if table is None:
            return
        table.require("video_id", "clip_id", self.columns[self.level or ""], "mode")
        for row in table.rows:
            split = SPLIT_NAMES.get(row.text("mode"))
            if split is None:
                raise unknown("split", row.text("mode"), SPLIT_NAMES, row.place)
            yield split, self._utterance(row)

    @cached_property
    def table(self) -> Table | None:
        """The labels; None if they are not here."""
        path = find(self.root, "label.csv", "**/label.csv", "labels.csv", "**/labels.csv")
        return None if path is None else read_table(path)

    def missing(self) -> list[str]:
        """Also how many segments have neither sound nor picture here."""
        lines = super().missing()
        if self.table is None:
            return ["labels: no label.csv", *lines]
        bare = [row.id for rows in self.rows.values() for row in rows if row.audio is None and row.video is None]
        return [*lines, f"media of {len(bare):,} segments, such as {bare[0]}"] if bare else lines

    def _utterance(self, row: Row) -> Utterance:
        video, clip = key = row.text("video_id"), _number(row.text("clip_id"))
        said, start, end = self.transcripts.get(key, ("", None, None))
        start, end = as_number(row.cells.get("start")) or start, as_number(row.cells.get("end")) or end
        own = self.files.get(key, {})
        whole = self.files.get((video, ""), {}) if not own and end is not None else {}
        found = own or whole
        return Utterance(
            id=f"{video}_{row.text('clip_id')}",
            text=row.text("text") or said or None,
            audio=found.get("audio"),
            video=found.get("video"),
            start=start if whole else None,
            end=end if whole else None,
            label={"sentiment": self._value(row)},
            speaker=video,
            dialogue=video,
            turn=int(clip) if clip.isdecimal() else None,
        )

    def _value(self, row: Row) -> float:
        column = self.columns[self.level or ""]
        value, (low, high) = row.number(column), self.limits
        if not low <= value <= high:
            raise InputError(
                f"{row.place}: {column} is {row.text(column)}; a number from {low:g} to {high:g} is expected"
            )
        return value

    @cached_property
    def files(self) -> Mapping[Key, dict[str, Path]]:
        """Sound and video of each segment, and of whole videos (segment ""); the files of segments may lie anywhere."""
        found: dict[Key, dict[str, Path]] = {}
        for path in files_below(self.root, (*VIDEO, *AUDIO)):
            for key in _keys(path):
                found.setdefault(key, {}).setdefault(MEDIUM_OF[path.suffix.lower()], path)
        return found

    @cached_property
    def transcripts(self) -> Mapping[Key, tuple[str, float | None, float | None]]:
        """Words and times of each segment, as far as the release has them beside its table."""
        found: dict[Key, tuple[str, float | None, float | None]] = {}
        for path in sorted(self.root.rglob("Segmented/**/*")):
            for line in lines_of(path) if path.suffix in (".annotprocessed", ".txt") else ():
                if "_DELIM_" in line:
                    number, _, said = line.partition("_DELIM_")
                    found[path.stem, _number(number)] = said.strip(), None, None
                elif len(parts := line.split("___", 4)) == 5:
                    found[path.stem, _number(parts[1])] = parts[4].strip(), as_number(parts[2]), as_number(parts[3])
        return found


def _keys(path: Path) -> list[Key]:
    """What a file may be: segment CLIP of its folder, segment CLIP of VIDEO, or a whole video."""
    keys = [(path.parent.name, _number(path.stem)), (path.stem, "")]
    for separator in ("$_$", "_"):
        video, found, clip = path.stem.rpartition(separator)
        if found and video:
            keys.append((video, _number(clip)))
    return keys


def _number(clip: str) -> str:
    """The number of a segment without leading zeros; spreadsheets lose them."""
    return clip.strip().lstrip("0") or "0"
