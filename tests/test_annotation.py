"""Labels for tables and folders: every format in and out, what a killed process leaves, and what is wrong with an input."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from tiny import sentences

from multimodal_emotion import annotation, checkpoint, registry
from multimodal_emotion.annotation import annotate
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.prediction import predict

LABELS = ("anger", "joy", "neutral")


def built(seed: int = 1, **encoders: dict) -> TrainedModel:
    torch.manual_seed(seed)
    settings = ModelConfig(encoders=encoders)
    task = registry.build("tasks", "multiclass", labels=list(LABELS))
    model = checkpoint.build(settings, task)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.normal_(std=0.5)
    return TrainedModel(model.eval(), task, settings)


@pytest.fixture(scope="module")
def reader(tiny_bert_folder) -> TrainedModel:
    """Takes text."""
    return built(text={"type": "bert", "checkpoint": str(tiny_bert_folder)})


@pytest.fixture(scope="module")
def listener() -> TrainedModel:
    """Takes sound."""
    return built(audio={"type": "prosody"})


TEXTS = [text for text, _ in sentences(23, seed=5)]


def table(path: Path, texts=TEXTS) -> Path:
    rows = [{"id": f"t{number}", "Tweet": text, "stars": number % 5} for number, text in enumerate(texts)]
    if path.suffix == ".parquet":
        days = pa.array([date(2020, 1, 1 + number % 28) for number in range(len(rows))])
        pq.write_table(pa.Table.from_pylist(rows).append_column("day", days), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row | {"tags": ["a", 1]}) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".txt":
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


@pytest.mark.parametrize("output", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("source", [".csv", ".tsv", ".jsonl", ".parquet", ".txt"])
def test_each_format_gives_the_labels_of_predict(reader, tmp_path, source, output):
    columns = {"text": "text" if source == ".txt" else "Tweet"}
    given = table(tmp_path / f"in{source}")
    summary = annotate(reader, given, tmp_path / f"out{output}", columns=columns, rows_per_part=10, progress=False)
    rows = read(tmp_path / f"out{output}")
    expected = predict(reader, TEXTS)
    assert [row[columns["text"]] for row in rows] == TEXTS
    assert [row["emotion"] for row in rows] == [item.label for item in expected]
    assert [float(row["emotion.joy"]) for row in rows] == pytest.approx(
        [item.scores["joy"] for item in expected], abs=1e-5
    )
    assert [float(row["emotion.confidence"]) for row in rows] == pytest.approx(
        [i.confidence for i in expected], abs=1e-5
    )
    assert {row["emotion.present"] for row in rows} == {"text"}
    assert (summary.rows, summary.resumed, sum(summary.labels.values())) == (23, 0, 23)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([given.name, f"out{output}"])


def test_columns_keep_their_values_and_types(reader, tmp_path):
    annotate(
        reader,
        table(tmp_path / "in.parquet"),
        tmp_path / "out.parquet",
        columns={"text": "Tweet"},
        rows_per_part=9,
        progress=False,
    )
    before, after = pq.read_schema(tmp_path / "in.parquet"), pq.read_schema(tmp_path / "out.parquet")
    assert [after.field(name).type for name in before.names] == [before.field(name).type for name in before.names]
    assert after.field("emotion.error").type == pa.string()
    annotate(reader, table(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", columns={"text": "Tweet"}, progress=False)
    assert read(tmp_path / "out.jsonl")[0]["tags"] == '["a", 1]'


def test_values_of_several_kinds_and_missing_ones(reader, tmp_path):
    rows = [
        {"text": "a", "x": 1},
        {"text": "b", "x": "two"},
        {"text": "c", "y": 2.5},
        {"text": None, "x": None},
        {"x": True},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for size in (1, 2, 100):
        output = tmp_path / f"out{size}.parquet"
        summary = annotate(reader, tmp_path / "in.jsonl", output, rows_per_part=size, progress=False)
        found = read(output)
        assert [row["x"] for row in found] == ["1", "two", None, None, "True" if size == 100 else "true"]
        assert [row["y"] for row in found] == [None, None, 2.5, None, None]
        assert [row["emotion"] is None for row in found] == [False, False, False, True, True]
        assert (summary.empty, summary.unsure) == (2, 0)


def test_below_the_threshold_no_label_is_given(reader, tmp_path):
    given = table(tmp_path / "in.txt")
    confidences = sorted(item.confidence for item in predict(reader, TEXTS))
    below = 1 + int(np.argmax(np.diff(confidences)))  # where a rounding changes nothing
    threshold = (confidences[below - 1] + confidences[below]) / 2
    summary = annotate(reader, given, tmp_path / "out.csv", threshold=threshold, progress=False)
    assert summary.unsure == below
    assert sum(not row["emotion"] for row in read(tmp_path / "out.csv")) == below
    assert f"not sure: {below}" in str(summary)


def test_a_folder_with_a_broken_file(listener, tmp_path):
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    sound = 0.3 * np.sin(np.arange(16000) / 12)
    soundfile.write(folder / "b.wav", sound, 16000)
    soundfile.write(folder / "deep" / "a.flac", sound, 16000)
    (folder / "c.wav").write_bytes(b"RIFFnothing")
    (folder / "notes.md").write_text("not a clip")
    summary = annotate(listener, folder, tmp_path / "out.jsonl", rows_per_part=2, progress=False)
    rows = {row["file"]: row for row in read(tmp_path / "out.jsonl")}
    assert list(rows) == ["b.wav", "c.wav", "deep/a.flac"]
    assert rows["b.wav"]["emotion"] in LABELS
    assert rows["c.wav"]["emotion"] is None
    assert "c.wav" in rows["c.wav"]["emotion.error"]
    assert summary.empty == 1


def test_paths_in_a_table_are_relative_to_it(listener, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(16000) / 12), 16000)
    (tmp_path / "in.csv").write_text("clip\na.wav\nnone.wav\n")
    annotate(listener, tmp_path / "in.csv", tmp_path / "out.csv", columns={"audio": "clip"}, progress=False)
    first, second = read(tmp_path / "out.csv")
    assert first["emotion"] in LABELS
    assert second["emotion"] == ""
    assert "none.wav" in second["emotion.error"]


# ------------------------------------------------------------------------------------------------------ going on


class Stop(Exception):
    """Ends a call where a kill would."""


def interrupted(model, given, output, after: int, monkeypatch, **options) -> None:
    """Runs until so many parts are there."""
    finished = annotation.Parts.add

    def add(parts, *arguments):
        finished(parts, *arguments)
        if len(parts.paths()) == after:
            raise Stop

    monkeypatch.setattr(annotation.Parts, "add", add)
    with pytest.raises(Stop):
        annotate(model, given, output, progress=False, **options)
    monkeypatch.undo()


def test_going_on_predicts_only_what_is_left(reader, tmp_path, monkeypatch):
    given, output = table(tmp_path / "in.txt"), tmp_path / "out.csv"
    interrupted(reader, given, output, 2, monkeypatch, rows_per_part=5)
    assert not output.exists()
    asked = []
    real = annotation.predict_utterances

    def counted(trained, utterances, **options):
        asked.extend(item.text for item in utterances)
        return real(trained, utterances, **options)

    monkeypatch.setattr(annotation, "predict_utterances", counted)
    summary = annotate(reader, given, output, rows_per_part=5, progress=False)
    assert asked == TEXTS[10:]
    assert (summary.rows, summary.resumed) == (23, 10)
    assert [row["text"] for row in read(output)] == TEXTS
    assert not output.with_name("out.csv.parts").exists()


def test_parts_of_something_else_are_refused(reader, tiny_bert_folder, tmp_path, monkeypatch):
    given, output = table(tmp_path / "in.txt"), tmp_path / "out.csv"
    interrupted(reader, given, output, 1, monkeypatch, rows_per_part=5)
    other = built(2, text={"type": "bert", "checkpoint": str(tiny_bert_folder)})
    with pytest.raises(InputError, match="begun with another model"):
        annotate(other, given, output, rows_per_part=5, progress=False)
    with pytest.raises(InputError, match="begun with another rows_per_part"):
        annotate(reader, given, output, rows_per_part=6, progress=False)
    with pytest.raises(InputError, match="begun with another threshold"):
        annotate(reader, given, output, rows_per_part=5, threshold=0.5, progress=False)
    table(given, TEXTS[::-1])
    with pytest.raises(InputError, match="begun with another input"):
        annotate(reader, given, output, rows_per_part=5, progress=False)


def test_one_process_at_a_time(reader, tmp_path):
    pytest.importorskip("fcntl")
    given, output = table(tmp_path / "in.txt"), tmp_path / "out.csv"
    with annotation._parts(output, {}), pytest.raises(InputError, match="another process is at work"):
        annotate(reader, given, output, progress=False)


def test_a_killed_process_goes_on_with_the_next_part(reader, tmp_path):
    texts = [f"{text} {number}" for number, (text, _) in enumerate(sentences(1000, seed=6))]
    given, output, size = table(tmp_path / "in.csv", texts), tmp_path / "out.parquet", 20
    checkpoint.save(reader, tmp_path / "model")
    command = [
        sys.executable, "-m", "multimodal_emotion.cli", "annotate", given, "--columns", "text=Tweet",
        "--model", tmp_path / "model", "--output", output, "--rows-per-part", str(size), "--json",
    ]  # fmt: skip
    parts = output.with_name("out.parquet.parts")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(parts.glob("[0-9]*.parquet"))) < 3:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    done = {path.name: path.stat().st_mtime_ns for path in parts.glob("[0-9]*.parquet")}
    assert 3 <= len(done) < len(texts) / size
    assert not output.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    summary = json.loads(again.stdout)
    assert (summary["rows"], summary["resumed"]) == (len(texts), size * len(done))
    assert f"going on after {summary['resumed']} of {len(texts)} rows" in again.stderr
    assert [row["Tweet"] for row in read(output)] == texts
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "model", "out.parquet"]
    whole = tmp_path / "whole.parquet"
    annotate(reader, given, whole, columns={"text": "Tweet"}, rows_per_part=size, progress=False)
    assert pq.read_table(whole).equals(pq.read_table(output))


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("in.csv", "said\nhello\n", {}, r"which column is the text\? \(columns: said\); say --columns text=NAME"),
        ("in.csv", "said\nhello\n", {"columns": {"text": "sad"}}, "unknown column 'sad' in .*; did you mean 'said'"),
        ("in.csv", "text\nhello\n", {"columns": {"words": "text"}}, "unknown medium 'words'"),
        ("in.csv", "text,emotion\nhello,joy\n", {}, "has a column 'emotion' already; .* --prefix"),
        ("in.csv", "text\n", {}, "no rows"),
        ("in.csv", "text\na\nb,c\n", {}, "row 2: more cells than columns"),
        ("in.csv", b"text\n\xff\xfe\n", {}, "not UTF-8"),
        ("in.jsonl", '{"text": "a"}\n{"text"\n', {}, "line 2: not JSON"),
        ("in.jsonl", '["a"]\n', {}, "line 1: expected an object"),
        ("in.parquet", "no parquet", {}, "not a Parquet file"),
        ("in.xlsx", "x", {}, "not a table; known: .csv"),
        ("in.txt", "a\n", {"threshold": 2}, "threshold is 2; expected a confidence"),
    ],
)
def test_a_bad_input_is_said_and_leaves_nothing(reader, tmp_path, name, content, options, message):
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        annotate(reader, tmp_path / name, tmp_path / "out.csv", progress=False, **options)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bad_outputs(reader, tmp_path):
    with pytest.raises(InputError, match=r"write \.csv, \.jsonl or \.parquet"):
        annotate(reader, table(tmp_path / "in.txt"), tmp_path / "out.xlsx", progress=False)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        annotate(reader, tmp_path / "in.txt", tmp_path / "out.csv", progress=False)
    assert (tmp_path / "out.csv").read_text() == "mine"
    with pytest.raises(InputError, match="no such file or folder"):
        annotate(reader, tmp_path / "none.csv", tmp_path / "new.csv", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no media files in this folder"):
        annotate(reader, tmp_path / "empty", tmp_path / "new.csv", progress=False)


def test_a_log_gets_plain_lines(reader, tmp_path, capsys):
    annotate(reader, table(tmp_path / "in.txt"), tmp_path / "out.csv", rows_per_part=10)
    assert "23 of 23 rows" in capsys.readouterr().err
