"""predictions/SPLIT.csv: one row for each utterance.

Columns: `id`, `label`, `prediction`, and the score of each label in a column of its name. Several labels are joined by "|";
tags of words, and their scores, by spaces. For a regression: `id`, `label.V` and `prediction.V` of each dimension V.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.evaluation._outcome import Outcome, predictions
from multimodal_emotion.files import atomic_path
from multimodal_emotion.tasks._base import Task

BETWEEN_LABELS, BETWEEN_WORDS = "|", " "


def write_predictions(path: str | Path, task: Task, outcome: Outcome) -> None:
    """Writes the table of an outcome in one step, UTF-8. Scores have all their digits: the figures can be made again."""
    with atomic_path(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_columns(task))
        rows = zip(outcome.ids, outcome.targets, outcome.scores, predictions(task, outcome.scores), strict=True)
        for name, target, scores, prediction in rows:
            label = task.label(target)
            if isinstance(label, Mapping):
                writer.writerow([name, *map(_digits, label.values()), *map(_digits, prediction.values())])
            else:
                numbers = [BETWEEN_WORDS.join(map(_digits, np.atleast_1d(column))) for column in scores.T]
                writer.writerow([name, _join(task, label), _join(task, prediction), *numbers])


def read_predictions(path: str | Path, task: Task) -> Outcome:
    """Reads the table back; votes of raters come back as the label with the most.

    Args:
        path: as `write_predictions` wrote it.
        task: with the same labels.

    Raises:
        InputError: there is no such file, a column is missing, or a cell is not what it should be.
    """
    ids, targets, scores = [], [], []
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _columns(task) if column not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path}: no column {missing[0]!r}; predictions of this task have {_columns(task)}")
            for row in reader:
                ids.append(row["id"])
                try:
                    if None in row.values():
                        raise InputError("fewer cells than columns")
                    label, numbers = _read_row(task, row)
                    targets.append(task.target(Utterance(id=row["id"], label=label)))
                except (ValueError, TypeError) as error:
                    raise InputError(f"{path}, line {reader.line_num}: {error}") from None
                scores.append(numbers)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `evaluate --output` writes predictions/SPLIT.csv") from None
    return Outcome(ids, targets, scores)


def _columns(task: Task) -> list[str]:
    if _by_dimension(task):
        return ["id", *(f"{kind}.{name}" for kind in ("label", "prediction") for name in task.labels)]
    return ["id", "label", "prediction", *task.labels]


def _by_dimension(task: Task) -> bool:
    """Whether a prediction is a number for each name."""
    return isinstance(task.decode(np.zeros((1, task.outputs), dtype=np.float32))[0], Mapping)


def _read_row(task: Task, row: Mapping[str, str]) -> tuple[Any, np.ndarray]:
    """The label and the scores of a row."""
    if _by_dimension(task):
        values = [[float(row[f"{kind}.{name}"]) for name in task.labels] for kind in ("label", "prediction")]
        return dict(zip(task.labels, values[0], strict=True)), np.array(values[1], dtype=np.float32)
    numbers = np.array([[float(word) for word in row[name].split()] for name in task.labels], dtype=np.float32)
    if task.resolution == "word":
        return tuple(row["label"].split(BETWEEN_WORDS) if row["label"] else ()), numbers.T
    several = isinstance(task.decode(numbers.T)[0], tuple)
    label = tuple(filter(None, row["label"].split(BETWEEN_LABELS))) if several else row["label"]
    return label, numbers[:, 0]


def _join(task: Task, label: str | Sequence[str]) -> str:
    if isinstance(label, str):
        return label
    return (BETWEEN_WORDS if task.resolution == "word" else BETWEEN_LABELS).join(label)


def _digits(number: float | np.floating[Any]) -> str:
    """Enough of them to give the same single-precision number again."""
    return f"{number:.9g}"
