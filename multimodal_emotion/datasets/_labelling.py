"""What the label cells of a manifest mean: the task that they make, and the label of each row."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from multimodal_emotion.batch import Label
from multimodal_emotion.datasets._table import Row, as_number
from multimodal_emotion.errors import InputError

SEPARATOR = "|"


def infer_task(rows: Sequence[Mapping[str, Any]], tagged: bool) -> str:
    """The task that label cells make.

    - words stand beside tags: sequence_labelling
    - several columns, or mappings from names to numbers: regression
    - a list, or a cell with "|": multilabel
    - numbers only: regression, unless they are just two whole numbers
    - else binary for two labels, multiclass for any other number of them

    Args:
        rows: the label cells of each row by column.
        tagged: whether the labels are those of words.
    """
    cells = [cell for row in rows for cell in row.values() if not is_empty(cell)]
    if tagged:
        return "sequence_labelling"
    if any(isinstance(cell, Mapping) for cell in cells) or any(len(row) > 1 for row in rows):
        return "regression"
    if any(isinstance(cell, list) or SEPARATOR in _text(cell) for cell in cells):
        return "multilabel"
    names = {_text(cell) for cell in cells}
    numbers = [as_number(cell) for cell in cells]
    if numbers and None not in numbers and not (len(names) == 2 and all(float(name).is_integer() for name in names)):
        return "regression"
    return "binary" if len(names) == 2 else "multiclass"


def parse_label(row: Row, cells: Mapping[str, Any], task: str) -> Label | None:
    """The label of a row; None if its cells are empty (for a multilabel task: no label applies).

    Several columns, or a mapping, hold a number for each name. What the numbers are is the task's choice: values of a
    regression; for multilabel, a label applies where its number is over 0.5; for binary and multiclass, raters' votes.

    Args:
        row: for the place in messages.
        cells: its label cells by column.
        task: as `infer_task` gives it, or as the user says.

    Raises:
        InputError: a cell is no number where one is expected, or votes are negative or none.
    """
    if all(is_empty(cell) for cell in cells.values()):
        return () if task == "multilabel" and cells else None
    cell = next(iter(cells.values()))
    if len(cells) > 1 or isinstance(cell, Mapping) or task == "regression":
        return _numbered(row, cell if isinstance(cell, Mapping) else cells, task)
    if task in ("multilabel", "sequence_labelling"):
        parts = cell if isinstance(cell, list) else _text(cell).split(SEPARATOR if task == "multilabel" else None)
        return tuple(text for part in parts if (text := _text(part)))
    return _text(cell)


def _numbered(row: Row, cells: Mapping[str, Any], task: str) -> Label:
    numbers = {}
    for name, cell in cells.items():
        value = as_number(cell)
        if value is None:
            raise InputError(f"{row.place}: {name} is {_text(cell)!r}; a number is expected, since the task is {task}")
        numbers[name] = value
    if task == "multilabel":
        return tuple(name for name, value in numbers.items() if value > 0.5)
    if task in ("binary", "multiclass") and (min(numbers.values()) < 0 or not sum(numbers.values())):
        raise InputError(f"{row.place}: votes {numbers}; none may be negative, and at least one must be more than 0")
    return numbers


def names_in(label: Label | None) -> tuple[str, ...]:
    """The names that a label is made of."""
    if label is None:
        return ()
    return (label,) if isinstance(label, str) else tuple(label)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names, sorted: numbers by value, before all others."""

    def rank(name: str) -> tuple[bool, float, str]:
        value = as_number(name)
        return value is None, value or 0.0, name

    return tuple(sorted(set(names), key=rank))


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing. An empty list does hold something: no label."""
    return (
        cell is None or (isinstance(cell, str) and not cell.strip()) or (isinstance(cell, float) and math.isnan(cell))
    )


def words_of(cell: Any) -> tuple[str, ...]:
    """The words of a cell: a list, or separated by spaces."""
    parts: Sequence[Any] = cell if isinstance(cell, list) else _text(cell).split()
    return tuple(_text(part) for part in parts)


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else str(cell).strip()
