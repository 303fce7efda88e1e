"""Where configuration, curves, report and pictures of a training go besides the run folder."""

import json
import sys
import time

import pytest
import yaml

from multimodal_emotion import config as configuration
from multimodal_emotion import runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError


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
    (kept,) = events.Scalars("validation/accuracy")
    assert kept.value == pytest.approx(run.report["splits"]["validation"]["accuracy"], rel=1e-5)
    assert set(events.Tags()["images"]) == {"confusion", "curves"}
    told = {tag: shown(events.Tensors(f"{tag}/text_summary")) for tag in ("configuration", "report")}
    assert configuration.from_dict(yaml.safe_load(told["configuration"])) == run.config
    assert json.loads(told["report"])["splits"] == run.report["splits"]


def shown(events) -> str:
    """What a text of TensorBoard says, without the four spaces that keep its lines as they are."""
    (event,) = events
    (text,) = event.tensor_proto.string_val
    return "".join(line.removeprefix("    ") for line in text.decode().splitlines(keepends=True))


def test_weights_and_biases_without_a_network(tiny_bert_folder, sst2_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = runs.train(settings(sst2_folder, tiny_bert_folder, "wandb"), tmp_path / "run", progress=False)
    (record,) = run.folder.glob("wandb/offline-run-*/*.wandb")
    texts = (b"accuracy", b"validation/uar", b"head_learning_rate", b"without_duplicates")
    deadline = time.monotonic() + 60
    # A process of the library's own writes the file.
    while not all(text in record.read_bytes() for text in texts) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [text for text in texts if text not in record.read_bytes()] == []
    pictures = {path.name.split("_")[0] for path in record.parent.glob("files/media/images/*.png")}
    assert pictures == {"confusion", "curves"}


def test_a_logger_that_is_not_installed_is_refused_before_anything_is_written(
    tiny_bert_folder, sst2_folder, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"needs Weights & Biases: pip install 'multimodal-emotion\[wandb\]'"):
        runs.train(settings(sst2_folder, tiny_bert_folder, "wandb"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
