"""Import, --help, and the time from `predict` to the first result."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from _measure import Row, main
from _work import meld, our_training, settings

from multimodal_emotion import checkpoint

NOTHING = [sys.executable, "-c", "pass"]


def rows() -> Iterable[Row]:
    """Seconds of whole processes; the import without those of a Python that does nothing."""
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
    """The median of some runs, after one that warms the caches; `less` is run in turns with it and taken off."""
    taken = []
    for _ in range(repeats + 1):
        idle = run(less) if less else 0.0
        taken.append(run(command) - idle)
    del taken[0]
    return Row(work, "", statistics.median(taken), min(taken), max(taken), most=most, unit="s")


def run(command: Sequence[str]) -> float:
    """The seconds a process took."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(rows)
