"""report.json: a stable contract, described in docs/report.md."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.evaluation._outcome import Outcome, evaluate_outcome
from multimodal_emotion.files import write_text
from multimodal_emotion.tasks._base import Task

DETAILS = ("per_label", "confusion")


def report(
    *,
    corpus: str,
    task: Task,
    seed: int | None,
    outcomes: Mapping[str, Outcome],
    train: Mapping[str, Any] | None = None,
    leakage: Mapping[str, Any] | None = None,
    folds: Mapping[str, Outcome] | None = None,
    subsets: Mapping[str, Outcome] | None = None,
    tuned_on: str | None = None,
    skipped: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    mapping: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The contents of report.json.

    Args:
        corpus: its name.
        task: that gave the scores.
        seed: of the training; None where it is not known.
        outcomes: by split.
        train: what the training says of itself.
        leakage: what splits share, as `datasets._leakage` gives it: `duplicates` holds the `ids` of each split's
            utterances that stand in the training split.
        folds: outcomes of the test parts of a cross-validation; `pooled` is all of them as one split.
        subsets: outcomes of the same utterances with some of the modalities only, by their names joined by "+".
        tuned_on: the split that `task.tune` saw. Its figures are cross-fitted: what was tuned is tuned anew without
            each fifth of the utterances for that fifth; see `Task.cross_fitted`.
        skipped: by split and utterance, why something of it could not be decoded.
        mapping: how the labels of the corpus were read, if they are not the model's: `labels` by label, `left_out`.

    Returns:
        JSON types, with null for what is undefined.

    Raises:
        InputError: an outcome without utterances.
    """
    shown = dict(outcomes)
    if tuned_on in shown:
        shown[tuned_on] = _cross_fitted(task, shown[tuned_on])
    parts: dict[str, Any] = {
        "corpus": corpus,
        "task": task.name,
        "labels": list(task.labels),
        "primary_metric": task.primary_metric,
        "seed": seed,
        "splits": {split: evaluate_outcome(task, outcome) for split, outcome in shown.items()},
    }
    if folds:
        parts["folds"] = {fold: evaluate_outcome(task, outcome) for fold, outcome in folds.items()}
        parts["pooled"] = evaluate_outcome(task, Outcome.join(folds.values()))
    if subsets:
        parts["subsets"] = {names: evaluate_outcome(task, outcome) for names, outcome in subsets.items()}
    parts["skipped"] = {split: {"count": len(why), "why": dict(why)} for split, why in (skipped or {}).items() if why}
    if mapping:
        parts["mapping"] = mapping
    parts["train"] = train
    parts["leakage"] = None if leakage is None else {**leakage, "without_duplicates": _cleaned(task, shown, leakage)}
    return jsonable(parts)


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Writes strict JSON in one step: UTF-8, null for NaN and infinities."""
    write_text(path, json.dumps(jsonable(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def jsonable(value: Any) -> Any:
    """The value as JSON types: None for NaN and infinities, lists for arrays and tuples, text for paths."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _cross_fitted(task: Task, outcome: Outcome) -> Outcome:
    scores = task.cross_fitted(outcome.targets, outcome.scores)
    return Outcome(outcome.ids, outcome.targets, scores, outcome.speakers, outcome.dialogues)


def _cleaned(task: Task, outcomes: Mapping[str, Outcome], leakage: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of each split without the utterances that stand in the training split; None if none is left."""
    cleaned: dict[str, Any] = {}
    for split, found in leakage.get("duplicates", {}).items():
        if split in outcomes:
            rest = outcomes[split].without(found["ids"])
            figures = task.metrics(rest.targets, rest.scores) if len(rest) else None
            cleaned[split] = figures and {name: each for name, each in figures.items() if name not in DETAILS}
    return cleaned
