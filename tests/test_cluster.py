"""On a local Ray cluster of two workers: the same numbers as without it."""

import os
import sys

import numpy as np
import pytest
import soundfile
from tiny import sst2_tree

from multimodal_emotion import cluster, feature_files, runs
from multimodal_emotion import config as configuration
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError


@pytest.fixture(scope="module", autouse=True)
def two_workers():
    """One cluster for all tests, of this machine alone, which ends with them."""
    # Ray would let its workers wait for everything else on the machine, until tests run out of time.
    os.environ.update({**cluster.QUIET, "RAY_worker_niceness": "0"})
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def config(tiny_bert_folder, tmp_path) -> Config:
    made = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_tree(tmp_path / "sst2", 30, 13))))
    made.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    settings = ["epochs=2", "batch_size=8", "precision=32", "accelerator=cpu", "logger=none"]
    return configuration.with_settings(made, [f"training.{setting}" for setting in settings])


def test_extraction_gives_the_same_numbers_and_says_what_is_broken(tmp_path, monkeypatch):
    lines = ["id,audio,label,split"]
    for number in range(10):
        tone = 0.5 * np.sin(2 * np.pi * (100 + 40 * number) * np.arange(2000 + 300 * number) / 16000)
        soundfile.write(tmp_path / f"{number}.wav", tone, 16000)
        lines.append(f"c{number},{number}.wav,{'low' if number < 5 else 'high'},train")
    (tmp_path / "3.wav").write_bytes(b"RIFF, but that is all")
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    given = {"encoders": ["audio=prosody"], "progress": False}
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"utterance c3: .*3\.wav"):
        cluster.extract("manifest", tmp_path / "clips.csv", output=tmp_path / "strict", **given)
    found = []
    for engine in (feature_files.extract, cluster.extract):
        monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / f"cache{len(found)}"))
        found.append(
            engine("manifest", tmp_path / "clips.csv", output=tmp_path / str(len(found)), on_error="skip", **given)
        )
    assert list(found[0].skipped) == list(found[1].skipped) == ["c3"]
    names = sorted(path.name for path in (tmp_path / "0" / "audio").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "1" / "audio").iterdir())
    assert len(names) == 9
    for name in names:
        one, other = (np.load(tmp_path / folder / "audio" / name) for folder in "01")
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert (tmp_path / "0" / "manifest.csv").read_text() == (tmp_path / "1" / "manifest.csv").read_text()


def test_training_takes_the_same_steps_as_two_processes_without_ray(config, tmp_path):
    """Dropout and all: the processes have the same seeds whoever started them."""
    config.training.devices = 2
    under_ray = cluster.train(config, tmp_path / "ray", progress=False)
    without = runs.train(config, tmp_path / "without", progress=False)
    assert under_ray.report["train"]["loss"] == pytest.approx(without.report["train"]["loss"], abs=1e-6)
    one, two = (run.trained.model.state_dict() for run in (under_ray, without))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    config.model.encoders["text"]["checkpoint"] = "nowhere"
    with pytest.raises(InputError, match="nowhere"):
        cluster.train(config, tmp_path / "other", progress=False)


def test_the_best_configuration_of_a_search_gives_the_same_score_again(config, tmp_path, capsys):
    search = ["training.learning_rate=1e-5..3e-3,log"]
    found = cluster.tune(config, search, tmp_path / "study", trials=3, jobs=2)
    assert found.trials["ended"] == 3
    assert capsys.readouterr().err.count("trial ") == 3
    assert {path.name for path in found.folder.iterdir()} == {
        "plan.json",
        "study.db",
        "best.yaml",
        "trials.csv",
        ".lock",
    }
    again = runs.train(configuration.read(found.folder / "best.yaml"), tmp_path / "run", progress=False)
    assert again.report["splits"]["validation"][found.metric] == pytest.approx(found.value, abs=1e-6)


def test_more_workers_than_the_cluster_has_room_for_are_refused(config, tmp_path):
    config.training.devices = 5
    with pytest.raises(InputError, match=r"training\.devices is 5, but the Ray cluster has 2 processor"):
        cluster.train(config, tmp_path / "run", progress=False)
    with pytest.raises(InputError, match="--workers is 0; it must be at least 1"):
        cluster.extract("starter", output=tmp_path / "out", workers=0)


def test_without_ray_the_extra_is_named(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'pip install "multimodal_emotion\[cluster\]"'):
        cluster.tune(config, ["training.learning_rate=1e-5..3e-3,log"], tmp_path / "study")
