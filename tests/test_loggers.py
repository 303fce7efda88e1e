"""Where the curves of a training go besides the run folder."""

import time

import pytest

from multimodal_emotion import config as configuration
from multimodal_emotion import runs
from multimodal_emotion.config import Config, CorpusConfig


def settings(folder, checkpoint, logger) -> Config:
    config = Config(corpus=CorpusConfig(name="sst2", root=str(folder), limit=16))
    config.model.encoders = {"text": {"type": "bert", "checkpoint": str(checkpoint)}}
    return configuration.with_settings(config, [f"training.logger={logger}", "training.epochs=2"])


def test_tensorboard_gets_loss_and_figures(tiny_bert_folder, sst2_folder, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = runs.train(settings(sst2_folder, tiny_bert_folder, "tensorboard"), tmp_path / "run", progress=False)
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert {"loss", "accuracy"} <= set(events.Tags()["scalars"])
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(run.report["train"]["loss"], rel=1e-5)


def test_weights_and_biases_without_a_network(tiny_bert_folder, sst2_folder, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is an extra: pip install '.[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = runs.train(settings(sst2_folder, tiny_bert_folder, "wandb"), tmp_path / "run", progress=False)
    (record,) = run.folder.glob("wandb/offline-run-*/*.wandb")
    texts = (b"accuracy", b"validation/uar", b"head_learning_rate")
    deadline = time.monotonic() + 60
    # A process of the library's own writes the file.
    while not all(text in record.read_bytes() for text in texts) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [text for text in texts if text not in record.read_bytes()] == []
    pictures = {path.name.split("_")[0] for path in record.parent.glob("files/media/images/*.png")}
    assert pictures == {"confusion", "curves"}
