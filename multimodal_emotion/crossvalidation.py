"""Cross-validation: a model for each fold, every utterance scored by the one that has not seen it or its speaker."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from multimodal_emotion import evaluation, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.datasets._base import SPLITS
from multimodal_emotion.datasets._leakage import leakage
from multimodal_emotion.errors import InputError
from multimodal_emotion.evaluation import Outcome
from multimodal_emotion.files import write_text
from multimodal_emotion.tasks._base import Task

UNITS = ("speaker", "dialogue")


def cross_validate(
    config: Config, column: str, output: str | Path, *, subsets: bool = False, progress: bool = True
) -> dict[str, Any]:
    """Trains one model for each value of a column and scores it on the utterances of that value.

    The labelled utterances of all splits that are there are taken together. Where the configuration selects epochs
    (`training.keep` is "best", or there is patience), the fold after the one that is scored is the validation split of its
    training; otherwise every other fold is trained on. The scored fold itself takes part in nothing but scoring.

    Args:
        config: as for `runs.train`.
        column: "speaker" or "dialogue" (one out each), or an extra column of the corpus, such as "emobox_test_fold".
        output: a new folder; it gets config.yaml, report.json (`folds`, `pooled`) and predictions/pooled.csv.
        subsets: whether every subset of the modalities is scored too, as if the others were missing (`subsets`, pooled).
        progress: whether to show progress on standard error.

    Returns:
        The report.

    Raises:
        InputError: an utterance without a value in the column, or fewer than two folds; see also `runs.train`.
    """
    folder = Path(output)
    runs.refuse_used(folder)
    wanted = config.corpus
    corpus = load_corpus(wanted.name, wanted.root, level=wanted.level, **wanted.options)
    utterances = [
        utterance
        for split in SPLITS
        if split in corpus.splits
        for utterance in runs.read(corpus, split, wanted.context)
        if utterance.label is not None
    ]
    utterances = runs.draw(utterances, wanted.limit, config.seed)
    folds = group(utterances, column, corpus.name)
    names = list(folds)
    loops = config.training.solver == "gradient"
    selects = loops and (config.training.keep == "best" or config.training.patience is not None)
    outcomes: dict[str, Outcome] = {}
    tasks: dict[str, Task] = {}
    shared: dict[str, Any] = {}
    skipped: dict[str, Sequence[str]] = {}
    partial: dict[str, dict[str, Outcome]] = {}
    for number, name in enumerate(names):
        held_out = names[(number + 1) % len(names)] if selects and len(names) > 2 else None
        rest = [item for other in names if other not in (name, held_out) for item in folds[other]]
        task = tasks[name] = runs.task_for(config, corpus)
        trained = runs.assemble(config, task, rest)
        history, _ = runs.fit(trained, config, rest, folds[held_out] if held_out else None, progress=False)
        for problems in history.skipped.values():
            skipped.update(problems)
        outcomes[name] = runs.score_split(trained, folds[name], config)
        shared[name] = _shared(rest, folds[name])
        for chosen in runs.subsets(trained.modalities) if subsets else ():
            outcome = runs.score_split(trained, folds[name], config, chosen)
            if len(outcome):
                partial.setdefault("+".join(chosen), {})[name] = outcome
        if progress:
            figure = task.metrics(outcomes[name].targets, outcomes[name].scores)[task.primary_metric]
            print(
                f"fold {column}={name} ({number + 1}/{len(names)}): {len(folds[name])} utterances, "
                f"{task.primary_metric} {figure:.4f}",
                file=sys.stderr,
                flush=True,
            )
    outcomes = _decided(task, tasks, outcomes)
    report = evaluation.report(
        corpus=corpus.name,
        task=task,
        seed=config.seed,
        outcomes={},
        folds=outcomes,
        subsets={names: Outcome.join(_decided(task, tasks, parts).values()) for names, parts in partial.items()},
        leakage={"folds": shared},
        skipped={"pooled": skipped},
    )
    report["folds_by"] = column
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions").mkdir(exist_ok=True)
    write_text(folder / runs.CONFIG, config.to_yaml())
    evaluation.write_predictions(folder / "predictions" / "pooled.csv", task, Outcome.join(outcomes.values()))
    evaluation.write_json(folder / runs.REPORT, report)
    return report


def _decided(task: Task, tasks: Mapping[str, Task], outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Outcomes of folds that one task decodes as each fold's own would."""
    return {
        name: replace(outcome, scores=task.as_decided_by(tasks[name], outcome.scores))
        for name, outcome in outcomes.items()
    }


def group(utterances: Sequence[Utterance], column: str, corpus: str) -> dict[str, list[Utterance]]:
    """Utterances by the value of a column, values sorted (as numbers, where they are).

    Raises:
        InputError: an utterance has no value there; there are fewer than two values.
    """
    found: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        value = getattr(utterance, column) if column in UNITS else utterance.extra.get(column)
        if value is None:
            known = ", ".join((*UNITS, *utterance.extra))
            raise InputError(f"corpus {corpus}: utterance {utterance.id} has no {column!r} (columns: {known})")
        found.setdefault(value, []).append(utterance)
    if len(found) < 2:
        raise InputError(f"corpus {corpus}: column {column!r} has one value only; folds need at least two")
    return {name: found[name] for name in sorted(found, key=lambda value: (not value.isdigit(), value.zfill(9)))}


def _shared(rest: Sequence[Utterance], fold: Sequence[Utterance]) -> Mapping[str, Any]:
    """What a fold shares with what its model was trained on: nothing, if it is independent."""
    between = leakage({"train": rest, "test": [replace(item) for item in fold]})["between"]["train/test"]
    return {"speakers": between["speakers"], "dialogues": between["dialogues"], "media": between["media"]["count"]}
