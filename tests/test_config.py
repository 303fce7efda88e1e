import pytest
import yaml

from multimodal_emotion import api, presets
from multimodal_emotion import config as configuration
from multimodal_emotion.config import Config
from multimodal_emotion.errors import InputError


def test_what_is_written_is_read_again(tmp_path):
    config = configuration.with_settings(
        presets.apply(Config(), "embedded", ["text"]),
        ["training.learning_rate=2e-5", "task.options.label_smoothing=0.1", "corpus.options.columns={text: Tweet}"],
    )
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert configuration.read(path) == config
    assert config.training.learning_rate == 2e-5
    assert yaml.safe_load(path.read_text())["corpus"]["options"] == {"columns": {"text": "Tweet"}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.epoch=3", "did you mean 'training.epochs'"),
        ("trainin.epochs=3", "did you mean 'training'"),
        ("training.epochs=x", "must be int"),
        ("training.epochs=true", "must be int"),
        ("training.schedule=lin", "did you mean 'linear'"),
        ("training.epochs", "write it as a.b=value"),
        ("training.epochs=0", "must be at least 1"),
        ("training.epochs={", "not a YAML value"),
        ("seed.x=1", "has no parts"),
        ("model.fusion.type=concat", "set it as a whole"),
        ("model.fusion={type: conca}", "did you mean 'concat'"),
        ("model.fusion={type: concat, widht: 3}", "unknown setting 'widht'"),
        ("model.encoders.text={checkpoint: x}", "has no type"),
        ("training.learning_rate=-1", "training.learning_rate in --set is -1.0; it must be at least 0"),
        ("training.warmup=2", "at least 0 and at most 1"),
        ("training.betas=[0.9, 1.5]", "two numbers from 0 to below 1"),
        ("model.dropout=.nan", "model.dropout in --set is nan"),
        ("seed=-1", "seed in --set is -1"),
        ("training.freeze=some", "number of blocks"),
        ("training.freeze={audio: some}", "number of blocks"),
    ],
)
def test_a_bad_setting_is_refused_by_name(setting, message):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(Config(), [setting])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: [", "not YAML"),
        ("- a\n", "is a mapping"),
        ("training: 3\n", "must be a mapping"),
        ("corpsu: {}\n", "did you mean 'corpus'"),
        ("model: {encoders: {text: {type: bert, poolin: mean}}}\n", "did you mean 'pooling'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        configuration.read(path)
    assert "run.yaml" in str(caught.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        configuration.read(tmp_path / "none.yaml")


def test_settings_leave_the_original_alone():
    config = Config()
    changed = configuration.with_settings(config, ["training.epochs=9"])
    assert (config.training.epochs, changed.training.epochs) == (5, 9)


def test_a_preset_gives_encoders_and_rates():
    config = presets.apply(Config(), "embedded", ["text"])
    assert config.model.encoders["text"]["checkpoint"] == "embedded"
    with pytest.raises(InputError, match="did you mean 'embedded'"):
        presets.apply(Config(), "embeded", ["text"])
    with pytest.raises(InputError, match="has encoders for text only"):
        presets.apply(Config(), "multilingual", ["audio"])


def test_encoders_are_read_from_flags():
    found = presets.parse_encoders(["text=bert:embedded:minilm,prosody=prosody", "image=vit:a/b"])
    assert found["text"] == {"type": "bert", "checkpoint": "embedded:minilm"}
    assert found["prosody"] == {"type": "prosody"}
    assert found["image"]["checkpoint"] == "a/b"
    with pytest.raises(InputError, match="MODALITY=TYPE:CHECKPOINT"):
        presets.parse_encoders(["bert"])


@pytest.mark.parametrize(
    ("columns", "wanted", "expected"),
    [
        ("text,video", None, ["audio", "image", "text"]),
        ("video", None, ["audio", "image"]),
        ("text,audio", None, ["audio", "text"]),
        ("text,audio", ["text"], ["text"]),
    ],
)
def test_a_preset_has_an_encoder_for_each_modality_that_a_table_has(tmp_path, columns, wanted, expected):
    (tmp_path / "clip").touch()
    cells = {"text": "so", "audio": "clip", "video": "clip"}
    row = ",".join(cells[column] for column in columns.split(","))
    (tmp_path / "manifest.csv").write_text(f"{columns},label,split\n{row},joy,train\n{row},joy,validation\n")
    config = api.assemble(Config(), corpus="manifest", root=str(tmp_path), preset="embedded", modalities=wanted)
    assert sorted(config.model.encoders) == expected
