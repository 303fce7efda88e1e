"""Figures under attack."""

import json

import numpy as np
import pytest
import torch
from tiny_encoders import CASES

from multimodal_emotion import checkpoint, cli, registry, runs
from multimodal_emotion import config as configuration
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows
from multimodal_emotion.media import Audio
from multimodal_emotion.robustness import Attack, robust


@pytest.fixture(scope="module")
def run(tiny_bert_folder, sst2_folder, tmp_path_factory):
    """A finished run with a frozen encoder."""
    config = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder)))
    config.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    fixed = ("epochs=6", "head_learning_rate=5e-2", "precision=32", "logger=none", "freeze=all", "cache=false")
    config = configuration.with_settings(config, [f"training.{it}" for it in fixed])
    return runs.train(config, tmp_path_factory.mktemp("robust") / "run", progress=False)


def figures(run, sst2_folder, *attacks):
    return runs.evaluate(run.trained, "sst2", sst2_folder, split="validation", attack=attacks)["robust"]


def test_an_attack_raises_the_loss_a_stronger_one_more_and_one_without_length_changes_nothing(run, sst2_folder):
    names = ["fgm:epsilon=0", "fgm:epsilon=0.1", "fgm:epsilon=0.4", "pgd:epsilon=0.4,steps=5,stride=0.15"]
    found = figures(run, sst2_folder, *names)
    assert list(found) == names
    none, weak, strong, steps = (found[name]["loss"] for name in names)
    assert none["after"] == pytest.approx(none["before"], abs=1e-6)
    assert none["before"] < weak["after"] < strong["after"] <= steps["after"]
    assert {each["loss"]["before"] for each in found.values()} == {none["before"]}
    plain = run.report["splits"]["validation"]
    assert found["fgm:epsilon=0"]["accuracy"] == pytest.approx(plain["accuracy"])
    assert found[names[-1]]["accuracy"] < plain["accuracy"]
    assert set(plain) <= set(found[names[0]])


def test_a_model_is_as_it_was_after_an_attack(run, sst2_folder):
    """The encoder of a run just trained is frozen: it is attacked like one that is loaded, and stays frozen."""
    frozen = figures(run, sst2_folder, "fgm")["fgm"]
    model = run.trained.model
    assert model.encoder("text").frozen
    assert not any(parameter.requires_grad for parameter in model.encoder("text").backbone.parameters())
    assert all(parameter.requires_grad for parameter in model.head.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    run.trained = checkpoint.load(run.folder)
    assert figures(run, sst2_folder, "fgm")["fgm"]["loss"] == pytest.approx(frozen["loss"])


def test_every_modality_that_is_there_is_attacked(tiny_bert_folder, tmp_path, monkeypatch):
    """Words, a waveform's features, and numbers, which have no layer; some utterances lack some."""
    speech = CASES["wav2vec2 group"].checkpoint(tmp_path / "speech")
    config = Config()
    config.model.encoders = {
        "text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"},
        "audio": {"type": "wav2vec2", "checkpoint": str(speech)},
        "numbers": {"type": "features", "name": "numbers", "dim": 3, "standardise": False},
    }
    task = registry.build("tasks", "binary", labels=("negative", "positive"))
    sound = Audio(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32), 16000)
    rows = [
        Utterance(id="text", text="the film was good", label="positive"),
        Utterance(id="numbers", features={"numbers": (1.0, 2.0, 3.0)}, label="negative"),
        Utterance(id="both", text="a dull day", features={"numbers": (3.0, 0.0, 1.0)}, label="negative"),
        Utterance(id="nothing", label="negative"),
    ]
    torch.manual_seed(0)
    trained = runs.assemble(config, task, rows)
    heard = trained.preparations["audio"]
    monkeypatch.setattr(type(heard), "read", lambda self, each: sound if each.id in ("both",) else None)
    (found,) = robust(trained, Rows(rows, trained.preparations, task), [Attack.parse("fgm:epsilon=0.3")]).values()
    assert found["n"] == 3
    for only in ("text", "audio", "numbers"):
        some = Rows([rows[2]], {only: trained.preparations[only]}, task)
        (alone,) = robust(trained, some, [Attack.parse("fgm:epsilon=0.3")]).values()
        assert alone["loss"]["after"] > alone["loss"]["before"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fgn", "unknown attack 'fgn' in --attack fgn; did you mean 'fgm'"),
        ("r_drop", "unknown attack 'r_drop'"),
        ("fgm:0.1", "write NAME:SETTING=VALUE,..., such as fgm:epsilon=0.1"),
        ("fgm:epsilonn=0.1", "did you mean 'epsilon'"),
        ("fgm:epsilon=2", "epsilon is 2.0; it must be at least 0 and at most 1"),
    ],
)
def test_a_bad_attack_is_refused_before_a_model_is_looked_for(text, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        runs.evaluate("nowhere", "sst2", attack=text)


def test_the_command_line_attacks(run, sst2_folder, tmp_path, capsys):
    command = ["evaluate", str(run.folder), "--corpus", "sst2", "--root", str(sst2_folder), "--split", "validation"]
    options = ["--attack", "fgm:epsilon=0.1", "--attack", "pgd", "--output", str(tmp_path / "out"), "--quiet"]
    assert cli.main([*command, *options]) == 0
    assert "under attack" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["robust"]) == ["fgm:epsilon=0.1", "pgd"]
