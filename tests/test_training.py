import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_encoders import CASES

from multimodal_emotion import api, evaluation, runs
from multimodal_emotion import config as configuration
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.optimisation import Average, build_optimizer, freeze, parameter_groups, rate_factor


@pytest.fixture
def config(tiny_bert_folder, sst2_folder) -> Config:
    base = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder)))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    return configuration.with_settings(
        base,
        [
            "training.epochs=3",
            "training.learning_rate=1e-2",
            "training.head_learning_rate=1e-2",
            "training.precision=32",
            "training.accelerator=cpu",
            "training.logger=none",
        ],
    )


def weights(run_folder):
    return load_file(run_folder / "model" / "model.safetensors")


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_it_learns_and_writes_a_run(config, tmp_path):
    run = runs.train(config, tmp_path / "run", progress=False)
    assert run.report["splits"]["validation"]["accuracy"] > 0.8
    assert run.report["train"]["loss"][-1] < run.report["train"]["loss"][0]
    assert set(run.report["splits"]) == {"validation"}
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "config.yaml", "report.json", "predictions", "metrics.csv", "model", "MODEL_CARD.md", "curves.png", "confusion.png",
    }  # fmt: skip
    assert configuration.read(run.folder / "config.yaml") == config


def test_the_epoch_that_is_kept_has_the_figures_of_the_report(config, tmp_path):
    """Validation in training runs without dropout, as every later scoring does."""
    run = runs.train(config, tmp_path / "run", progress=False)
    with (run.folder / "metrics.csv").open() as file:
        epochs = list(csv.DictReader(file))
    kept = epochs[run.report["train"]["kept_epoch"]]
    for name in ("accuracy", "uar", "macro_f1", "calibration_error"):
        assert float(kept[name]) == pytest.approx(run.report["splits"]["validation"][name], abs=1e-6)


def test_the_same_seed_gives_the_same_weights_whatever_the_workers(config, tmp_path):
    one = runs.train(config, tmp_path / "one", progress=False)
    config.training.workers = 2
    other = runs.train(config, tmp_path / "two", progress=False)
    assert same(weights(one.folder), weights(other.folder))
    config.seed = 1
    third = runs.train(config, tmp_path / "three", progress=False)
    assert not same(weights(one.folder), weights(third.folder))


def test_balanced_sampling_is_refused_before_anything_is_written_and_otherwise_trains(config, tmp_path):
    config.training.sampling = "corpus"
    with pytest.raises(InputError, match="is 'corpus', but utterance"):
        runs.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    config.training.epochs = 1
    found = []
    for config.training.sampling in ("none", "label"):
        found.append(weights(runs.train(config, tmp_path / config.training.sampling, progress=False).folder))
    assert not same(*found)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_training_continues_to_the_same_weights(config, tmp_path, average, monkeypatch):
    """Killed for real, by SIGKILL, in the middle of an epoch, twice."""
    config.training.average = average
    config.training.save_every = 0.0
    whole = runs.train(config, tmp_path / "whole", progress=False)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    code = (
        "import os, signal, sys\n"
        "from multimodal_emotion import runs, training, config\n"
        "from pathlib import Path\n"
        "left = [int(sys.argv[2])]\n"
        "save = training.Fit.save_state\n"
        "def save_then_die(self, *args):\n"
        "    save(self, *args)\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "training.Fit.save_state = save_then_die\n"
        "folder = Path(sys.argv[1])\n"
        "if (folder / 'config.yaml').exists():\n"
        "    runs.resume(folder, progress=False)\n"
        "else:\n"
        "    runs.train(config.read(sys.argv[3]), folder, progress=False)\n"
    )
    folder = tmp_path / "killed"
    for saves in (2, 9):
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(saves), str(tmp_path / "config.yaml")],
            check=False,
            timeout=200,
        )
        assert done.returncode == -signal.SIGKILL
        assert not (folder / "report.json").exists()
    resumed = runs.resume(folder, progress=False)
    assert same(weights(whole.folder), weights(resumed.folder))
    assert [round(x, 9) for x in whole.report["train"]["loss"]] == [
        round(x, 9) for x in resumed.report["train"]["loss"]
    ]


def test_a_training_killed_from_outside_leaves_a_run_that_resumes(config, tmp_path):
    config.training.epochs = 40
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "multimodal_emotion.cli",
            "train",
            str(tmp_path / "config.yaml"),
            "--output",
            str(folder),
            "--quiet",
        ]
    )
    deadline = time.monotonic() + 120
    while not (folder / "state" / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(InputError, match="continue it with `train --resume`"):
        runs.train(config, folder, progress=False)
    assert len(runs.resume(folder, progress=False).report["train"]["loss"]) == 40


def test_nothing_is_written_where_something_is_wrong(config, tmp_path):
    config.model.encoders["text"]["checkpoint"] = str(tmp_path / "none")
    with pytest.raises(InputError, match="none"):
        runs.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_an_output_that_holds_something_is_refused(config, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds something"):
        runs.train(config, tmp_path, progress=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_test_split_is_never_opened_in_training(config, tmp_path, monkeypatch):
    from multimodal_emotion.datasets.sst2 import Sst2

    read = Sst2.utterances
    opened = []

    def watch(self, split):
        opened.append(split)
        return read(self, split)

    monkeypatch.setattr(Sst2, "utterances", watch)
    runs.train(config, tmp_path / "run", progress=False)
    assert set(opened) == {"train", "validation"}


def test_early_stopping_keeps_the_best_epoch(config, tmp_path):
    config = configuration.with_settings(config, ["training.epochs=30", "training.patience=2"])
    run = runs.train(config, tmp_path / "run", progress=False)
    epochs = len(run.report["train"]["loss"])
    assert epochs < 30
    assert run.report["train"]["kept_epoch"] == epochs - 3


def test_rates_by_block_and_decay(config):
    splits = runs.read_splits(config)
    trained = runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)
    config.training.layer_decay = 0.5
    groups = parameter_groups(trained.model, config.training)
    rates = sorted({group["lr"] for group in groups})
    assert rates == pytest.approx([1e-2 * 0.25, 1e-2 * 0.5, 1e-2])
    assert all(p.dim() == 1 for group in groups if group["weight_decay"] == 0 for p in group["params"])
    trained_parameters = sum(p.numel() for group in groups for p in group["params"])
    assert trained_parameters == sum(p.numel() for p in trained.model.parameters())


def test_freezing(config):
    splits = runs.read_splits(config)
    trained = runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)
    freeze(trained.model, {"text": 2})
    still = {name for name, p in trained.model.named_parameters() if not p.requires_grad}
    assert any("embeddings" in name for name in still)
    assert any("layer.0" in name for name in still)
    assert not any("layer.1" in name for name in still)
    with pytest.raises(InputError, match="cannot freeze 9 blocks"):
        freeze(trained.model, 9)
    with pytest.raises(InputError, match="unknown modality 'txt'"):
        freeze(trained.model, {"txt": "all"})
    for parameter in trained.model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing is left to train"):
        build_optimizer(trained.model, config.training)


def test_a_frozen_encoder_trains_from_its_cache(config, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / "cache"))
    config.training.freeze = "all"
    with_cache = runs.train(config, tmp_path / "one", progress=False)
    again = runs.train(config, tmp_path / "two", progress=False)
    config.training.cache = False
    without = runs.train(config, tmp_path / "three", progress=False)
    assert same(weights(with_cache.folder), weights(again.folder))
    first, last = with_cache.report["splits"]["validation"], without.report["splits"]["validation"]
    assert first["accuracy"] == pytest.approx(last["accuracy"], abs=0.05)
    assert with_cache.report["train"]["parameters"]["trained"] < 100


def test_what_others_have_computed_does_not_change_a_training_on(tmp_path, monkeypatch):
    """An encoder that is not frozen is standardised on features of its own; those of a cache come from other batches."""
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / "cache"))
    folder = CASES["timm vit"].checkpoint(tmp_path / "vit")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "split"])
        for number in range(24):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            table.writerow([f"{number}.png", ("joy", "fear")[number % 2], "train" if number < 18 else "validation"])
    made = Config(corpus=CorpusConfig(name="manifest", root=str(tmp_path / "t.csv")))
    made.model.encoders = {"image": {"type": "vit", "checkpoint": str(folder), "standardise": True}}
    made = configuration.with_settings(made, ["training.epochs=1", "training.batch_size=8", "training.logger=none"])
    one = runs.train(made, tmp_path / "one", progress=False)
    made.training.freeze = "all"
    runs.train(made, tmp_path / "frozen", progress=False)
    kept = list((tmp_path / "cache" / "features").rglob("*.bin"))
    assert kept
    for path in kept:
        values = np.fromfile(path, np.float32)
        (values * 1.01).tofile(path)
    made.training.freeze = "none"
    two = runs.train(made, tmp_path / "two", progress=False)
    assert same(weights(one.folder), weights(two.folder))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_schedule_rises_then_falls(schedule):
    settings = Config().training
    settings.warmup, settings.schedule = 0.1, schedule
    factors = [rate_factor(step, 100, settings) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == pytest.approx(1.0)
    assert np.all(np.diff(factors[10:]) <= 0)
    assert factors[-1] == 1.0 if schedule == "constant" else factors[-1] < 0.02


def test_the_average_of_constant_weights_is_those_weights():
    layer = torch.nn.Linear(3, 3)
    average = Average(layer, 0.9)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    for _ in range(5):
        average.update(layer)
    average.swap(layer)
    for name, tensor in layer.state_dict().items():
        assert torch.allclose(tensor, before[name])
    with torch.no_grad():
        layer.weight.add_(1.0)
    average.swap(layer)
    assert torch.allclose(layer.weight, before["weight"])


def test_equal_weights_are_the_mean_of_the_last_steps():
    layer = torch.nn.Linear(3, 2)
    average = Average(layer, None, start=2)
    seen = []
    for step in range(6):
        with torch.no_grad():
            layer.weight.copy_(torch.randn(2, 3))
        average.update(layer, step)
        if step < 2:
            average.swap(layer)  # there is no average yet
        seen.append(layer.weight.detach().clone())
    average.swap(layer)
    torch.testing.assert_close(layer.weight.detach(), torch.stack(seen[2:]).mean(0))
    average.swap(layer)
    assert layer.weight.equal(seen[-1])


def test_the_last_part_of_a_training_is_averaged(config, tmp_path):
    """The last epoch's average is the mean over the steps of the second half; before it the weights themselves count."""
    config = configuration.with_settings(
        config, ["training.average=equal", "training.average_start=0.5", "training.epochs=2", "training.keep=last"]
    )
    averaged = runs.train(config, tmp_path / "averaged", progress=False)
    plain = configuration.with_settings(config, ["training.average=0"])
    with (tmp_path / "averaged" / "metrics.csv").open() as one:
        rows = list(csv.DictReader(one))
    last = runs.train(plain, tmp_path / "plain", progress=False)
    with (tmp_path / "plain" / "metrics.csv").open() as other:
        others = list(csv.DictReader(other))
    assert rows[0]["accuracy"] == others[0]["accuracy"]
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert not same(weights(averaged.folder), weights(last.folder))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.average=mean",
            "training.average is 'mean' in --set; it must be a decay from 0 to below 1, or \"equal\"",
        ),
        ("training.average=1", "training.average is 1.0"),
        ("training.average_start=1", "training.average_start is 1.0 in --set; it must be at least 0 and below 1"),
    ],
)
def test_a_bad_average_is_refused(setting, message):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(Config(), [setting])


def sounds(folder, broken=()):
    """A manifest of tones, high and low, in two splits; some files are no sound at all."""
    folder.mkdir()
    lines = ["id,audio,label,split"]
    for number in range(24):
        high = number % 2 == 1
        time = np.arange(8000) / 16000
        soundfile.write(folder / f"{number}.wav", 0.5 * np.sin(2 * np.pi * (400 if high else 150) * time), 16000)
        if number in broken:
            (folder / f"{number}.wav").write_bytes(b"RIFF, but that is all")
        lines.append(f"c{number},{number}.wav,{'high' if high else 'low'},{'validation' if number > 15 else 'train'}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder / "clips.csv"


@pytest.mark.parametrize("freeze", ["all", "none"])
def test_clips_that_cannot_be_decoded_are_fatal_or_counted_and_named(freeze, tmp_path):
    config = Config(corpus=CorpusConfig(name="manifest", root=str(sounds(tmp_path / "clips", broken=(3, 20)))))
    config.model.encoders = {"audio": {"type": "prosody"}}
    fixed = ("training.logger=none", "training.head_learning_rate=0.05", f"training.freeze={freeze}")
    config = configuration.with_settings(config, [*fixed, "training.epochs=10", f"training.cache={freeze == 'all'}"])
    with pytest.raises(InputError, match=r"utterance c3: .*3\.wav"):
        runs.train(config, tmp_path / "strict", progress=False)
    config.corpus.on_error = "skip"
    run = runs.train(config, tmp_path / "run", progress=False)
    skipped = run.report["skipped"]
    assert {split: list(found["why"]) for split, found in skipped.items()} == {"train": ["c3"], "validation": ["c20"]}
    assert "20.wav" in skipped["validation"]["why"]["c20"][0]
    assert run.report["splits"]["validation"]["n"] == 7
    assert run.report["splits"]["validation"]["accuracy"] > 0.9
    again = runs.evaluate(run.folder, "manifest", config.corpus.root, split="validation", on_error="skip")
    assert again["skipped"]["validation"]["count"] == 1
    assert "1 validation utterances could not be decoded, such as c20" in evaluation.render(again)


def test_a_training_that_cannot_begin_leaves_nothing(sst2_folder, tmp_path):
    config = api.assemble(Config(), corpus="sst2", root=str(sst2_folder), encoders=["audio=prosody"])
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(InputError, match=r"model.encoders.audio: no training utterance has anything for it"):
            runs.train(config, tmp_path / name, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []
