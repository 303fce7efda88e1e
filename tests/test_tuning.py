"""Search: parsing, pruning, resuming, and that the best configuration gives the same score again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import optuna
import pytest
import yaml
from tiny import sst2_tree

from multimodal_emotion import config as configuration
from multimodal_emotion import runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.tuning import BEST, STUDY, Search, tune

RATE = "training.learning_rate=1e-5..3e-3,log"


@pytest.fixture
def config(tmp_path, tiny_bert_folder) -> Config:
    made = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_tree(tmp_path / "sst2", 64, 32))))
    made.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder)}}
    return configuration.with_settings(made, ["training.epochs=2", "training.logger=none", "training.batch_size=16"])


def test_what_is_searched_is_read_from_text():
    assert Search.parse(RATE) == Search("training.learning_rate", 1e-5, 3e-3, log=True)
    whole = Search.parse("training.batch_size=8..32")
    assert (whole.low, whole.high) == (8, 32)
    assert isinstance(whole.low, int)
    mappings = Search.parse("training.methods=[{}, {fgm: {epsilon: 0.1}}]")
    assert mappings.choices == ({}, {"fgm": {"epsilon": 0.1}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [Search.parse(RATE).suggest(study.ask()) for _ in range(40)]
    assert all(1e-5 <= value <= 3e-3 for value in drawn)
    assert sum(value < 1.7e-4 for value in drawn) > 10  # the middle of the logarithms
    assert all(whole.suggest(study.ask()) in range(8, 33) for _ in range(20))
    assert mappings.suggest(study.ask()) in mappings.choices


@pytest.mark.parametrize("text", ["a.b", "a.b=3..1", "a.b=0..1,log", "a.b=1..2,even", "a.b=[1]", "a.b=x..y", "a.b=[1,"])
def test_what_is_no_search_is_refused(text):
    with pytest.raises(InputError, match=r"--search .*write training\.learning_rate"):
        Search.parse(text)


def test_the_best_configuration_gives_the_same_score_again(config, tmp_path):
    found = tune(config, [RATE, "model.dropout=[0.0, 0.3]"], tmp_path / "study", trials=3, progress=False)
    assert found.trials["ended"] == 3
    again = runs.train(configuration.read(tmp_path / "study" / BEST), tmp_path / "run", progress=False)
    assert again.report["splits"]["validation"][found.metric] == found.value
    with (tmp_path / "study" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert max(float(row["value"]) for row in rows if row["state"] == "COMPLETE") == found.value
    assert found.config.training.learning_rate == found.settings["training.learning_rate"]
    kept = {path.name for path in (tmp_path / "study").iterdir()}
    assert kept == {"plan.json", STUDY, BEST, "trials.csv", ".lock"}

    more = tune(config, [RATE, "model.dropout=[0.0, 0.3]"], tmp_path / "study", trials=4, progress=False)
    assert more.trials["ended"] == 4
    assert more.value >= found.value
    with pytest.raises(InputError, match="holds a study of another configuration or search"):
        tune(config, [RATE], tmp_path / "study", trials=4, progress=False)


def test_trials_that_stay_behind_are_given_up(config, tmp_path, capsys):
    # At a rate of 1e-9 nothing is learnt: behind the median after some epochs, once there are others that learn.
    config = configuration.with_settings(config, ["training.epochs=6", "training.batch_size=4", "model.dropout=0"])
    search = ["training.learning_rate=[0.01, 0.01000001, 0.0100001, 1e-9]", "training.head_learning_rate=[0.01, 1e-9]"]
    found = tune(config, search, tmp_path / "study", trials=9)
    assert found.trials["ended"] == 9
    assert found.trials["pruned"] >= 1
    assert capsys.readouterr().err.count("given up") == found.trials["pruned"]


def test_parallel_trials_share_one_study(config, tmp_path):
    found = tune(config, [RATE], tmp_path / "study", trials=3, jobs=2, progress=False)
    assert 3 <= found.trials["ended"] <= 4
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path}/study/{STUDY}")
    spans = sorted((trial.datetime_start, trial.datetime_complete) for trial in study.trials)
    assert any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def test_a_killed_search_goes_on(config, tmp_path):
    config = configuration.with_settings(config, ["training.epochs=12"])
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    command = [sys.executable, "-m", "multimodal_emotion.cli", "tune", str(tmp_path / "config.yaml"), "--search", RATE]
    command += ["--trials", "2", "--output", str(tmp_path / "study")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "study").glob(".trial-*/run/config.yaml")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["trials"]["ended"] == 2
    assert done.stderr.count("trial ") == 2
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path}/study/{STUDY}")
    killed, again = study.trials[:2]
    assert killed.state == optuna.trial.TrialState.FAIL
    assert again.params == killed.params
    assert not list((tmp_path / "study").glob(".trial-*"))


def test_what_cannot_be_searched_is_refused_before_anything_is_written(config, tmp_path):
    for search, message in (
        ([], "nothing to search"),
        (["training.learning_rat=1e-5..1e-4"], "learning_rate"),
        (["training.optimizer=[adamw, lion]"], "lion"),
    ):
        with pytest.raises(InputError, match=message):
            tune(config, search, tmp_path / "study", progress=False)
    with pytest.raises(InputError, match="trials is 0; it must be at least 1"):
        tune(config, [RATE], tmp_path / "study", trials=0)
    assert not (tmp_path / "study").exists()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds something"):
        tune(config, [RATE], tmp_path / "study")
    broken = configuration.with_settings(config, ["model.encoders.text.checkpoint=nowhere"])
    with pytest.raises(InputError, match=r"no trial could be trained: .*nowhere"):
        tune(broken, ["training.learning_rate=[0.1, 0.2]"], tmp_path / "other", trials=1, progress=False)
    assert yaml.safe_load((tmp_path / "other" / "plan.json").read_text())["search"]
