import json

import numpy as np
import pytest
from scipy.stats import binomtest

from multimodal_emotion import checkpoint
from multimodal_emotion.comparison import compare, render
from multimodal_emotion.errors import InputError
from multimodal_emotion.evaluation import Outcome, report, write_json, write_predictions
from multimodal_emotion.tasks.multiclass import Multiclass
from multimodal_emotion.tasks.regression import Regression

LABELS = ("joy", "anger", "fear")


def run_folder(folder, task, targets, scores, ids=None):
    """The files of a finished run that a comparison reads."""
    ids = ids or [f"u{number}" for number in range(len(targets))]
    outcome = Outcome(ids, targets, scores)
    (folder / "predictions").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "model" / "model.safetensors").write_bytes(b"x" * 100)
    data = {"task": {"name": task.name, **task.state()}}
    (folder / "model" / checkpoint.CONFIG).write_text(json.dumps(data))
    write_predictions(folder / "predictions" / "validation.csv", task, outcome)
    train = {"parameters": {"trained": 12}, "seconds": 3.0}
    write_json(
        folder / "report.json",
        report(corpus="made", task=task, seed=0, outcomes={"validation": outcome}, train=train),
    )
    return folder


def scores_that_are_right(truth, right, generator):
    """Probabilities whose greatest is the truth where it is to be."""
    said = np.where(right, truth, (truth + generator.integers(1, 3, len(truth))) % 3)
    return list((0.1 + 0.7 * np.eye(3)[said]).astype(np.float32))


@pytest.fixture
def folders(tmp_path):
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    targets = list(np.eye(3, dtype=np.float32)[truth])
    right = {"first": truth >= 0, "second": truth >= 0, "same": truth >= 0}
    right["first"] = generator.random(300) < 0.6
    right["second"] = right["first"] | (generator.random(300) < 0.5)
    right["same"] = right["first"]
    made = {
        name: run_folder(tmp_path / name, Multiclass(LABELS), targets, scores_that_are_right(truth, each, generator))
        for name, each in right.items()
    }
    return made, right


def test_a_better_run_is_told_from_an_equal_one(folders):
    made, right = folders
    found = compare([made["first"], made["second"], made["same"]])
    first, second, same = found["runs"]
    assert "against_first" not in first
    assert (first["trained"], first["seconds"], first["bytes"]) == (12, 3.0, 100)
    assert found["metric"] == "accuracy"
    better = second["against_first"]
    assert better["utterances"] == 300
    assert better["difference"] == pytest.approx(right["second"].mean() - right["first"].mean())
    assert better["ci95"][0] > 0
    assert better["p"] < 0.01
    only = int((right["second"] & ~right["first"]).sum())
    assert better["p_mcnemar"] == pytest.approx(binomtest(0, only).pvalue)
    assert same["against_first"]["difference"] == 0
    assert same["against_first"]["p"] == same["against_first"]["p_mcnemar"] == 1
    json.dumps(found)


def test_the_table_has_a_row_for_each_run(folders):
    made, _ = folders
    lines = render(compare([made["first"], made["second"]])).splitlines()
    assert lines[0].startswith("accuracy on validation")
    assert len(lines) == 6
    assert {line.count("|") for line in lines[2:]} == {11}
    assert "| +0." in lines[5]
    assert lines[4].count("|  |") >= 1


def test_only_utterances_in_common_are_compared_in_whatever_order(folders, tmp_path):
    made, _ = folders
    task = Multiclass(LABELS)
    targets = [np.eye(3, dtype=np.float32)[0]] * 3
    scores = [np.array([0.8, 0.1, 0.1], dtype=np.float32), np.array([0.1, 0.8, 0.1], dtype=np.float32)]
    one = run_folder(tmp_path / "one", task, targets, [scores[0], scores[1], scores[0]], ["a", "b", "c"])
    other = run_folder(tmp_path / "other", task, targets, [scores[1], scores[0], scores[0]], ["d", "b", "a"])
    against = compare([one, other])["runs"][1]["against_first"]
    assert against["utterances"] == 2
    assert against["difference"] == 0.5
    with pytest.raises(InputError, match="have no utterance in common"):
        compare([made["first"], one])


def test_regressions_are_compared_without_mcnemar(tmp_path):
    generator = np.random.default_rng(0)
    task = Regression(("valence",), ranges={"valence": (-1.0, 1.0)}, primary_metric="mae")
    targets = [np.array([value], dtype=np.float32) for value in generator.uniform(-1, 1, 50)]
    near, far = ([t + generator.normal(0, s, 1).astype("f4") for t in targets] for s in (0.1, 0.5))
    folders = [run_folder(tmp_path / name, task, targets, s) for name, s in (("near", near), ("far", far))]
    against = compare(folders)["runs"][1]["against_first"]
    assert "p_mcnemar" not in against
    assert against["ci95"][0] > 0


def test_what_cannot_be_compared_is_named(folders, tmp_path):
    made, _ = folders
    with pytest.raises(InputError, match="at least two runs"):
        compare([made["first"]])
    with pytest.raises(InputError, match="none: no model there"):
        compare([made["first"], tmp_path / "none"])
    task = Multiclass(("good", "bad", "so"))
    target, score = np.eye(3, dtype=np.float32)[0], np.array([0.8, 0.1, 0.1], dtype=np.float32)
    other = run_folder(tmp_path / "other", task, [target], [score])
    with pytest.raises(InputError, match=r"about other labels than .*first: good, bad, so"):
        compare([made["first"], other])
    changed = run_folder(tmp_path / "changed", Multiclass(LABELS), [target] * 300, [score] * 300)
    with pytest.raises(InputError, match=r"utterance u\d+ has another label in each"):
        compare([made["first"], changed])
    (made["second"] / "report.json").unlink()
    with pytest.raises(InputError, match="second: no finished run there"):
        compare([made["first"], made["second"]])
    with pytest.raises(InputError, match=r"test\.csv: no such file"):
        compare([made["first"], made["same"]], split="test")
