"""Runs side by side: their figures with intervals, and whether each differs from the first on the same utterances."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion import checkpoint, metrics
from multimodal_emotion.errors import InputError
from multimodal_emotion.evaluation import Outcome, predictions, read_predictions
from multimodal_emotion.tasks._base import Task

COLUMNS = (
    "run",
    "figure",
    "95 % interval",
    "difference",
    "95 % interval",
    "p",
    "p McNemar",
    "trained",
    "seconds",
    "bytes",
)


def compare(folders: Sequence[str | Path], *, split: str = "validation", resamples: int = 2000) -> dict[str, Any]:
    """Compares finished runs on the utterances that each of them and the first have scored.

    Args:
        folders: of runs, at least two, with predictions of the split; the first is what the others are compared with.
        split: whose predictions are read.
        resamples: of the paired bootstrap.

    Returns:
        `metric`, `split`, and `runs`: for each its folder, `figure` and `ci95` as its report has them, `trained` parameters,
        `seconds` of training and `bytes` of its weights; and for all but the first, `against_first`: `utterances` in common,
        `difference` of the figure on them, its `ci95` and `p` by a paired bootstrap, and `p_mcnemar` where an utterance is
        either right or wrong. No p is corrected for the number of runs.

    Raises:
        InputError: fewer than two runs; one that is not finished; other labels; no utterance in common, or one that has
            another label there.
    """
    if len(folders) < 2:
        raise InputError("compare needs at least two runs: compare RUN RUN ...")
    places = [Path(folder) for folder in folders]
    tasks = [checkpoint.load_task(place) for place in places]
    task = tasks[0]
    for place, other in zip(places, tasks, strict=True):
        if (other.name, other.labels) != (task.name, task.labels):
            raise InputError(f"{place} is about other labels than {places[0]}: {', '.join(other.labels)}")
    outcomes = [
        read_predictions(place / "predictions" / f"{split}.csv", own) for place, own in zip(places, tasks, strict=True)
    ]
    runs = [_described(place, split, task.primary_metric) for place in places]
    for run, place, outcome in zip(runs[1:], places[1:], outcomes[1:], strict=True):
        run["against_first"] = _against(task, outcomes[0], outcome, f"{place} and {places[0]}", resamples)
    return {"metric": task.primary_metric, "split": split, "runs": runs}


def render(comparison: Mapping[str, Any]) -> str:
    """A comparison as a Markdown table."""
    rows = [
        COLUMNS,
        ["---", *["---:"] * (len(COLUMNS) - 1)],
        *(_cells(run, run.get("against_first", {})) for run in comparison["runs"]),
    ]
    title = (
        f"{comparison['metric']} on {comparison['split']}; differences from the first run, on the utterances in common"
    )
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _cells(run: Mapping[str, Any], against: Mapping[str, Any]) -> list[str]:
    return [
        run["folder"],
        _number(run["figure"]),
        _interval(run["ci95"]),
        _number(against.get("difference"), sign="+"),
        _interval(against.get("ci95")),
        _number(against.get("p")),
        _number(against.get("p_mcnemar")),
        _number(run["trained"], digits=0),
        _number(run["seconds"], digits=0),
        _number(run["bytes"], digits=0),
    ]


def _described(place: Path, split: str, metric: str) -> dict[str, Any]:
    """What a run's own report says of it."""
    try:
        report = json.loads((place / "report.json").read_text(encoding="utf-8"))
        figures, trained = report["splits"][split], report["train"] or {}
        return {
            "folder": str(place),
            "figure": figures[metric],
            "ci95": figures["ci95"].get(metric),
            "trained": trained.get("parameters", {}).get("trained"),
            "seconds": trained.get("seconds"),
            "bytes": sum(file.stat().st_size for file in place.glob("model/*.safetensors")),
        }
    except FileNotFoundError:
        raise InputError(f"{place}: no finished run there (no report.json)") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place / 'report.json'}: no report with {metric} of {split}: {error!r}") from None


def _against(task: Task, first: Outcome, second: Outcome, where: str, resamples: int) -> dict[str, Any]:
    """How the second differs from the first on the utterances that both have."""
    places = [{name: number for number, name in enumerate(outcome.ids)} for outcome in (first, second)]
    common = [name for name in first.ids if name in places[1]]
    if not common:
        raise InputError(f"{where} have no utterance in common; they were scored on different data")
    targets, scores = [], []
    for outcome, place in zip((first, second), places, strict=True):
        targets.append([outcome.targets[place[name]] for name in common])
        scores.append([outcome.scores[place[name]] for name in common])
    for name, one, other in zip(common, *targets, strict=True):
        if not np.array_equal(one, other):
            raise InputError(f"{where}: utterance {name} has another label in each; they were scored on different data")
    before, after = (task.statistics(targets[0], each) for each in scores)
    found = metrics.paired_bootstrap(before, after, task.figures, task.primary_metric, resamples=resamples)
    against: dict[str, Any] = {
        "utterances": len(common),
        "difference": found.difference,
        "ci95": [found.low, found.high],
        "p": found.p,
    }
    if task.space != "value" and task.resolution == "utterance":
        labels = [task.label(target) for target in targets[0]]
        first_right, second_right = (
            np.array([label == said for label, said in zip(labels, predictions(task, each), strict=True)])
            for each in scores
        )
        against["p_mcnemar"] = metrics.mcnemar(first_right, second_right)
    return against


def _interval(ends: Sequence[float | int | None] | None) -> str:
    return f"[{_number(ends[0])}, {_number(ends[1])}]" if ends else ""


def _number(value: float | int | None, digits: int = 4, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign},.{digits}f}"
