"""The report: figures of each split with intervals, what leaks, tables of predictions. report.json is a contract."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.files import atomic_path, write_text
from multimodal_emotion.tasks._base import Task

FEWEST_GROUPS = 5
"""With fewer speakers or dialogues than this an interval over them says nothing; utterances are drawn instead."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was scored: coded targets and scores of the same utterances.

    Attributes:
        utterances: in order.
        targets: coded by the task.
        scores: after the activation; (labels,) each, or (words, labels).
    """

    utterances: Sequence[Utterance]
    targets: Sequence[np.ndarray]
    scores: Sequence[np.ndarray]

    @classmethod
    def of(cls, utterances: Sequence[Utterance], targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> "Outcome":
        """An outcome; the three are of equal length."""
        if not len(utterances) == len(targets) == len(scores):
            raise ValueError(f"{len(utterances)} utterances, {len(targets)} targets, {len(scores)} scores; they must be as many")
        return cls(utterances, targets, scores)

    def without(self, ids: Sequence[str]) -> "Outcome":
        """The outcome without some utterances."""
        left = set(ids)
        kept = [number for number, utterance in enumerate(self.utterances) if utterance.id not in left]
        return Outcome(
            [self.utterances[n] for n in kept], [self.targets[n] for n in kept], [self.scores[n] for n in kept]
        )

    def groups(self) -> tuple[str, list[str] | None]:
        """What intervals draw as a whole: speakers, else dialogues, where all are known and there are enough of them."""
        for unit in ("speaker", "dialogue"):
            values = [getattr(utterance, unit) for utterance in self.utterances]
            if None not in values and len(set(values)) >= FEWEST_GROUPS:
                return unit, values
        return "utterance", None


def split_figures(task: Task, outcome: Outcome) -> dict[str, Any]:
    """All figures of one split, with their 95 % intervals."""
    found = task.metrics(outcome.targets, outcome.scores)
    unit, groups = outcome.groups()
    intervals = metrics.bootstrap(task.statistics(outcome.targets, outcome.scores), task.figures, groups=groups)
    ci95: dict[str, Any] = {"unit": unit}
    for name, ends in intervals.items():
        ci95[name] = ends.tolist() if ends.ndim == 1 else dict(zip(task.labels, ends.tolist(), strict=True))
    return {**found, "ci95": ci95}


def report(
    *,
    corpus: str,
    task: Task,
    seed: int | None,
    outcomes: Mapping[str, Outcome],
    train: Mapping[str, Any] | None = None,
    leakage: Mapping[str, Any] | None = None,
    folds: Mapping[str, Outcome] | None = None,
) -> dict[str, Any]:
    """The contents of report.json, see docs/report.md.

    Args:
        corpus: its name.
        task: decides the figures.
        seed: of the training.
        outcomes: by split.
        train: what is known of the training.
        leakage: from `datasets._leakage.leakage`.
        folds: outcomes of cross-validation by fold; they are reported each and pooled.
    """
    found: dict[str, Any] = {
        "corpus": corpus,
        "task": task.name,
        "labels": list(task.labels),
        "primary_metric": task.primary_metric,
        "seed": seed,
        "splits": {split: split_figures(task, outcome) for split, outcome in outcomes.items()},
    }
    if folds:
        found["folds"] = {name: split_figures(task, outcome) for name, outcome in folds.items()}
        found["pooled"] = split_figures(task, pool(list(folds.values())))
    if train is not None:
        found["train"] = dict(train)
    if leakage is not None:
        found["leakage"] = dict(leakage) | {"without_duplicates": _without_duplicates(task, outcomes, leakage)}
    return clean(found)


def pool(outcomes: Sequence[Outcome]) -> Outcome:
    """Outcomes of folds as one: each utterance was scored by the model that had not seen it."""
    return Outcome(
        [item for outcome in outcomes for item in outcome.utterances],
        [item for outcome in outcomes for item in outcome.targets],
        [item for outcome in outcomes for item in outcome.scores],
    )


def clean(value: Any) -> Any:
    """JSON types, strictly: what is not a number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, np.generic):
        return clean(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Writes strict JSON in one step."""
    write_text(path, json.dumps(clean(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_predictions(path: str | Path, task: Task, outcome: Outcome) -> None:
    """A table with id, label, prediction and one score column for each label.

    Several labels are joined by "|", word tags by spaces; a regression has the columns label:NAME and prediction:NAME. Scores
    of word-level tasks are left out: there is one for each word.
    """
    with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        regression = task.name == "regression"
        if regression:
            writer.writerow(["id", *(f"label:{name}" for name in task.labels), *(f"prediction:{name}" for name in task.labels)])
        else:
            writer.writerow(["id", "label", "prediction", *([] if task.resolution == "word" else task.labels)])
        for utterance, target, prediction, scores in zip(
            outcome.utterances, outcome.targets, predictions(task, outcome), outcome.scores, strict=True
        ):
            label: Any = task.label(target)
            if regression:
                values = [label[name] for name in task.labels] + [prediction[name] for name in task.labels]
                writer.writerow([utterance.id, *(f"{value:.6g}" for value in values)])
                continue
            row = [utterance.id, cell(label, task), cell(prediction, task)]
            writer.writerow(row if task.resolution == "word" else [*row, *(f"{score:.6g}" for score in scores)])


def predictions(task: Task, outcome: Outcome) -> list[Any]:
    """The decoded scores of an outcome, in the form of `Utterance.label`."""
    if task.resolution == "word":
        return [tuple(task.decode(scores)) for scores in outcome.scores]
    return task.decode(np.stack(outcome.scores)) if len(outcome.scores) else []


def cell(label: Any, task: Task) -> str:
    """A label as one cell of a table."""
    if isinstance(label, str) or label is None:
        return label or ""
    return (" " if task.resolution == "word" else "|").join(label)


def classification_report(figures: Mapping[str, Any], labels: Sequence[str]) -> str:
    """The figures of a split as text: precision, recall, F1 and support of each label, then the figures of the whole."""
    per_label = figures["per_label"]
    rows: list[tuple[str, ...]] = []
    columns = list(next(iter(per_label.values()), {}))
    rows.append(("", *columns))
    rows += [(name, *(_number(values.get(column)) for column in columns)) for name, values in per_label.items()]
    width = max([12, *(len(row[0]) for row in rows)])
    lines = ["  ".join([f"{row[0]:<{width}}", *(f"{item:>10}" for item in row[1:])]).rstrip() for row in rows]
    intervals = figures.get("ci95", {})
    lines.append("")
    for name, value in figures.items():
        if isinstance(value, float) and not isinstance(value, bool):
            ends = intervals.get(name)
            around = f"  [{_number(ends[0])}, {_number(ends[1])}]" if ends else ""
            lines.append(f"{name:<{width}}  {_number(value):>10}{around}")
    lines.append(f"{'n':<{width}}  {figures['n']:>10}")
    return "\n".join(lines)


def render(found: Mapping[str, Any]) -> str:
    """A report as text."""
    parts = []
    for split, figures in found["splits"].items():
        parts += [f"{found['corpus']}, {split} ({found['task']})", classification_report(figures, found["labels"])]
    if "pooled" in found:
        parts += [f"{found['corpus']}, {len(found['folds'])} folds pooled", classification_report(found["pooled"], found["labels"])]
    duplicates = found.get("leakage", {}).get("duplicates", {})
    parts += [
        f"note: {item['count']} {split} utterances are duplicates of training utterances; without them "
        f"{found['primary_metric']} is {_number(_primary(found, split))}"
        for split, item in duplicates.items()
        if item["count"] and split in found["splits"]
    ]
    return "\n".join(parts)


def _primary(found: Mapping[str, Any], split: str) -> Any:
    value = found["leakage"]["without_duplicates"].get(split, {}).get(found["primary_metric"])
    return float(np.mean(list(value.values()))) if isinstance(value, Mapping) else value


def _without_duplicates(task: Task, outcomes: Mapping[str, Outcome], leakage: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for split, outcome in outcomes.items():
        ids = leakage.get("duplicates", {}).get(split, {}).get("ids", [])
        rest = outcome.without(ids) if ids else outcome
        if ids and rest.utterances:
            figures = task.metrics(rest.targets, rest.scores)
            found[split] = {name: value for name, value in figures.items() if name not in ("per_label", "confusion")}
    return found


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
