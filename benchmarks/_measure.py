"""Side by side and in turns: A B A B ..., each timed alone. A row of the table is a ratio of medians with its spread.

Other programs may run on the same machine. They slow both sides of a turn alike, so that ratios stand where absolute times
would not; and each row also has the ratio of processor seconds, which does not count waiting.
"""

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
"""What the last `make bench` measured, on whatever machine that was."""

DEVICES = HERE / "results"
"""The same, a file for each device: NAME.json."""

CORPORA = Path(os.environ.get("MULTIMODAL_EMOTION_CORPORA", HERE.parents[1] / "shared" / "corpora"))
THREADS = int(os.environ.get("MULTIMODAL_EMOTION_BENCH_THREADS", "1"))
"""Threads of both sides alike."""

SHARE = float(os.environ.get("MULTIMODAL_EMOTION_BENCH_SHARE", "1"))
"""Of the work of each row, where less than all of it is to be done; the rows say how much was."""


class Skip(Exception):  # noqa: N818  (it is no error)
    """A row cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        work: what is done.
        against: what it is compared with.
        value: the figure, a ratio of medians unless `unit` says otherwise; None where it was skipped.
        low, high: the smallest and largest ratio of one turn.
        least, most: the target.
        unit: "x", "s", "MB", "%" or, of a difference of accuracies, "".
        details: further figures, such as the ratio of processor seconds.
        skipped: why there is no figure.
    """

    work: str
    against: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    least: float | None = None
    most: float | None = None
    unit: str = "x"
    details: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a figure or without a target."""
        if self.value is None or (self.least is None and self.most is None):
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


@dataclass(frozen=True, slots=True)
class Time:
    """What one unit of work took: seconds by the clock, seconds of the processor (workers included)."""

    clock: float
    processor: float


def timed(work: Callable[[], float]) -> Time:
    """Runs some work, which returns how many units it did, and divides what it took by them."""
    clock, processor = time.perf_counter(), _processor()
    units = work()
    return Time((time.perf_counter() - clock) / units, (_processor() - processor) / units)


def compare(
    work: str, against: str, ours: Callable[[], float], theirs: Callable[[], float], *, repeats: int = 3, **more: Any
) -> Row:
    """How many times as fast `ours` is as `theirs`, on the same units of work. One turn of each goes before, untimed."""
    return compare_all(work, ours, {against: theirs}, repeats=repeats, targets={against: more})[0]


def compare_all(
    work: str,
    ours: Callable[[], float],
    theirs: dict[str, Callable[[], float]],
    *,
    repeats: int = 3,
    warm: bool = True,
    targets: dict[str, dict[str, Any]] | None = None,
) -> list[Row]:
    """One row for each other way of doing the work, all of them in the same turns.

    Args:
        work: its name.
        ours, theirs: do some of it and return how many units that were; `theirs` by name.
        repeats: turns.
        warm: whether each side runs once before, untimed.
        targets: by name, further fields of the row.
    """
    taken = in_turns({"": ours, **theirs}, repeats, warm)
    return [ratio(work, name, taken[""], taken[name], **(targets or {}).get(name, {})) for name in theirs]


def in_turns(sides: dict[str, Callable[[], float]], repeats: int = 3, warm: bool = True) -> dict[str, list[Time]]:
    """What a unit of each way of doing some work took, by name, in each of some turns; see `compare_all`."""
    if warm:
        for side in sides.values():
            side()
    taken: dict[str, list[Time]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            taken[name].append(timed(side))
    return taken


def ratio(work: str, against: str, ours: Sequence[Time], theirs: Sequence[Time], **more: Any) -> Row:
    """The row of two series of times, turn by turn: how many times longer theirs are."""
    turns = [other.clock / own.clock for own, other in zip(ours, theirs, strict=True)]
    own, other, own_processor, other_processor = (
        statistics.median(getattr(item, kind) for item in series)
        for kind in ("clock", "processor")
        for series in (ours, theirs)
    )
    details = {
        "ratio of processor seconds": round(other_processor / own_processor, 3) if own_processor else None,
        "ours, units a second": round(1 / own, 3),
        "theirs, units a second": round(1 / other, 3),
        "turns": len(turns),
        "threads": THREADS,
    }
    details |= more.pop("details", {})
    return Row(work, against, other / own, min(turns), max(turns), details=details, **more)


def alone(module: str, function: str, *arguments: object) -> dict[str, Any]:
    """Calls a function of a benchmark in a process of its own: what it returns, its peak memory, its seconds.

    Args:
        module: a file of this folder.
        function: in it; it takes strings and returns what JSON holds.
        *arguments: are passed as strings.
    """
    code = (
        f"import sys, torch\nsys.path.insert(0, {str(HERE)!r})\ntorch.set_num_threads({THREADS})\n"
        f"from {module} import {function}\nRESULT = {function}(*sys.argv[1:])"
    )
    return in_process(code, *map(str, arguments))


def in_process(code: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Runs Python code in a process of its own; what it prints last is JSON. Adds its peak memory and its seconds."""
    tail = (
        "\nimport resource as _r, json as _j\n"
        "print(_j.dumps({'peak_mb': _r.getrusage(_r.RUSAGE_SELF).ru_maxrss / 2**10, **globals().get('RESULT', {})}))"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *arguments],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(THREADS), **(environment or {})},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.perf_counter() - began}


def echo(*arguments: str) -> dict[str, Any]:
    """What it was called with: `alone` is tested on it."""
    return {"given": arguments}


def share(count: int) -> int:
    """That part of a number of things that is to be done."""
    return max(1, round(count * SHARE))


def corpus(name: str) -> Path:
    """The folder of a development corpus."""
    if not (CORPORA / name).is_dir():
        raise Skip(f"no {name} in the folder of corpora (MULTIMODAL_EMOTION_CORPORA)")
    return CORPORA / name


def main(rows: Callable[[], Iterable[Row]], device: Callable[[], str] | None = None) -> None:
    """Measures the rows of one file, prints them, and puts them in place of the file's former ones in the results.

    Args:
        rows: of the file.
        device: names what they are measured on; None is the processor.
    """
    import torch

    torch.set_num_threads(THREADS)
    name = Path(sys.argv[0]).stem
    found: list[Row] = []
    try:
        for row in rows():
            found.append(row)
            # After each row: a benchmark that is stopped leaves what it has measured.
            keep(name, found, device=device)
            print(table([row]), flush=True)
    except Skip as reason:
        found.append(Row(name, "", skipped=str(reason)))
        keep(name, found, device=device)
        print(table(found[-1:]), flush=True)


def keep(
    name: str,
    rows: Sequence[Row],
    path: Path | None = None,
    devices: Path | None = None,
    device: Callable[[], str] | None = None,
) -> None:
    """Puts the rows of one file into the results and, if there are figures, into those of the device.

    Args:
        name: of the file.
        rows: all of them so far.
        path, devices: `RESULTS` and `DEVICES`.
        device: names what they were measured on; None is the processor.
    """
    machine = {"processor": _model(), "cores": os.cpu_count(), "python": platform.python_version()}
    content = {"machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}
    places = [path or RESULTS]
    if any(row.value is not None for row in rows):
        what = re.sub(r"[^\w.-]+", "_", (device or _model)()).strip("_")
        places.append((devices or DEVICES) / f"{what}.json")
    for place in places:
        results = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
        results[name] = content
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")


def read(path: Path | None = None) -> list[Row]:
    """All rows of the results."""
    path = path or RESULTS
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [
        Row(**{key: value for key, value in row.items() if key != "met"})
        for part in results.values()
        for row in part["rows"]
    ]


def table(rows: Sequence[Row]) -> str:
    """Rows as text: figure, spread, target, whether it is met."""
    return "\n".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    name = row.work + (f" | {row.against}" if row.against else "")
    if row.value is None:
        return f"{name:<100} skipped: {row.skipped}"
    digits = 4 if not row.unit else 2
    spread = "" if row.low is None or row.high is None else f"({row.low:.2f} to {row.high:.2f})"
    target = (
        f"at least {row.least:g}" if row.least is not None else f"at most {row.most:g}" if row.most is not None else ""
    )
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    return f"{name:<100} {row.value:8.{digits}f} {row.unit:<2} {spread:<20} {target:<14} {verdict}"


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
