"""A report end to end from random data for each task; tables, predictions, pictures."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import classification_report as reference_report

from multimodal_emotion import evaluation, plots, registry
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.evaluation import Outcome
from multimodal_emotion.tasks._base import Task

EMOTIONS = ("anger", "joy", "sadness", "surprise")
TASKS: dict[str, dict[str, Any]] = {
    "binary": {"labels": ("negative", "positive")},
    "multiclass": {"labels": EMOTIONS, "primary_metric": "uar"},
    "multilabel": {"labels": EMOTIONS},
    "sequence_labelling": {"labels": ("O", "B-POS", "I-POS", "B-NEG", "I-NEG")},
    "regression": {"labels": ("V", "A", "D"), "ranges": {"V": (1, 5)}},
}
FIGURES = {
    "binary": {"accuracy", "uar", "macro_f1", "micro_f1", "weighted_f1"},
    "multiclass": {"accuracy", "uar", "macro_f1", "micro_f1", "weighted_f1"},
    "multilabel": {"micro_f1", "macro_f1", "jaccard"},
    "sequence_labelling": {"span_f1"},
    "regression": {"mean_ccc", "mean_pearson", "mean_mae"},
}


def some_outcome(name: str, rows: int = 60, seed: int = 0, **options: Any) -> tuple[Task, Outcome]:
    """A task that has seen its labels, and the outcome of a model that is somewhat right."""
    task: Task = registry.build("tasks", name, **{**TASKS[name], **options})
    generator = np.random.default_rng(seed)

    def label() -> Label:
        if name == "regression":
            return {dimension: float(generator.uniform(1, 5)) for dimension in task.labels}
        if name == "multilabel":
            return tuple(each for each in task.labels if generator.random() < 0.4)
        if name == "sequence_labelling":
            return tuple(generator.choice(task.labels, size=generator.integers(1, 6)).tolist())
        return str(generator.choice(task.labels))

    utterances = [
        Utterance(id=f"u{number}", text="so", label=label(), speaker=f"s{number % 7}", dialogue=None)
        for number in range(rows)
    ]
    task.prepare(utterances)
    targets = [task.target(utterance) for utterance in utterances]
    return task, Outcome.of(utterances, targets, [_guess(task, target, generator) for target in targets])


def _guess(task: Task, target: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Scores in single precision, as a model gives them."""
    if task.name == "regression":
        return (target + generator.normal(0, 1, target.shape)).astype(np.float32)
    one_hot = np.eye(task.outputs)[target] if task.resolution == "word" else target
    logits = 2 * one_hot + generator.normal(size=one_hot.shape)
    odds = np.exp(logits)
    scores = odds / (1 + odds) if task.name == "multilabel" else odds / odds.sum(axis=-1, keepdims=True)
    return scores.astype(np.float32)


def some_report(name: str, **more: Any) -> tuple[Task, Outcome, dict[str, Any]]:
    task, outcome = some_outcome(name)
    report = evaluation.report(corpus="mine", task=task, seed=3, outcomes={"validation": outcome}, **more)
    return task, outcome, report


# ------------------------------------------------------------------------------------------------------------- report


@pytest.mark.parametrize("name", TASKS)
def test_report_keeps_its_contract(name: str, tmp_path: Path) -> None:
    leakage = {"between": {}, "duplicates": {"validation": {"count": 2, "ids": ["u0", "u5"]}}}
    task, _, report = some_report(name, train={"loss": [1.0, float("nan")]}, leakage=leakage)
    keys = ["corpus", "task", "labels", "primary_metric", "seed", "splits", "skipped", "train", "leakage"]
    assert list(report) == keys
    assert (report["corpus"], report["task"], report["seed"]) == ("mine", name, 3)
    assert report["labels"] == list(task.labels)
    split = report["splits"]["validation"]
    assert split["n"] == 60
    assert FIGURES[name] <= set(split)
    assert report["primary_metric"] in split
    if name == "regression":
        for figure in ("pearson", "ccc", "mae"):
            assert list(split[figure]) == list(task.labels)
        assert "confusion" not in split
        assert split["ci95"]["ccc.V"][0] < split["ccc"]["V"] < split["ci95"]["ccc.V"][1]
    else:
        assert np.shape(split["confusion"]) == (task.outputs, task.outputs)
        assert set(next(iter(split["per_label"].values()))) >= {"precision", "recall", "f1", "support"}
    assert split["ci95"].pop("unit") == "speaker"
    low, high = split["ci95"][report["primary_metric"]]
    assert low < split[report["primary_metric"]] < high
    assert all(len(ends) == 2 for ends in split["ci95"].values())
    assert report["leakage"]["duplicates"]["validation"]["count"] == 2
    cleaned = report["leakage"]["without_duplicates"]["validation"]
    assert cleaned["n"] == 58
    assert FIGURES[name] <= set(cleaned)
    assert report["train"] == {"loss": [1.0, None]}
    evaluation.write_json(tmp_path / "report.json", report)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report


@pytest.mark.parametrize("name", TASKS)
def test_pooled_folds_are_one_split(name: str) -> None:
    task, whole = some_outcome(name)
    ids = list(whole.ids)
    folds = {"1": whole.without(ids[30:]), "2": whole.without(ids[:30])}
    report = evaluation.report(corpus="mine", task=task, seed=None, outcomes={}, folds=folds)
    assert {fold: figures["n"] for fold, figures in report["folds"].items()} == {"1": 30, "2": 30}
    assert report["pooled"] == evaluation.jsonable(evaluation.evaluate_outcome(task, whole))
    assert report["leakage"] is None
    assert "2 folds, pooled: 60 utterances" in evaluation.render(report)


def test_units_of_the_interval_are_dialogues_then_speakers_then_utterances() -> None:
    _, outcome = some_outcome("binary", rows=6)
    speakers = outcome.speakers

    def units(**columns: Any) -> str:
        return Outcome(outcome.ids, outcome.targets, outcome.scores, **columns).units()[0]

    assert units(speakers=speakers, dialogues=["a", "b"] * 3) == "dialogue"
    assert units(speakers=speakers, dialogues=["a", None] * 3) == "speaker"
    assert units(speakers=speakers, dialogues=["a"] * 6) == "speaker"
    assert units(speakers=["same"] * 6) == "utterance"
    assert units() == "utterance"


def test_intervals_are_wider_over_speakers_who_differ() -> None:
    task, outcome = some_outcome("binary", rows=280)
    # Three of the seven speakers are never understood.
    scores = [
        score[::-1] if speaker in ("s0", "s1", "s2") else np.eye(2, dtype=np.float32)[target.argmax()]
        for score, speaker, target in zip(outcome.scores, outcome.speakers, outcome.targets, strict=True)
    ]
    by_speaker = Outcome(outcome.ids, outcome.targets, scores, outcome.speakers)
    by_utterance = Outcome(outcome.ids, outcome.targets, scores)
    wide, narrow = (
        np.diff(evaluation.evaluate_outcome(task, each)["ci95"]["accuracy"]) for each in (by_speaker, by_utterance)
    )
    assert wide > 2 * narrow


def test_nothing_to_evaluate_is_an_input_error_and_nothing_left_is_null() -> None:
    task, outcome = some_outcome("binary")
    with pytest.raises(InputError, match="nothing to evaluate: no utterance has both a label and something"):
        evaluation.report(corpus="mine", task=task, seed=0, outcomes={"test": outcome.without(outcome.ids)})
    leakage = {"duplicates": {"test": {"count": 60, "ids": list(outcome.ids)}, "validation": {"count": 0, "ids": []}}}
    report = evaluation.report(corpus="mine", task=task, seed=0, outcomes={"test": outcome}, leakage=leakage)
    assert report["leakage"]["without_duplicates"] == {"test": None}


def test_figures_of_the_split_that_was_tuned_on_are_cross_fitted() -> None:
    task, outcome = some_outcome("multilabel", rows=100)
    task.tune(outcome.targets, outcome.scores)
    plain, honest = (
        evaluation.report(corpus="mine", task=task, seed=0, outcomes={"validation": outcome}, tuned_on=tuned_on)
        for tuned_on in (None, "validation")
    )
    assert honest["splits"]["validation"]["macro_f1"] < plain["splits"]["validation"]["macro_f1"]
    task, outcome, plain = some_report("binary")
    honest = evaluation.report(
        corpus="mine", task=task, seed=3, outcomes={"validation": outcome}, tuned_on="validation"
    )
    assert honest == plain


def test_jsonable_is_strict() -> None:
    value = {"a": np.float32("nan"), 1: (math.inf, np.int64(3)), "p": Path("x"), "m": np.eye(2)}
    assert evaluation.jsonable(value) == {"a": None, "1": [None, 3], "p": "x", "m": [[1.0, 0.0], [0.0, 1.0]]}


# ------------------------------------------------------------------------------------------------------------- tables


def test_classification_report_has_the_figures_of_scikit_learn() -> None:
    for seed in range(3):
        task, outcome = some_outcome("multiclass", seed=seed, rows=12)
        true, predicted = (np.array([row.argmax() for row in rows]) for rows in (outcome.targets, outcome.scores))
        there = np.union1d(true, predicted)
        expected = reference_report(
            true, predicted, labels=there, target_names=np.array(EMOTIONS)[there], digits=4, zero_division=0
        )
        table = evaluation.classification_report(evaluation.evaluate_outcome(task, outcome), task.labels)
        rows = [line.split() for line in table.splitlines() if not line.startswith(tuple(set(EMOTIONS)))]
        for line in expected.splitlines():
            assert line.split() in rows


def test_classification_report_of_sets_is_that_of_scikit_learn() -> None:
    task, outcome = some_outcome("multilabel")
    true, predicted = np.stack(outcome.targets) >= 0.5, np.stack(outcome.scores) >= 0.3
    expected = reference_report(true, predicted, target_names=EMOTIONS, digits=4, zero_division=0)
    table = evaluation.classification_report(evaluation.evaluate_outcome(task, outcome), task.labels)
    rows = [line.split() for line in table.splitlines()]
    for line in expected.splitlines():
        if "samples" not in line:
            assert line.split() in rows


@pytest.mark.parametrize("name", TASKS)
def test_reports_can_be_read(name: str) -> None:
    leakage = {"duplicates": {"validation": {"count": 1, "ids": ["u0"]}, "test": {"count": 0, "ids": []}}}
    task, _, report = some_report(name, leakage=leakage)
    text = evaluation.render(report)
    assert text.startswith(f"mine: {name}, {task.outputs} labels, seed 3\n")
    assert "validation: 60 utterances; figures with 95 % intervals over speakers" in text
    assert f"* {report['primary_metric']} " in text
    assert f"1 validation utterances stand in the training split; {report['primary_metric']} without: 0." in text
    rows = list(report["splits"]["validation"]["per_label"])
    assert all(any(line.split()[:1] == [row] for line in text.splitlines()) for row in rows)


# -------------------------------------------------------------------------------------------------------- predictions


@pytest.mark.parametrize("name", TASKS)
def test_predictions_come_back_and_give_the_same_figures(name: str, tmp_path: Path) -> None:
    task, outcome = some_outcome(name)
    path = tmp_path / "validation.csv"
    evaluation.write_predictions(path, task, outcome)
    again = evaluation.read_predictions(path, task)
    assert again.ids == outcome.ids
    assert task.metrics(again.targets, again.scores) == task.metrics(outcome.targets, outcome.scores)
    for before, after in zip(outcome.scores, again.scores, strict=True):
        np.testing.assert_array_equal(before, after)
    header, first = path.read_text(encoding="utf-8").splitlines()[:2]
    if name == "regression":
        assert header == "id,label.V,label.A,label.D,prediction.V,prediction.A,prediction.D"
    else:
        assert header.split(",") == ["id", "label", "prediction", *task.labels]
    assert first.startswith("u0,")


def test_labels_are_joined(tmp_path: Path) -> None:
    task, _ = some_outcome("multilabel")
    outcome = Outcome(["a,b"], [np.float32([1, 1, 0, 0])], [np.float32([0.9, 0.1, 0.25, 0.75])])
    evaluation.write_predictions(tmp_path / "x.csv", task, outcome)
    assert (tmp_path / "x.csv").read_text().splitlines()[
        1
    ] == '"a,b",anger|joy,anger|surprise,0.899999976,0.100000001,0.25,0.75'
    task, _ = some_outcome("sequence_labelling")
    outcome = Outcome(["u"], [np.array([0, 1])], [np.eye(5, dtype=np.float32)[[1, 2]]])
    evaluation.write_predictions(tmp_path / "x.csv", task, outcome)
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == "u,O B-POS,B-POS I-POS,0 0,1 0,0 1,0 0,0 0"


def test_predictions_that_are_not_what_they_should_be_are_input_errors(tmp_path: Path) -> None:
    task, outcome = some_outcome("multiclass", rows=3)
    path = tmp_path / "x.csv"
    with pytest.raises(InputError, match=r"x\.csv: no such file; `evaluate --output` writes"):
        evaluation.read_predictions(path, task)
    evaluation.write_predictions(path, task, outcome)
    other, _ = some_outcome("binary")
    with pytest.raises(InputError, match=r"x\.csv: no column 'negative'; predictions of this task have"):
        evaluation.read_predictions(path, other)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], "u9,joi,joy,0.1,0.2,0.3,0.4"]))
    with pytest.raises(InputError, match=r"x\.csv, line 3: unknown label 'joi' in utterance u9; did you mean 'joy'"):
        evaluation.read_predictions(path, task)
    path.write_text("\n".join([lines[0], "u9,joy,joy,0.1,often,0.3,0.4"]))
    with pytest.raises(InputError, match=r"x\.csv, line 2: could not convert string to float: 'often'"):
        evaluation.read_predictions(path, task)
    path.write_text("\n".join([lines[0], "u9,joy"]))
    with pytest.raises(InputError, match=r"x\.csv, line 2: fewer cells than columns"):
        evaluation.read_predictions(path, task)


# ----------------------------------------------------------------------------------------------------------- pictures


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


@pytest.mark.parametrize("name", TASKS)
def test_confusions_are_drawn_where_there_are_any(name: str, tmp_path: Path) -> None:
    _, _, report = some_report(name)
    figures = report["splits"]["validation"]
    for file, labels in (("with.png", report["labels"]), ("without.png", None)):
        plots.confusion(figures, tmp_path / file, labels)
        assert (tmp_path / file).exists() == (name != "regression")
        assert name == "regression" or is_picture(tmp_path / file)


def test_labels_of_any_script_are_drawn(tmp_path: Path) -> None:
    task, outcome = some_outcome("multiclass", labels=("喜", "$x^$", "b_c", "𝄞"), primary_metric="accuracy")
    plots.confusion(evaluation.evaluate_outcome(task, outcome), tmp_path / "x.png")
    assert is_picture(tmp_path / "x.png")


def test_curves_are_drawn_with_and_without_validation(tmp_path: Path) -> None:
    plots.curves([{"loss": 1.0, "metrics": {}}], "accuracy", tmp_path / "one.png")
    epochs = [{"loss": 1 / (epoch + 1), "metrics": {"uar": epoch / 5}} for epoch in range(4)]
    plots.curves([*epochs, {"loss": 0.2, "metrics": {"uar": None}}], "uar", tmp_path / "two.png")
    assert is_picture(tmp_path / "one.png")
    assert is_picture(tmp_path / "two.png")
