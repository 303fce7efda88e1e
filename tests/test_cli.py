"""The command line as a user meets it: real processes, real files."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request

import pytest

from multimodal_emotion import cli


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "multimodal_emotion.cli", *map(str, arguments)],
        input=stdin, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tiny_bert_folder, sst2_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = run(
        "train", "--corpus", "sst2", "--root", sst2_folder, "--encoders", f"text=bert:{tiny_bert_folder}",
        "--epochs", "3", "--set", "training.learning_rate=1e-2", "--set", "training.head_learning_rate=1e-2", "--json", "--output", folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), done.stderr


def test_import_is_light():
    code = "import sys, multimodal_emotion; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_help_is_light_and_has_an_example_for_every_verb(capsys):
    code = "import sys; from multimodal_emotion import cli; cli._parser(); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert len(listed) >= 11
    for verb in listed:
        with pytest.raises(SystemExit):
            cli.main([verb, "--help"])
        about, _, example = capsys.readouterr().out.partition("example:")
        assert f"multimodal-emotion {verb}" in example
        for line in example.replace("\\\n", " ").strip().splitlines():
            assert cli._parser().parse_args(shlex.split(line)[1:]).run
        options = re.findall(r"^  (-.*?)(?:$|  +(?=\S))(.*(?:\n {10,}.*)*)", about, re.MULTILINE)
        assert not [flag for flag, text in options if not text.strip()], verb


def test_train_prints_a_report_and_plain_progress(finished):
    folder, report, log = finished
    assert report["splits"]["validation"]["accuracy"] > 0.8
    assert "epoch 3/3: train loss" in log
    assert "\r" not in log
    assert json.loads((folder / "report.json").read_text()) == report


def test_evaluate_gives_the_figures_of_the_training_again(finished, sst2_folder, tmp_path):
    folder, report, _ = finished
    done = run(
        "evaluate",
        folder,
        "--corpus",
        "sst2",
        "--root",
        sst2_folder,
        "--split",
        "validation",
        "--output",
        tmp_path / "out",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)["splits"]["validation"]
    assert again["accuracy"] == report["splits"]["validation"]["accuracy"]
    with (tmp_path / "out" / "predictions" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == again["n"]
    assert set(rows[0]) == {"id", "label", "prediction", "negative", "positive"}


def test_predict_a_sentence_a_table_and_standard_input(finished, tmp_path):
    folder, _, _ = finished
    done = run("predict", "a lovely film", "--model", folder, "--json")
    found = json.loads(done.stdout)
    assert found["label"] == "positive"
    assert abs(sum(found["scores"].values()) - 1) < 1e-4
    table = tmp_path / "in.csv"
    table.write_text("id,said\nx,a lovely day\ny,\nz,an awful day\n")
    done = run("predict", table, "--column", "said", "--model", folder, "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert [rows[key]["label"] for key in "xyz"] == ["positive", "", "negative"]
    done = run("predict", "-", "--model", folder, "--json", stdin="a bright day\n\na cruel man\n")
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["positive", "negative"]


def test_compare_shows_runs_beside_each_other(finished, tmp_path):
    folder, report, _ = finished
    other = shutil.copytree(folder, tmp_path / "other")
    found = json.loads(run("compare", folder, other, "--json").stdout)
    assert [item["folder"] for item in found["runs"]] == [str(folder), str(other)]
    assert found["runs"][0]["figure"] == report["splits"]["validation"][found["metric"]]
    assert found["runs"][1]["against_first"]["difference"] == 0
    assert str(other) in run("compare", folder, other).stdout


def test_predict_makes_a_page(finished, tmp_path):
    folder, _, _ = finished
    given = ("predict", "a <b>lovely</b> day", "an awful day", "--model", folder, "--threshold", "0.5")
    done = run(*given, "--report", tmp_path / "out.html", "--output", tmp_path / "out.jsonl")
    written = [f"written: {tmp_path / name}" for name in ("out.jsonl", "out.html")]
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (0, "", written)
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "a \\u003cb\\u003elovely\\u003c/b\\u003e day" in text
    assert '"label":"negative"' in text
    done = run(*given[:-1], "1.0", "--json")
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == [None, None]


def test_annotate_prints_a_summary(finished, tmp_path):
    folder, _, _ = finished
    (tmp_path / "in.csv").write_text("said\na lovely day\nan awful day\n")
    done = run(
        "annotate", tmp_path / "in.csv", "--columns", "text=said", "--model", folder, "--output", tmp_path / "out.csv"
    )
    assert done.returncode == 0, done.stderr
    assert "2 rows, 2 of them now" in done.stdout
    assert done.stderr.startswith("2 of 2 rows")
    with (tmp_path / "out.csv").open() as file:
        assert [(row["said"], row["emotion"]) for row in csv.DictReader(file)] == [
            ("a lovely day", "positive"),
            ("an awful day", "negative"),
        ]


def test_app_says_where_it_is_and_ends_when_interrupted(finished):
    folder, _, _ = finished
    # What a shell starts in the background ignores interrupts, and so would its children.
    listen = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = listen + "from multimodal_emotion.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "app", "--model", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[0]
            request = urllib.request.Request(address + "predict", data=b"a lovely day")
            with urllib.request.urlopen(request, timeout=120) as reply:
                assert '"label":"positive"' in reply.read().decode()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "ended\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--output", "x"], "needs a CONFIG.yaml or --corpus"),
        (["train", "--corpus", "sst2"], "needs --output"),
        (["train", "--corpus", "sst", "--output", "x"], "needs --root"),
        (["train", "--corpus", "ssst2", "--root", ".", "--output", "x"], "did you mean 'sst2'"),
        (
            ["train", "--corpus", "sst2", "--root", "nowhere", "--output", "x", "--preset", "embedded"],
            "nowhere does not exist",
        ),
        (["train", "none.yaml", "--output", "x"], "none.yaml: no such file"),
        (["train", "--corpus", "sst2", "--root", ".", "--output", "x", "--set", "training.epoch=1"], "training.epochs"),
        (["train", "--corpus", "sst2", "--root", ".", "--output", "x", "--option", "votes"], "write NAME=VALUE"),
        (["evaluate", "nowhere", "--corpus", "sst2", "--root", "."], "no model there"),
        (["predict", "--model", "nowhere"], "needs an INPUT"),
        (["predict", "hello", "--model", "nowhere"], "no model there"),
        (["predict", "hello", "--model", "nowhere", "--report", "out.htm"], "--report out.htm: a report is a page"),
        (["annotate", "in.csv", "--output", "out.csv", "--model", "nowhere"], "in.csv: no such file"),
        (["annotate", "in.csv", "--output", "out.xls", "--model", "x"], "write .csv, .jsonl or .parquet"),
        (["annotate", "in.csv", "--output", "out.csv", "--model", "x", "--columns", "a"], "write NAME=VALUE"),
        (["compare", "nowhere", "none"], "nowhere"),
        (["app", "--model", "nowhere"], "no model there"),
        (["corpora", "ssst2"], "did you mean 'sst2'"),
        (["train", "--resume", "nowhere"], "no run there"),
    ],
)
def test_bad_input_is_code_2_and_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.strip().splitlines()) <= 2
    assert "Traceback" not in shown
    assert os.listdir(tmp_path) == []


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no run there"):
        cli.main(["train", "--resume", "nowhere", "--debug"])


def test_a_missing_file_among_the_inputs(finished, tmp_path):
    folder, _, _ = finished
    done = run("predict", tmp_path / "none.csv", "--model", folder)
    assert done.returncode == 2
    assert "none.csv: no such file" in done.stderr
    done = run("predict", "x", "--model", folder, "--output", tmp_path / "out.xyz")
    assert "write .csv, .jsonl, .srt, .png or .html" in done.stderr


def test_a_reader_that_leaves_early_is_no_error(finished, tmp_path):
    folder, _, _ = finished
    (tmp_path / "many.txt").write_text("a lovely day\n" * 9000)
    command = (
        f"{sys.executable} -m multimodal_emotion.cli predict {tmp_path / 'many.txt'} --model {folder} --json | head -1"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=250, check=False)
    assert json.loads(done.stdout)["label"] == "positive"
    assert done.stderr == ""


def test_a_full_disk_is_one_line_and_leaves_nothing(finished):
    folder, _, _ = finished
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    done = subprocess.run(
        f"{sys.executable} -m multimodal_emotion.cli predict hello --model {folder} --json > /dev/full",
        shell=True, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_corpora_lists_and_describes(sst2_folder):
    listed = json.loads(run("corpora", "--json").stdout)
    assert {"sst2", "meld", "goemotions"} <= {card["name"] for card in listed}
    described = json.loads(run("corpora", "sst2", "--root", sst2_folder, "--json").stdout)
    assert described["splits"]["train"]["utterances"] == 256
    shown = run("corpora", "sst2", "--root", sst2_folder).stdout
    assert "positive" in shown
    assert "train" in shown
