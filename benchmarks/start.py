"""Import, --help, and the time from `predict` to the first result."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from _measure import Row, Time, main, timed
from _work import meld, our_training, settings

from multimodal_emotion import checkpoint

NOTHING = [sys.executable, "-c", "pass"]


def rows() -> Iterable[Row]:
    """Processor seconds of whole processes; the import without those of a Python that does nothing."""
    script = str(Path(sys.executable).with_name("multimodal-emotion"))
    yield seconds("import multimodal_emotion", [sys.executable, "-c", "import multimodal_emotion"], 0.3, NOTHING)
    yield seconds("multimodal-emotion --help", [script, "--help"], 1.0)
    config = settings()
    utterances, task = meld(config)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(our_training(config, utterances[:50], task).trained, Path(folder) / "model")
        command = [script, "predict", "What a day!", "--model", str(Path(folder) / "model")]
        yield seconds("predict a sentence, from command to result", command, 4.0)


def seconds(work: str, command: Sequence[str], most: float, less: Sequence[str] | None = None, repeats: int = 5) -> Row:
    """The median of some runs, after one that warms the caches; `less` is run in turns with it and taken off.

    By processor seconds: what it takes on an idle machine, whoever else is at work on this one.
    """
    taken: list[Time] = []
    for _ in range(repeats + 1):
        idle = timed(run(less)) if less else Time(0.0, 0.0)
        whole = timed(run(command))
        taken.append(Time(whole.clock - idle.clock, whole.processor - idle.processor))
    spent = [each.processor for each in taken[1:]]
    details = {"by the clock": round(statistics.median(each.clock for each in taken[1:]), 3), "turns": repeats}
    return Row(
        f"{work}, processor seconds",
        "",
        statistics.median(spent),
        min(spent),
        max(spent),
        most=most,
        unit="s",
        details=details,
    )


def run(command: Sequence[str]) -> Callable[[], float]:
    """Runs a command once."""

    def once() -> float:
        subprocess.run(command, check=True, capture_output=True)
        return 1.0

    return once


if __name__ == "__main__":
    main(rows)
