import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import _measure  # noqa: E402  (the folder of the benchmarks is no package)
import methods  # noqa: E402
from _measure import Row, Time  # noqa: E402


@pytest.fixture(autouse=True)
def same_threads():
    """A benchmark sets the number of threads of its process, and sums depend on it: later tests compare bits."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_ratio_is_of_medians_and_its_spread_of_turns():
    ours = [Time(1.0, 2.0), Time(2.0, 2.0), Time(4.0, 2.0)]
    theirs = [Time(6.0, 10.0), Time(6.0, 10.0), Time(6.0, 10.0)]
    row = _measure.ratio("work", "other", ours, theirs, least=2.5)
    assert (row.value, row.low, row.high) == (3.0, 1.5, 6.0)
    assert row.details["ratio of processor seconds"] == 5.0
    assert row.met


def test_sides_take_turns():
    order = []

    def side(name):
        def run():
            order.append(name)
            return 2.0

        return run

    _measure.compare_all("work", side("a"), {"b": side("b"), "c": side("c")}, repeats=2, warm=False)
    assert order == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("w", "", 3.0, least=2.0), True),
        (Row("w", "", 1.9, least=2.0), False),
        (Row("w", "", 1.1, most=1.2), True),
        (Row("w", "", 1.3, most=1.2), False),
        (Row("w", "", 1.3), None),
        (Row("w", "", skipped="no GPU", least=2.0), None),
    ],
)
def test_whether_a_target_is_met(row, met):
    assert row.met is met
    assert ("MISSED" in _measure.table([row])) == (met is False)
    assert (row.skipped or "") in _measure.table([row])


def test_results_of_one_file_replace_its_former_ones(tmp_path):
    path = tmp_path / "results.json"
    _measure.keep("b", [Row("old", "x", 1.0)], path)
    _measure.keep("a", [Row("other", "x", 2.0)], path)
    _measure.keep("b", [Row("new", "x", 3.0, details={"threads": 1})], path)
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["a", "b"]
    assert _measure.read(path) == [Row("other", "x", 2.0), Row("new", "x", 3.0, details={"threads": 1})]


def test_a_process_of_its_own_tells_its_memory():
    found = _measure.in_process("import sys\nRESULT = {'given': sys.argv[1]}", "word")
    assert found["given"] == "word"
    assert found["peak_mb"] > 1
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        _measure.in_process("1 / 0")


def test_a_corpus_that_is_not_there_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(_measure, "CORPORA", tmp_path)
    with pytest.raises(_measure.Skip, match="no meld"):
        _measure.corpus("meld")


def test_what_was_measured_before_a_stop_is_kept(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["some.py"])
    monkeypatch.setattr(_measure.keep, "__defaults__", (path,))

    def rows():
        yield Row("first", "", 1.0)
        raise _measure.Skip("no GPU")

    _measure.main(rows)
    assert _measure.read(path) == [Row("first", "", 1.0), Row("some", "", skipped="no GPU")]
    assert "skipped: no GPU" in capsys.readouterr().out


def test_rows_of_methods_are_means_over_seeds(tmp_path):
    found = [
        {
            "task": "meld",
            "row": row,
            "seed": seed,
            "weighted_f1": 0.5 + 0.1 * seed,
            "macro_f1": 0.3,
            "f1": {"fear": 0.0, "disgust": 0.125},
            "trained": 2_695,
            "processor_seconds": 10 + seed,
            "peak_rss_mb": 1000,
        }
        for row, seeds in (("full", (0, 1)), ("lora", (0,)))
        for seed in seeds
    ]
    lines = methods.table(found).splitlines()
    assert lines[0].startswith("| meld | seeds | weighted_f1 | macro_f1 | fear | disgust | trained")
    assert lines[2] == "| full | 2 | .550 ± .071 | .300 ± .000 | .000 ± .000 | .125 ± .000 | 2,695 | 10 | 1,000 |"
    assert lines[3] == "| lora | 1 | .500 | .300 | .000 | .125 | 2,695 | 10 | 1,000 |"


@pytest.mark.parametrize("row", methods.ROWS)
@pytest.mark.parametrize("name", [name for name, task in methods.TASKS.items() if task.alone])
def test_settings_of_methods_are_understood(name, row):
    task = methods.TASKS[name]
    base = methods.presets.apply(methods.Config(), "embedded", [task.modality])
    config = methods.configuration.with_settings(base, [*task.settings, *methods.changed(task, row)])
    assert config.training.epochs >= 2
