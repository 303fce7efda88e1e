"""The model that ships: only what was trained is written, and it comes back on the packaged encoders."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file

from multimodal_emotion import api, runs, shipped
from multimodal_emotion.errors import InputError
from multimodal_emotion.inference import score

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Text alone, the uppermost layer trained for a few steps."""
    folder = tmp_path_factory.mktemp("run") / "run"
    settings = ["training.freeze=6", "training.logger=none", "training.learning_rate=0.001"]
    made = api.train(
        "starter",
        output=folder,
        preset="embedded",
        modalities=["text"],
        limit=48,
        epochs=1,
        settings=settings,
        progress=False,
    )
    return made.folder


def scores(trained):
    from multimodal_emotion.corpora import load_corpus

    rows = load_corpus("starter").utterances("validation")[:12]
    return np.stack([item.scores for item in score(trained, rows, precision="32")])


def test_what_was_trained_is_all_that_is_shipped(run, tmp_path):
    place = shipped.ship(run, tmp_path / "shipped")
    tensors = load_file(place / "model.safetensors")
    layers = {name.split(".")[5] for name in tensors if ".layer." in name}
    assert layers == {"5"}
    assert sum(path.stat().st_size for path in place.iterdir()) < 5_000_000
    trained = shipped.pretrained(place)
    np.testing.assert_allclose(scores(trained), scores(runs.resume(run).trained), atol=2e-3)
    assert "root" not in (place / "config.json").read_text()
    assert (place / "MODEL_CARD.md").is_file()


def test_what_cannot_be_shipped_or_loaded_is_named(run, tmp_path):
    with pytest.raises(InputError, match="the pretrained model is not there; `make pretrained` makes it"):
        shipped.pretrained(tmp_path / "nothing")
    place = shipped.ship(run, tmp_path / "shipped")
    data = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(
        json.dumps({**data, "bases": {"text": {**data["bases"]["text"], "sha256": "0" * 64}}})
    )
    with pytest.raises(InputError, match=r"text was made for embedded \(hash 0{12}\), this is embedded \(hash"):
        shipped.pretrained(place)
    (place / "config.json").write_text(json.dumps(data))
    (place / "model.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="truncated or not safetensors"):
        shipped.pretrained(place)
    config = (run / "config.yaml").read_text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text(config.replace("checkpoint: embedded", "checkpoint: bert-base-cased"))
    (other / "model").symlink_to(run / "model")
    with pytest.raises(InputError, match="encoder text is 'bert-base-cased'; only packaged weights can be left out"):
        shipped.ship(other, tmp_path / "no")


def test_a_training_starts_from_another(run, tmp_path):
    """Nothing learns here but the head: encoders are those of the other run, and so is the head where labels agree."""
    from multimodal_emotion import checkpoint

    common = {"preset": "embedded", "modalities": ["text"], "limit": 32, "epochs": 1, "progress": False}
    still = ["training.freeze=all", "training.logger=none", "training.head_learning_rate=0.0"]
    made = api.train("starter", output=tmp_path / "next", settings=[*still, f"model.initial={run}"], **common)
    first, second = checkpoint.load(run).model.state_dict(), checkpoint.load(made.folder).model.state_dict()
    assert all(first[name].equal(second[name]) for name in first)
    assert str(run) not in (made.folder / "model" / "config.json").read_text()
    settings = [*still, f"model.initial={run}"]
    common["modalities"] = ["audio"]
    with pytest.raises(
        InputError, match=r"model\.initial: no encoder of .* \(text\) fits those of this model \(audio\)"
    ):
        api.train("starter", output=tmp_path / "no", settings=settings, **common)


def test_what_an_adapter_learnt_is_not_lost_by_a_model_without_one(tmp_path):
    common = {"preset": "embedded", "modalities": ["text"], "limit": 32, "epochs": 1, "progress": False}
    lora = [
        "model.encoders.text.adapter={type: lora, rank: 2}",
        "training.logger=none",
        "training.head_learning_rate=0.1",
    ]
    first = api.train("starter", output=tmp_path / "lora", settings=lora, **common)
    still = ["training.freeze=all", "training.logger=none", "training.head_learning_rate=0.0"]
    settings = [*still, f"model.initial={first.folder}"]
    second = api.train("starter", output=tmp_path / "plain", settings=settings, **common)
    np.testing.assert_allclose(scores(second.trained), scores(first.trained), atol=1e-4)
    # Without a preset the model is built as the other was, and its adapter's folder is enough for that.
    small, common["preset"] = first.folder / "adapter", None
    assert sum(path.stat().st_size for path in small.iterdir()) < 1_000_000
    third = api.train("starter", output=tmp_path / "third", initial=small, settings=still[1:], **common)
    np.testing.assert_allclose(scores(third.trained), scores(first.trained), atol=1e-4)
    assert (third.folder / "adapter" / "config.json").is_file()
