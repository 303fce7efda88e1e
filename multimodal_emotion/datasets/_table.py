"""Reads a table of any common kind (CSV, TSV, JSONL, Parquet) into rows that know where they stand."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodal_emotion.datasets._files import read_text
from multimodal_emotion.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: where it begins in the file, from 1 (in a Parquet file the number of the row).
        place: where it stands, for messages: "FILE, line 3".
        cells: by column. Text from CSV and TSV; from JSONL and Parquet also numbers, lists and mappings. "" or None:
            empty.
    """

    line: int
    place: str
    cells: Mapping[str, Any]

    def text(self, column: str) -> str:
        """A cell as text, without the white space around it; "" if it is empty."""
        cell = self.cells.get(column)
        return "" if cell is None else str(cell).strip()

    def number(self, column: str) -> float:
        """A cell as a finite number; an InputError says where there is none."""
        value = as_number(self.cells.get(column))
        if value is None:
            raise InputError(f"{self.place}: {column} is {self.text(column)!r}; a number is expected")
        return value

    def whole_number(self, column: str) -> int:
        """A cell as a whole number; an InputError says where there is none."""
        value = as_number(self.cells.get(column))
        if value is None or not value.is_integer():
            raise InputError(f"{self.place}: {column} is {self.text(column)!r}; a whole number is expected")
        return int(value)


def as_number(cell: Any) -> float | None:
    """The finite number that a cell holds or spells; None if it does not."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its file, its columns in their order, and at least one row."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]

    def require(self, *columns: str) -> None:
        """Raises an InputError naming the first of these columns that is missing, and the columns that there are."""
        for column in columns:
            if column not in self.columns:
                raise InputError(f"{self.path}: no column {column!r}; the columns are {', '.join(self.columns)}")


def read_table(path: Path, fallback: str | None = None) -> Table:
    """Reads a table.

    Args:
        path: a file whose name ends in .csv, .tsv, .jsonl or .parquet. In a TSV file each line is a row, and a cell is
            in quotation marks only if it begins and ends with one and those inside it are doubled.
        fallback: for a CSV file, the encoding of old copies of it, tried where the file is not UTF-8.

    Raises:
        InputError: another ending; not UTF-8; empty; a column named twice; a row with another number of cells than
            there are columns; a line that is no JSON object. File, line and what would be right are named.
    """
    readers: Mapping[str, Callable[[], Table]] = {
        ".csv": lambda: _cells_to_table(path, _csv_rows(path, read_text(path, fallback))),
        ".tsv": lambda: _cells_to_table(path, _tsv_rows(read_text(path))),
        ".jsonl": lambda: _objects_to_table(path, _json_rows(path), "line"),
        ".parquet": lambda: _objects_to_table(path, enumerate(_parquet_rows(path), start=1), "row"),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: cannot read a {path.suffix or 'nameless'} table; {', '.join(readers)} can be read")
    table = reader()
    if not table.rows:
        raise InputError(f"{path}: no rows; at least one is expected")
    return table


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{path}, line {line}: broken row ({error}); a cell with a comma, a quotation mark or a line end"
                ' stands in "...", with each " inside it doubled'
            ) from error
        if cells:
            yield line, cells


def _tsv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, [_unquote(cell) for cell in line.rstrip("\r").split("\t")]


def _unquote(cell: str) -> str:
    inside = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if quoted else cell


def _cells_to_table(path: Path, lines: Iterator[tuple[int, list[str]]]) -> Table:
    _, header = next(lines, (1, []))
    columns = tuple(column.strip() for column in header)
    if not columns:
        raise InputError(f"{path}: the file is empty; the names of its columns are expected in line 1")
    for column in columns:
        if columns.count(column) > 1:
            raise InputError(f"{path}, line 1: column {column!r} stands there twice; columns need different names")
    rows = []
    for number, cells in lines:
        place = f"{path}, line {number}"
        if len(cells) != len(columns):
            raise InputError(f"{place}: {len(cells)} cells, but there are {len(columns)} columns: {', '.join(columns)}")
        rows.append(Row(number, place, dict(zip(columns, cells, strict=True))))
    return Table(path, columns, rows)


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error}); one JSON object is expected") from error


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a Parquet file, or one cut off ({reason})") from error


def _objects_to_table(path: Path, objects: Any, unit: str) -> Table:
    columns: dict[str, None] = {}
    rows = []
    for number, cells in objects:
        place = f"{path}, {unit} {number}"
        if not isinstance(cells, dict):
            raise InputError(
                f'{place}: {json.dumps(cells)[:40]} is no object; {{"text": ..., "label": ...}} is expected'
            )
        columns.update(dict.fromkeys(cells))
        rows.append(Row(number, place, cells))
    return Table(path, tuple(columns), rows)
