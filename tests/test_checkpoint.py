import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from multimodal_emotion import checkpoint, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.inference import score


@pytest.fixture(scope="module")
def trained(tiny_bert_folder, sst2_folder):
    config = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder)))
    config.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "pooler"}}
    splits = runs.read_splits(config)
    return runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)


@pytest.fixture
def folder(trained, tmp_path):
    checkpoint.save(trained, tmp_path / "model")
    return tmp_path / "model"


def scores(model):
    utterances = [Utterance(id="1", text="a good film"), Utterance(id="2", text="sad")]
    return torch.stack([torch.from_numpy(item.scores) for item in score(model, utterances, precision="32")])


def edit(folder, change):
    path = folder / "config.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_what_is_saved_is_loaded_bit_for_bit(trained, folder):
    loaded = checkpoint.load(folder)
    assert scores(loaded).equal(scores(trained))
    assert loaded.task.labels == trained.task.labels
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".json", ".safetensors", ".txt"}


def test_a_model_folder_loads_elsewhere_without_its_checkpoint(trained, folder, tmp_path):
    moved = tmp_path / "elsewhere" / "m"
    shutil.move(folder, moved)
    assert str(tmp_path) not in (moved / "config.json").read_text()
    assert scores(checkpoint.load(moved)).equal(scores(trained))


def test_saving_replaces_the_folder_as_a_whole(trained, folder):
    (folder / "old.txt").write_text("old")
    checkpoint.save(trained, folder)
    assert not (folder / "old.txt").exists()


def test_a_failed_save_leaves_the_old_model(trained, folder, monkeypatch):
    before = load_file(folder / "model.safetensors")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(trained, folder)
    after = load_file(folder / "model.safetensors")
    assert all(before[name].equal(after[name]) for name in before)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_truncated_weights_are_named(folder):
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(InputError, match=r"model\.safetensors: truncated or not safetensors"):
        checkpoint.load(folder)


def test_missing_parts_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="no model there"):
        checkpoint.load(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no such file"):
        checkpoint.load(folder)


def test_a_tokeniser_without_words_is_refused(folder):
    (folder / "encoders" / "text" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"encoders.text: its tokeniser has no words; tokenizer\.json"):
        checkpoint.load(folder)


def test_weights_of_another_model_do_not_fit(folder):
    save_file({"x": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(InputError, match="does not fit"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "text", ["[]", "{", "{}", '{"task": 3}', '{"task": {"name": "multiclass"}, "model": {"x": 1}}']
)
def test_a_config_that_is_none_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        checkpoint.load(folder)


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


def test_no_pickle_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    (folder / "encoders" / "text" / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="truncated or not safetensors"):
        checkpoint.load(folder)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["model"]["encoders"]["text"].update(type="os:system"), "code outside the package"),
        (lambda d: d["model"].update(fusion={"type": "os:system"}), "code outside the package"),
        (lambda d: d["task"].update(name="os:system"), "code outside the package"),
        (lambda d: d["model"]["encoders"].update({"../x": {"type": "bert"}}), "not the name of a modality"),
        (lambda d: d["model"]["encoders"]["text"].update(prefix="/etc/passwd"), "may not name paths"),
        (lambda d: d["model"]["encoders"]["text"].update(type="brt"), "did you mean 'bert'"),
    ],
)
def test_a_strangers_config_cannot_run_code_or_leave_the_folder(folder, change, message):
    edit(folder, change)
    with pytest.raises(InputError, match=message):
        checkpoint.load(folder)


def test_links_out_of_the_folder_are_refused(folder, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "encoders" / "text" / "extra.json").symlink_to(secret)
    with pytest.raises(InputError, match="points out of the model folder"):
        checkpoint.load(folder)


def test_remote_code_is_not_trusted(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder / "encoders" / "text" / "config.json"
    data = json.loads(path.read_text())
    data["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    data["model_type"] = "evil"
    path.write_text(json.dumps(data))
    (path.parent / "evil.py").write_text(
        "import os; os.system('touch exploded')\nclass Config: pass\nclass Model: pass\n"
    )
    with pytest.raises(InputError, match="cannot be loaded"):
        checkpoint.load(folder)
    assert not (tmp_path / "exploded").exists()
