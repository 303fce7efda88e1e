"""Reads the rows of a manifest as utterances."""

from pathlib import Path
from typing import Any

from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._columns import FEATURES, MEDIA, Columns
from multimodal_emotion.datasets._labelling import parse_label, words_of
from multimodal_emotion.datasets._table import Row, Table, as_number
from multimodal_emotion.errors import InputError


class RowReader:
    """Makes an utterance of each row; whatever is wrong with a row is an InputError naming its place."""

    def __init__(self, table: Table, columns: Columns, task: str) -> None:
        """
        Args:
            table: the manifest.
            columns: which of its columns means what.
            task: what its labels mean, see `parse_label`.
        """
        self.table = table
        self.columns = columns
        self.task = task
        self.folder = table.path.parent

    def read(self) -> tuple[Utterance, ...]:
        """All rows as utterances, in their order.

        Raises:
            InputError: an id twice, an empty text, a file that is not there, or a cell that is not what its column
                needs.
        """
        lines: dict[str, int] = {}
        utterances = []
        for row in self.table.rows:
            utterance = self._utterance(row)
            first = lines.setdefault(utterance.id, row.line)
            if first != row.line:
                raise InputError(f"{row.place}: id {utterance.id!r} stands in line {first} already; ids are unique")
            utterances.append(utterance)
        return tuple(utterances)

    def _utterance(self, row: Row) -> Utterance:
        label = parse_label(row, self.columns.label_cells(row), self.task)
        text = self.columns.text(row, "text")
        words = self._words(row, text, label)
        start, end = self._interval(row)
        utterance = Utterance(
            id=self.columns.text(row, "id") or f"line-{row.line}",
            text=text or " ".join(words or ()) or None,
            words=words,
            audio=self._file(row, "audio"),
            image=self._file(row, "image"),
            video=self._file(row, "video"),
            start=start,
            end=end,
            label=label,
            speaker=self.columns.text(row, "speaker") or None,
            dialogue=self.columns.text(row, "dialogue") or None,
            turn=row.whole_number(self.columns.column("turn")) if self.columns.text(row, "turn") else None,
            features=self._features(row),
            extra={name: row.text(name) for name in self.columns.extra},
        )
        if not (utterance.text or utterance.features or any(getattr(utterance, kind) for kind in MEDIA)):
            raise InputError(f"{row.place}: empty text; a row needs a text, a media file or features")
        return utterance

    def _words(self, row: Row, text: str, label: Label | None) -> tuple[str, ...] | None:
        has_words = "words" in self.columns
        words = words_of(row.cells.get(self.columns.column("words"))) if has_words else tuple(text.split())
        if self.task != "sequence_labelling":
            return words if has_words else None
        if label is not None and len(label) != len(words):
            raise InputError(f"{row.place}: {len(words)} words, but {len(label)} tags; each word has one tag")
        return words

    def _interval(self, row: Row) -> tuple[float | None, float | None]:
        start, end = (
            row.number(self.columns.column(role)) if self.columns.text(row, role) else None for role in ("start", "end")
        )
        if (start or 0) < 0 or (end is not None and end <= (start or 0)):
            raise InputError(f"{row.place}: interval {start} to {end}; seconds with 0 <= start < end are expected")
        return start, end

    def _file(self, row: Row, role: str) -> Path | None:
        name = self.columns.text(row, role)
        if not name:
            return None
        path = self.folder / name
        if not path.is_file():
            raise InputError(f"{row.place}: {role} file {name!r} is not there; relative paths start at {self.folder}")
        return path

    def _features(self, row: Row) -> dict[str, Path | tuple[float, ...]]:
        found = {role.removeprefix(FEATURES): self._feature(row, role) for role in self.columns.features}
        return {name: value for name, value in found.items() if value}

    def _feature(self, row: Row, role: str) -> Path | tuple[float, ...] | None:
        cells: list[Any] = [row.cells.get(column) for column in self.columns.roles[role]]
        if len(cells) == 1:
            cells = cells[0] if isinstance(cells[0], list) else list(words_of(cells[0]))
        numbers = [value for cell in cells if (value := as_number(cell)) is not None]
        if len(numbers) == len(cells):
            return tuple(numbers)
        if numbers:
            wrong = next(cell for cell in cells if as_number(cell) is None)
            raise InputError(
                f"{row.place}: {role} holds {wrong!r} among numbers; only numbers, or a file, are expected"
            )
        return self._file(row, role)
