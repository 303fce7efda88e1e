"""Labels for a large table or folder, in parts: a process that is killed leaves its finished parts, the next one goes on.

Parts lie in a folder beside the output. Each holds the same number of rows of the input and appears by renaming, so that
what is there is whole; at the end they are joined into the output, and the folder goes.
"""

import contextlib
import csv
import hashlib
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.files import atomic_path, write_text
from multimodal_emotion.inputs import SUFFIXES
from multimodal_emotion.prediction import Prediction, abstaining, cell, predict_utterances
from multimodal_emotion.shipped import opened

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, FILES = 4096, 16
"""Rows of a part: of a table of texts, of anything with media, which takes longer."""
PARTS = (".csv", ".jsonl", ".parquet")
TABLES = (*PARTS, ".tsv", ".txt")
MEDIA = ("audio", "image", "video")
PREFIX = "emotion"
SECONDS = 10.0
"""Between two lines of progress in a log."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done.

    Attributes:
        output: the file.
        rows: of the input, all of which the output has.
        resumed: those of them that an earlier, interrupted call had finished.
        labels: how many rows have each label.
        unsure: rows whose confidence was below the threshold.
        empty: rows with nothing to predict from; their column "emotion.error" says why.
        seconds: of this call.
    """

    output: Path
    rows: int
    resumed: int
    labels: Mapping[str, int]
    unsure: int
    empty: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        names = ("rows", "resumed", "unsure", "empty", "seconds")
        return {"output": str(self.output), "labels": dict(self.labels)} | {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        new = self.rows - self.resumed
        lines = [f"{self.output}: {self.rows} rows, {new} of them now, in {self.seconds:.0f} s"]
        lines[0] += f" ({new / max(self.seconds, 1e-9):.0f} rows a second)" if new else ""
        if self.resumed:
            lines.append(f"{self.resumed} rows were there from an interrupted call")
        width = max(map(len, self.labels), default=0)
        lines += [f"  {name:<{width}}  {count}" for name, count in self.labels.items()]
        remarks = ("not sure", self.unsure), ("nothing to predict from", self.empty)
        return "\n".join([*lines, *(f"{name}: {count}" for name, count in remarks if count)])


def annotate(
    model: TrainedModel | str | Path,
    source: str | Path,
    output: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    prefix: str = PREFIX,
    threshold: float | int | None = None,
    transcribe: str | None = None,
    rows_per_part: int | None = None,
    batch_size: int = 32,
    precision: str = "auto",
    progress: bool = True,
) -> Summary:
    """Labels each row of a table, or each media file of a folder; called again after it was killed, it goes on.

    The output has the columns of the input and, with the prefix "emotion": "emotion" (the label), "emotion.confidence",
    "emotion.LABEL" (the scores), "emotion.valence" and the like (where the model reads them), "emotion.present" (the
    modalities that were there), "emotion.error". A recording is one row. Values in the input that are lists or objects are
    written as JSON text. Memory holds one part at a time.

    Args:
        model: a trained model, the folder of a model or run, or "pretrained".
        source: a .csv, .tsv, .jsonl, .parquet or .txt (a sentence a line) file, or a folder with media.
        output: a .csv, .jsonl or .parquet file that is not there yet.
        columns: which column is "text", "audio", "image" or "video"; paths are relative to the folder of the table. None:
            the columns of these names.
        prefix: of the columns that are added.
        threshold: the confidence below which no label is given.
        transcribe: see `prediction.predict`.
        rows_per_part: at most so many rows are lost when the process is killed; None: 4096, or 16 with media.
        batch_size, precision: see `inference.score`.
        progress: whether to show progress on standard error.

    Raises:
        InputError: the input cannot be read or has no such column; the output is there already; unfinished parts are of
            another input, model or setting.
    """
    began = time.perf_counter()
    output, source = Path(output), Path(source)
    if output.suffix not in PARTS:
        raise InputError(f"--output {output}: write .csv, .jsonl or .parquet")
    if output.exists():
        raise InputError(f"--output {output}: is there already; delete it, or name another")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}; expected a confidence, between 0 and 1")
    table = Table.of(source, columns, prefix)
    trained = opened(model)
    size = rows_per_part or (FILES if table.media else ROWS)
    settings = {"threshold": threshold, "transcribe": transcribe, "rows_per_part": size}
    plan = {"input": table.fingerprint(), "model": _model_hash(trained), "columns": table.columns, "prefix": prefix}
    total = table.count()
    with _parts(output, plan | settings) as parts:
        resumed = min(total, size * len(parts.paths()))
        show = Progress(total, resumed, progress)
        rows = islice(enumerate(table.rows()), resumed, None)
        while chunk := list(islice(rows, size)):
            utterances = [table.utterance(row, number) for number, row in chunk]
            found = predict_utterances(
                trained, utterances, transcribe=transcribe, batch_size=batch_size, precision=precision, on_error="skip"
            )
            added = [_added(item, trained, prefix, threshold) for item in found]
            parts.add([row | more for (_, row), more in zip(chunk, added, strict=True)], table.schema)
            show.add(len(chunk))
        show.close()
        counts = parts.join(output, prefix)
    return Summary(output, total, resumed, **counts, seconds=round(time.perf_counter() - began, 1))


def _added(item: Prediction, trained: TrainedModel, prefix: str, threshold: float | int | None) -> Row:
    """The columns of a prediction."""
    item = item if threshold is None else abstaining(item, threshold)
    row = {prefix: cell(item.label) or None, f"{prefix}.confidence": item.confidence}
    row |= {f"{prefix}.{label}": item.scores.get(label) for label in trained.task.labels}
    read = trained.model.dimensions
    row |= {f"{prefix}.{name}": item.dimensions.get(name) for name in (read.names if read else ())}
    return row | {f"{prefix}.present": "|".join(item.present), f"{prefix}.error": "; ".join(item.errors) or None}


def _model_hash(trained: TrainedModel) -> str:
    """Of the weights: the same model in another folder may go on."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trained.model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------------------------------------------------------- input


@dataclass(frozen=True)
class Table:
    """An input: rows, and which of their cells make an utterance.

    Attributes:
        path: a file or folder.
        columns: the column of "text", "audio", "image", "video"; or "file" for a folder.
        names: all columns of the first row.
        schema: the types of a Parquet file; None elsewhere.
    """

    path: Path
    columns: Mapping[str, str]
    names: Sequence[str]
    schema: "pa.Schema | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path, columns: Mapping[str, str] | None, prefix: str) -> "Table":
        """Looks at the input.

        Raises:
            InputError: it is not there, empty, or has no such columns; or has one that the output adds.
        """
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.is_file() and path.suffix not in TABLES:
            raise InputError(f"{path}: not a table; known: {' '.join(sorted(TABLES))}, or a folder with media")
        names = list(next(iter(_rows(path)), {}))
        if not names:
            what = "no media files in this folder" if path.is_dir() else "no rows"
            raise InputError(f"{path}: {what}")
        taken = [name for name in names if name == prefix or name.startswith(f"{prefix}.")]
        if taken:
            raise InputError(f"{path}: has a column {taken[0]!r} already; name what is added otherwise with --prefix")
        if path.is_dir():
            return cls(path, {"file": "file"}, names)
        chosen = dict(columns or {name: name for name in ("text", *MEDIA) if name in names})
        for name, column in chosen.items():
            if name not in ("text", *MEDIA):
                raise unknown("medium", name, ("text", *MEDIA), "--columns")
            if column not in names:
                raise unknown("column", column, names, str(path))
        if not chosen:
            raise InputError(
                f"{path}: which column is the text? (columns: {', '.join(names)}); say --columns text=NAME"
            )
        return cls(path, chosen, names, _schema(path))

    @property
    def media(self) -> bool:
        """Whether files have to be decoded."""
        return set(self.columns) != {"text"}

    def rows(self) -> Iterator[Row]:
        """The rows, as they are read."""
        return _rows(self.path)

    def count(self) -> int:
        """How many rows there are; of a text file it is read once for that."""
        if self.path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return int(pq.ParquetFile(self.path).metadata.num_rows)
        return sum(1 for _ in self.rows())

    def fingerprint(self) -> str:
        """Changes when the input does."""
        files = _media_files(self.path) if self.path.is_dir() else [self.path]
        stated = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return hashlib.sha256(repr(stated).encode()).hexdigest()[:16]

    def utterance(self, row: Row, number: int) -> Utterance:
        """What the model is asked about a row."""
        if "file" in self.columns and self.path.is_dir():
            file = self.path / row["file"]
            return Utterance(id=row["file"], **{SUFFIXES[file.suffix.lower()]: file})
        given: dict[str, Any] = {}
        for name, column in self.columns.items():
            value = row.get(column)
            if value is not None and str(value).strip():
                given[name] = self.path.parent / str(value) if name in MEDIA else str(value)
        return Utterance(id=str(number), **given)


def _rows(path: Path) -> Iterator[Row]:
    if path.is_dir():
        yield from ({"file": str(file.relative_to(path))} for file in _media_files(path))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for batch in pq.ParquetFile(path).iter_batches(1024):
                yield from batch.to_pylist()
        except pa.ArrowInvalid as error:
            raise InputError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    else:
        read = {".jsonl": _objects, ".txt": _sentences}.get(path.suffix, _cells)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from read(file, path)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None


def _cells(file: Iterable[str], path: Path) -> Iterator[Row]:
    try:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","), 1):
            if None in row:
                raise InputError(f"{path}, row {number}: more cells than columns; put quotes around cells with commas")
            yield row
    except csv.Error as error:
        raise InputError(f"{path}: not a table: {error}") from None


def _objects(file: Iterable[str], path: Path) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise InputError(f'{path}, line {number}: expected an object such as {{"text": "..."}}')
            yield {name: _flat(value) for name, value in row.items()}


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _sentences(file: Iterable[str], path: Path) -> Iterator[Row]:
    yield from ({"text": line.rstrip("\r\n")} for line in file if line.strip())


def _media_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _schema(path: Path) -> "pa.Schema | None":
    if path.suffix != ".parquet":
        return None
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).schema_arrow


# ---------------------------------------------------------------------------------------------------------------- parts


@contextlib.contextmanager
def _parts(output: Path, plan: Mapping[str, Any]) -> Iterator["Parts"]:
    """The parts of an output, for one process at a time; the folder goes when everything in it is in the output."""
    folder = output.with_name(f"{output.name}.parts")
    folder.mkdir(exist_ok=True)
    with _alone(folder):
        stated = folder / "plan.json"
        if stated.exists():
            before = json.loads(stated.read_text(encoding="utf-8"))
            for name, value in plan.items():
                if before.get(name) != value:
                    raise InputError(
                        f"{folder}: begun with another {name} ({before.get(name)}, now {value})\n"
                        "give the same again, or delete this folder to begin anew"
                    )
        else:
            write_text(stated, json.dumps(plan, indent=1) + "\n")
        yield Parts(folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps a second process out; the system lets go of the lock of a process that is killed."""
    try:
        import fcntl
    except ImportError:  # Windows: two at once do the same work twice and harm nothing
        yield
        return
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another process is at work on it") from None
        yield


class Parts:
    """The finished parts in a folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """The files, in order."""
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def add(self, rows: Sequence[Row], schema: "pa.Schema | None") -> None:
        """Writes the next part, whole or not at all.

        Args:
            rows: of the output.
            schema: types of columns that are known; the others are found from the values.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = list(dict.fromkeys(name for row in rows for name in row))
        known = set(schema.names) if schema is not None else set()
        arrays = []
        for name in names:
            values = [row.get(name) for row in rows]
            kind = schema.field(name).type if schema is not None and name in known else None
            arrays.append(_column(values, kind))
        number = len(self.paths())
        with atomic_path(self.folder / f"{number:08}.parquet") as place:
            pq.write_table(pa.table(arrays, names), place)

    def join(self, output: Path, prefix: str) -> dict[str, Any]:
        """Writes the output from the parts, one after the other; returns what there is to count."""
        import pyarrow.parquet as pq

        schema = _common([pq.read_schema(path) for path in self.paths()])
        labels: Counter[str] = Counter()
        unsure = empty = 0
        with atomic_path(output) as place, _writer(place, output.suffix, schema) as write:
            for path in self.paths():
                table = _fitted(pq.read_table(path), schema)
                write(table)
                columns = [table[f"{prefix}{name}"].to_pylist() for name in ("", ".present")]
                for label, present in zip(*columns, strict=True):
                    labels.update([label] if label else [])
                    unsure += bool(present) and not label
                    empty += not present
        return {"labels": dict(labels.most_common()), "unsure": unsure, "empty": empty}


def _column(values: Sequence[Any], kind: Any) -> Any:
    """An array; of values of several kinds, of their texts."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _common(schemas: Sequence[Any]) -> Any:
    """All columns of some schemas; one that has several types that do not go together is text."""
    import pyarrow as pa

    types: dict[str, Any] = {}
    for schema in schemas:
        for found in schema:
            before = types.get(found.name, found.type)
            try:
                both = [pa.schema([(found.name, kind)]) for kind in (before, found.type)]
                types[found.name] = pa.unify_schemas(both, promote_options="permissive").field(0).type
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                types[found.name] = pa.string()
    return pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in types.items()])


def _fitted(table: Any, schema: Any) -> Any:
    """The table with all columns of a schema, in its types."""
    import pyarrow as pa

    columns = [
        table[found.name].cast(found.type) if found.name in table.schema.names else pa.nulls(len(table), found.type)
        for found in schema
    ]
    return pa.table(columns, schema=schema)


@contextlib.contextmanager
def _writer(place: Path, suffix: str, schema: Any) -> Iterator[Any]:
    """A function that writes tables one after the other to a file."""
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(place, schema) as writer:
            yield writer.write_table
        return
    with place.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".csv":
            table = csv.DictWriter(file, schema.names)
            table.writeheader()
            yield lambda part: table.writerows(part.to_pylist())
        else:
            yield lambda part: file.writelines(
                json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in part.to_pylist()
            )


class Progress:
    """A bar on a terminal, a plain line now and then in a log."""

    def __init__(self, total: int, done: int, shown: bool) -> None:
        from tqdm import tqdm

        self._total, self._done, self._before = total, done, done
        self._began = self._said = time.perf_counter()
        self._plain = shown and not sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, unit=" rows", disable=not shown or self._plain)
        if self._plain and done:
            print(f"going on after {done} of {total} rows", file=sys.stderr, flush=True)

    def add(self, count: int) -> None:
        """So many rows more are safe on disk."""
        self._done += count
        self._bar.update(count)
        now = time.perf_counter()
        if self._plain and (now - self._said >= SECONDS or self._done == self._total):
            self._said = now
            speed = (self._done - self._before) / (now - self._began)
            left = f", {(self._total - self._done) / speed:.0f} s left" if self._done < self._total else ""
            line = f"{self._done} of {self._total} rows, {speed:.0f} rows a second{left}"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """The end."""
        self._bar.close()
