"""From a corpus and a few words to a configuration."""

from pathlib import Path

import pytest

from multimodal_emotion import api
from multimodal_emotion.config import Config
from multimodal_emotion.errors import InputError


def table(folder: Path, header: str) -> str:
    """A table with a row that holds the names of its columns."""
    for medium in ("audio", "video"):
        (folder / medium).touch()
    path = folder / "manifest.csv"
    path.write_text(f"{header},label\n{header},joy\n{header},anger\n{header},fear\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("header", "encoders"),
    [
        ("text", {"text"}),
        ("audio", {"audio"}),
        ("video", {"audio", "image"}),
        ("text,video", {"audio", "image", "text"}),
    ],
)
def test_a_preset_has_an_encoder_for_what_the_columns_of_a_table_have(header, encoders, tmp_path):
    for initial in ({}, {"initial": "pretrained"}):
        preset = None if initial else "embedded"
        config = api.assemble(Config(), corpus="manifest", root=table(tmp_path, header), preset=preset, **initial)
        assert set(config.model.encoders) == encoders


def test_modalities_choose_among_them(tmp_path):
    root = table(tmp_path, "text,video")
    config = api.assemble(Config(), corpus="manifest", root=root, preset="embedded", modalities=["audio"])
    assert set(config.model.encoders) == {"audio"}


def test_generated_media_are_modalities_of_the_starter_corpus(tmp_path):
    options = {"media": str(tmp_path / "media")}
    config = api.assemble(Config(), corpus="starter", preset="embedded", options=options)
    assert set(config.model.encoders) == {"audio", "image", "text"}
    assert not (tmp_path / "media").exists()


def test_a_corpus_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist; --root must name the folder"):
        api.assemble(Config(), corpus="meld", root=str(tmp_path / "meld"), preset="embedded")
