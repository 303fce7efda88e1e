"""Features as files: what lies in the folder is what the encoder gives, and trains."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from multimodal_emotion import config as configuration
from multimodal_emotion import feature_files, registry, runs
from multimodal_emotion.errors import InputError
from multimodal_emotion.extraction import extract as extract_features
from multimodal_emotion.feature_files import extract


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def clips(tmp_path):
    """A manifest of tones, high and low; clip 3 is no sound at all."""
    folder = tmp_path / "clips"
    folder.mkdir()
    lines = ["id,audio,label,split,speaker"]
    for number in range(12):
        high = number % 2 == 1
        seconds = np.arange(4000) / 16000
        soundfile.write(
            folder / f"{number}.wav", 0.5 * np.sin(2 * np.pi * ((400 if high else 150) + number) * seconds), 16000
        )
        split = "test" if number > 9 else "validation" if number > 6 else "train"
        lines.append(f"c{number},{number}.wav,{'high' if high else 'low'},{split},s{number % 3}")
    (folder / "3.wav").write_bytes(b"RIFF, but that is all")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder / "clips.csv"


def table(folder):
    with (folder / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_files_hold_what_the_encoder_gives_and_train(tiny_bert_folder, sst2_folder, tmp_path):
    folder = tmp_path / "features"
    done = extract("sst2", sst2_folder, output=folder, encoders=[f"text=bert:{tiny_bert_folder}"], progress=False)
    assert (done.utterances, done.files, done.widths) == (304, {"text": 304}, {"text": 32})
    rows = table(folder)
    assert {row["split"] for row in rows} == {"train", "validation"}
    encoder = registry.build("encoders", "bert", checkpoint=str(tiny_bert_folder))
    from multimodal_emotion.corpora import load_corpus

    expected = extract_features(encoder, "text", load_corpus("sst2", sst2_folder).utterances("validation"))
    found = [np.load(folder / row["features.text"]) for row in rows if row["split"] == "validation"]
    for one, other in zip(expected, found, strict=True):
        assert other.dtype == np.float32
        assert np.abs(one - other).max() < 1e-6
    config = configuration.with_settings(
        configuration.read(folder / "train.yaml"), ["training.epochs=2", "training.logger=none"]
    )
    run = runs.train(config, tmp_path / "run", progress=False)
    assert run.report["splits"]["validation"]["n"] == 48
    assert run.trained.task.labels == ("negative", "positive")


def test_a_broken_clip_is_fatal_or_left_out_and_said(clips, tmp_path):
    given = {"encoders": ["audio=prosody"], "progress": False}
    with pytest.raises(InputError, match=r"utterance c3: .*3\.wav"):
        extract("manifest", clips, output=tmp_path / "strict", **given)
    done = extract("manifest", clips, output=tmp_path / "out", on_error="skip", **given)
    assert list(done.skipped) == ["c3"]
    assert [row["id"] for row in table(tmp_path / "out")] == [f"c{n}" for n in range(10) if n != 3]
    assert table(tmp_path / "out")[0]["speaker"] == "s0"
    assert json.loads((tmp_path / "out" / "extract.json").read_text())["skipped"].keys() == {"c3"}
    assert "1 could not be decoded, such as c3" in str(done)


def test_an_interrupted_extraction_goes_on_and_computes_nothing_twice(clips, tmp_path, monkeypatch):
    given = {"output": tmp_path / "out", "encoders": ["audio=prosody"], "on_error": "skip", "progress": False}
    monkeypatch.setattr(feature_files, "CHUNK", 2)
    save, left = np.save, [5]

    def stop(*arguments):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        save(*arguments)

    monkeypatch.setattr(np, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        extract("manifest", clips, **given)
    monkeypatch.setattr(np, "save", save)
    assert not (tmp_path / "out" / "manifest.csv").exists()
    with pytest.raises(InputError, match="begun with another corpus, split or encoder"):
        extract("manifest", clips, splits=["test"], **given)
    computed = []
    prosody = registry.find("encoders", "prosody")
    features = prosody.features
    monkeypatch.setattr(
        prosody, "features", lambda self, inputs: computed.append(len(inputs.mask)) or features(self, inputs)
    )
    assert extract("manifest", clips, **given).utterances == 9
    assert computed == [1, 2, 2]  # of ten, six were there, but for one that cannot be decoded
    with pytest.raises(InputError, match="already holds something"):
        extract("manifest", clips, **given)


def test_files_and_sentences_in_place_of_a_corpus(clips, tiny_bert_folder, tmp_path):
    (clips.parent / "3.wav").unlink()
    command = [
        sys.executable,
        "-m",
        "multimodal_emotion.cli",
        "extract",
        str(clips.parent),
        "--encoders",
        "audio=prosody",
    ]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out"), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["files"] == {"audio": 11}
    assert not (tmp_path / "out" / "train.yaml").exists()
    said = extract(
        inputs=["a fine day"], output=tmp_path / "said", encoders=[f"text=bert:{tiny_bert_folder}"], progress=False
    )
    assert said.utterances == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs either INPUTs"),
        ({"corpus": "manifest", "inputs": ["a"]}, "needs either INPUTs"),
        ({"corpus": "manifest", "encoders": ["audio=prosody"], "splits": ["dev"]}, "unknown split 'dev'"),
        ({"corpus": "manifest", "encoders": ["audio=prosodi"]}, "did you mean 'prosody'"),
        ({"corpus": "manifest", "encoders": ["audio=prosody"], "modalities": ["video"]}, "unknown modality 'video'"),
        ({"corpus": "manifest", "encoders": ["audio=prosody"], "on_error": "stop"}, "unknown on_error 'stop'"),
    ],
)
def test_what_cannot_be_extracted_is_refused_before_anything_is_written(given, message, clips, tmp_path):
    with pytest.raises(InputError, match=message):
        extract(root=clips, output=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
