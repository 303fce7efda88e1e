import importlib
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from multimodal_emotion import media

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import _measure  # noqa: E402  (the folder of the benchmarks is no package)
import _video  # noqa: E402
import gpu  # noqa: E402
import memory  # noqa: E402
import methods  # noqa: E402
import train_text  # noqa: E402
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
    path, devices = tmp_path / "results.json", tmp_path / "results"
    _measure.keep("b", [Row("old", "x", 1.0)], path, devices)
    _measure.keep("a", [Row("other", "x", 2.0)], path, devices, lambda: "Some GPU (80 GB)")
    _measure.keep("b", [Row("new", "x", 3.0, details={"threads": 1})], path, devices)
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["a", "b"]
    assert _measure.read(path) == [Row("other", "x", 2.0), Row("new", "x", 3.0, details={"threads": 1})]
    assert _measure.read(devices / "Some_GPU_80_GB.json") == [Row("other", "x", 2.0)]
    assert len(list(devices.iterdir())) == 2


def test_what_was_skipped_says_nothing_of_a_device(tmp_path):
    _measure.keep("gpu", [Row("gpu", "", skipped="no CUDA device")], tmp_path / "results.json", tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_process_of_its_own_tells_its_memory():
    found = _measure.in_process("import sys\nRESULT = {'given': sys.argv[1]}", "word")
    assert found["given"] == "word"
    assert found["peak_mb"] > 1
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        _measure.in_process("1 / 0")


def test_a_function_alone_gets_its_arguments_and_gives_its_result(tmp_path):
    found = _measure.alone("_measure", "echo", tmp_path / "a b.mp4", 3)
    assert found["given"] == [str(tmp_path / "a b.mp4"), "3"]
    assert found["peak_mb"] > 1


def test_a_corpus_that_is_not_there_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(_measure, "CORPORA", tmp_path)
    with pytest.raises(_measure.Skip, match="no meld"):
        _measure.corpus("meld")


def test_what_was_measured_before_a_stop_is_kept(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["some.py"])
    monkeypatch.setattr(_measure, "RESULTS", path)
    monkeypatch.setattr(_measure, "DEVICES", tmp_path / "devices")

    def rows():
        yield Row("first", "", 1.0)
        raise _measure.Skip("no GPU")

    _measure.main(rows)
    assert _measure.read(path) == [Row("first", "", 1.0), Row("some", "", skipped="no GPU")]
    assert "skipped: no GPU" in capsys.readouterr().out


def test_a_gpu_is_measured_as_a_processor_is_with_a_tiny_model(tiny_bert_folder):
    work = gpu.Work(tiny_bert_folder, "cpu", batch_size=4, steps=1, side=32)
    share, loop, pipeline = gpu.measured(work)
    assert share.unit == "%"
    assert loop.details["turns"] == pipeline.details["turns"] == 3
    assert all(row.value is not None and row.value > 0 for row in (share, loop, pipeline))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_its_rows_are_skipped():
    with pytest.raises(_measure.Skip, match="no CUDA device"):
        list(gpu.rows())


def test_a_video_is_repeated_by_its_packets(tmp_path):
    piece = short_video(tmp_path / "piece.mp4")
    long = _video.repeated([piece], 5, tmp_path / "long.mp4")
    found = media.probe(long)
    assert found.has_audio
    assert 5 <= found.duration < 7
    # The second copy shows and says what the first does, at its own time.
    first, second = (media.read_frames(long, start, start + 1, count=2).pixels for start in (0.0, found.duration / 3))
    assert abs(first.astype(int) - second).max() < 40
    sounds = [media.read_audio(long, start=start, end=start + 0.8).samples for start in (0.1, found.duration - 1)]
    assert min(np.abs(samples).max() for samples in sounds) > 0.1
    little = media.probe(_video.small(long, tmp_path / "small.mp4", side=32))
    assert (little.width, little.has_audio) == (32, True)
    assert little.duration == pytest.approx(found.duration, abs=0.5)


def short_video(path: Path) -> Path:
    """Two seconds of a picture that brightens, and of a tone."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("h264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for number in range(20):
            pixels = np.full((48, 64, 3), 10 * number, dtype=np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        tone = np.sin(2 * np.pi * 440 * np.arange(32000) / 16000).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(0.5 * tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(sound.encode(frame))
        container.mux([*picture.encode(None), *sound.encode(None)])
    return path


def test_peaks_are_compared(tmp_path):
    row = memory.peaks("work", "other", *({"peak_mb": mb, "done": 1, "seconds": 2.0} for mb in (1200.0, 1000.0)))
    assert (row.value, row.met) == (1.2, True)


@pytest.mark.parametrize("name", ["features", "growth", "memory", "predict_text", "train_text", "video"])
def test_without_corpora_every_benchmark_is_skipped(monkeypatch, tmp_path, name):
    monkeypatch.setattr(_measure, "CORPORA", tmp_path)
    module = importlib.import_module(name)
    with pytest.raises(_measure.Skip, match="in the folder of corpora"):
        next(module.rows())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_peak_is_that_of_products(monkeypatch, dtype):
    monkeypatch.setattr(train_text, "SIDE", 16)
    ways = train_text.multiplications(dtype, times=1)
    assert "torch.mm" in ways
    assert {way() for way in ways.values()} == {2 * 16**3 / 1e9}


def measured(task, row, seed, **figures):
    """A line of benchmarks/results/methods.jsonl."""
    costs = {"trained": 2_695, "processor_seconds": 10 + seed, "peak_rss_mb": 1000}
    return {"task": task, "row": row, "seed": seed, "f1": {"fear": 0.0, "disgust": 0.125}, **costs, **figures}


def test_rows_of_methods_are_means_over_seeds_and_differences_at_each():
    figures = {("lora", 1): 0.57, ("full", 1): 0.6, ("full", 0): 0.5, ("lora", 0): 0.5, ("head", 1): 0.61}
    found = [measured("meld", *key, weighted_f1=figure, macro_f1=0.3) for key, figure in figures.items()]
    heads, _, full, lora, head = methods.table(found).splitlines()
    assert heads == (
        "| method | weighted F1 | macro F1 | weighted F1 less that of `full` | trained parameters | seconds | peak MB |"
    )
    assert full == "| full, 2 seeds | .550 ± .071 | .300 ± .000 |  | 2,695 | 10 | 1,000 |"
    assert lora == "| LoRA, rank 8, 2 seeds | .535 ± .049 | .300 ± .000 | -.015 (.000, -.030) | 2,695 | 10 | 1,000 |"
    assert head == "| head only, 1 seed | .610 | .300 | .010 | 2,695 | 11 | 1,000 |"


def test_rows_about_rare_labels_have_a_table_of_their_own():
    figures = {"full": 0.5, "focal": 0.51}
    found = [
        measured("meld", row, seed, weighted_f1=figures[row], macro_f1=0.3) for row in figures for seed in range(3)
    ]
    heads, _, full, focal = methods.table(found).splitlines()
    assert heads == "| method | weighted F1 | macro F1 | F1 of fear | F1 of disgust | seconds |"
    assert full == "| full | .500 ± .000 | .300 ± .000 | .000 ± .000 | .125 ± .000 | 11 |"
    assert focal == "| focal loss, 2 | .510 ± .000 | .300 ± .000 | .000 ± .000 | .125 ± .000 | 11 |"


def test_rows_of_methods_have_what_is_left_under_attack():
    attacks = dict.fromkeys(methods.TASKS["dair64"].attacks, 0.25)
    assert attacks
    found = [measured("dair64", row, 0, accuracy=0.5, macro_f1=0.4, **attacks) for row in ("full", "lora")]
    heads, _, full, _ = methods.table(found).splitlines()
    assert "| macro F1 | under FGM | under PGD | accuracy less that of `full` |" in heads
    assert full.startswith("| full, 1 seed | .500 | .400 | .250 | .250 |")


def test_the_documented_tables_are_what_was_measured():
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
    tables = methods.table(methods.read(FOLDER / "results" / "methods.jsonl")).split("\n\n")
    assert len(tables) >= 5
    assert [table for table in tables if f"\n\n{table}\n\n" not in page] == []


def test_rows_are_for_tasks_that_have_what_they_need():
    tasks = {
        row: {name for name, task in methods.TASKS.items() if methods.fits(task, methods.ROWS[row])}
        for row in methods.ROWS
    }
    assert tasks["lora"] == set(methods.TASKS)
    assert tasks["domain"] == {"dair64"}
    assert tasks["domain_adversarial"] == {"ravdess", "meld", "meld_whole"}
    assert tasks["focal"] == {"meld", "meld_whole"}


@pytest.mark.parametrize("row", methods.ROWS)
@pytest.mark.parametrize("name", methods.TASKS)
def test_settings_of_methods_are_understood(name, row):
    task = methods.TASKS[name]
    base = methods.presets.apply(methods.Config(), "embedded", [task.modality])
    config = methods.configuration.with_settings(base, [*task.settings, *methods.changed(task, row)])
    assert config.training.epochs >= 2
