"""Training in several processes: the same steps as in one, whatever is divided; one that is lost ends them all."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import sst2_tree

from multimodal_emotion import config as configuration
from multimodal_emotion import parallel, processes, runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError


@pytest.fixture
def config(tiny_bert_folder, tmp_path) -> Config:
    """Without dropout two processes draw what one draws; 30 rows in batches of 8 leave an uneven one of 6."""
    calm = tmp_path / "calm"
    calm.mkdir()
    for file in tiny_bert_folder.iterdir():
        (calm / file.name).write_bytes(file.read_bytes())
    stated = json.loads((calm / "config.json").read_text())
    stated |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (calm / "config.json").write_text(json.dumps(stated))
    made = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_tree(tmp_path / "sst2", 30, 13))))
    made.model.encoders = {"text": {"type": "bert", "checkpoint": str(calm), "pooling": "mean"}}
    settings = ["epochs=2", "batch_size=8", "head_learning_rate=1e-3", "precision=32", "accelerator=cpu", "logger=none"]
    return configuration.with_settings(made, [*(f"training.{setting}" for setting in settings), "model.dropout=0"])


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_as_one_does(config, tmp_path, strategy):
    """SGD: the weights are then the sum of the gradients of all steps. AdamW would magnify those that are nearly 0."""
    config = configuration.with_settings(config, ["training.optimizer=sgd", "training.learning_rate=1e-2"])
    # It asks the model twice in a step, which must not disturb how gradients are brought together.
    config.training.methods = {"fgm": {"epsilon": 0.1}} if strategy == "ddp" else {}
    alone = runs.train(config, tmp_path / "alone", progress=False)
    config.training.devices, config.training.strategy = 2, strategy
    both = runs.train(config, tmp_path / "both", progress=False)
    one, two = (load_file(run.folder / "model" / "model.safetensors") for run in (alone, both))
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-6
    assert both.report["train"]["loss"] == pytest.approx(alone.report["train"]["loss"], abs=1e-6)
    assert both.report["splits"]["validation"]["n"] == 13
    for figure in ("accuracy", "uar", "calibration_error"):
        expected = alone.report["splits"]["validation"][figure]
        assert both.report["splits"]["validation"][figure] == pytest.approx(expected, abs=1e-5)
    assert {path.name for path in both.folder.iterdir()} == {path.name for path in alone.folder.iterdir()}


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_killed_training_of_two_processes_continues_to_the_same_weights(config, tmp_path, strategy):
    """The process that was called is killed alone: those that it started must not live on. Dropout is on."""
    config = configuration.with_settings(
        config, [f"training.strategy={strategy}", "training.devices=2", "training.epochs=12", "model.dropout=0.3"]
    )
    config.training.save_every = 0.0
    whole = runs.train(config, tmp_path / "whole", progress=False)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "multimodal_emotion.cli", "train", str(tmp_path / "config.yaml"), "--quiet"]
    process = subprocess.Popen([*command, "--output", str(folder)])
    until((folder / "state" / "state.pt").exists)
    children = [int(it) for it in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(children) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not (folder / "report.json").exists()
    assert (
        0 < torch.load(folder / "state" / "state.pt", weights_only=True)["numbers"]["epoch"] < 12 or strategy == "ddp"
    )
    resumed = runs.resume(folder, progress=False)
    one, two = (load_file(run.folder / "model" / "model.safetensors") for run in (whole, resumed))
    assert all(one[name].equal(two[name]) for name in one)
    assert resumed.report["train"]["loss"] == pytest.approx(whole.report["train"]["loss"], abs=1e-9)


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Waits."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_wrong_in_every_process_is_one_error(config, tmp_path):
    config.training.devices = 2
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds something"):
        runs.train(config, tmp_path / "run", progress=False)


def talk(folder: str) -> None:
    """Is called in each of two processes."""
    number = processes.number()
    assert processes.count() == 2
    assert processes.gathered(number * 10) == [0, 10]
    assert list(processes.share("abcde")) == [["a", "c", "e"], ["b", "d"]][number]
    value = torch.tensor([1.0 + number], requires_grad=True)
    assert processes.total(value).tolist() == [3.0]
    (value * (number + 1)).backward()
    processes.average_gradients([value])
    assert value.grad is not None
    assert value.grad.tolist() == [1.5]
    assert processes.once(os.getpid) == processes.gathered(os.getpid())[0]
    with pytest.raises(InputError, match="refused"):
        processes.once(refuse)
    (Path(folder) / str(number)).write_text("well")
    processes.gathered(None)
    if number == 1:
        raise InputError("one of them found a broken clip")
    processes.gathered("the other waits for it")


def refuse() -> None:
    """Is called in the first process."""
    raise InputError("refused")


def test_processes_tell_each_other_and_the_error_of_one_ends_all(tmp_path):
    with pytest.raises(InputError, match="one of them found a broken clip"):
        processes.run(talk, str(tmp_path), devices=2, gpu=False)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def lose_one() -> None:
    """Is called in each of two processes, of which one dies and the other waits."""
    if processes.number() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    processes.gathered(None)


def test_a_process_that_is_killed_ends_the_training_with_an_error():
    with pytest.raises(InputError, match="process 1 of 2 was ended by SIGKILL"):
        processes.run(lose_one, devices=2, gpu=False)


def test_alone_nothing_is_asked_of_others():
    assert (processes.count(), processes.number(), processes.first()) == (1, 0, True)
    assert processes.share([1, 2, 3]) == [1, 2, 3]
    assert processes.gathered("a") == ["a"]
    assert processes.run(len, "abc", devices=1, gpu=False) == 3


def test_what_does_not_go_together_is_refused(config, monkeypatch):
    settings = config.training
    settings.devices = 2
    with pytest.raises(InputError, match="only `train` without --folds starts several processes"):
        parallel.check(settings, 0.0, 30)
    with pytest.raises(InputError, match=r"training\.devices is 2, but this training must stay in one process"):
        runs.train(config, "nowhere", watch=print)
    with pytest.raises(InputError, match=r"training\.devices is 99, but this machine has \d+ GPU"):
        processes.run(len, "abc", devices=99, gpu=True)
    with pytest.raises(InputError, match=r"unknown value of training\.strategy 'dpp'.*did you mean 'ddp'"):
        configuration.with_settings(config, ["training.strategy=dpp"])
    monkeypatch.setattr(processes, "count", lambda: 2)
    parallel.check(settings, 1.0, 30)
    with pytest.raises(InputError, match="the number of training utterances is 1, for 2 processes together"):
        parallel.check(settings, 0.0, 1)
    settings.strategy = "fsdp"
    with pytest.raises(InputError, match=r"training\.strategy fsdp does not go with model\.balance"):
        parallel.check(settings, 1.0, 30)
    settings.average = 0.9
    with pytest.raises(InputError, match=r"training\.strategy fsdp does not go with training\.average; ddp does"):
        parallel.check(settings, 0.0, 30)
    settings.batch_size = 1
    with pytest.raises(InputError, match=r"training\.batch_size is 1, for 2 processes together; each needs one"):
        parallel.check(settings, 0.0, 30)
