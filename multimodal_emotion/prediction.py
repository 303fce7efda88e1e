"""Predict: a sentence, a table, a recording, a picture, a video, a folder, or several of them for one utterance."""

import csv
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from multimodal_emotion import checkpoint, media
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import atomic_path
from multimodal_emotion.inference import Scored, decode, score
from multimodal_emotion.inputs import SUFFIXES, as_utterance
from multimodal_emotion.transcripts import is_transcript

Input = str | Path | Utterance


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one utterance, or about one window of a recording.

    Attributes:
        id: of the utterance.
        label: in the form of `Utterance.label`; None if nothing was there to predict from.
        scores: by label (probabilities), or by dimension (values). For word-level tasks the mean over the words.
        present: the modalities that were there.
        text: the words, if any.
        start, end: in seconds, of a window.
        opinions: the scores of each modality alone, where there are several.
        shares: how much each modality contributes to `scores`, adding up to 1.
        dimensions: values read beside the label, by name, where the model reads any: valence, arousal, dominance.
        scale: the least and the largest value that these can have; None where there are none.
        errors: what could not be decoded; of a recording also why a modality of the model was never present.
        transcribed: whether the text was made from the sound.
        windows: the windows of a recording; the prediction itself is pooled over them.
        source: the media file it was made from, if any.
    """

    id: str
    label: Label | None
    scores: Mapping[str, float]
    present: tuple[str, ...]
    text: str | None = None
    start: float | None = None
    end: float | None = None
    opinions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    dimensions: Mapping[str, float] = field(default_factory=dict)
    scale: tuple[float | int, float | int] | None = None
    errors: tuple[str, ...] = ()
    transcribed: bool = False
    windows: tuple["Prediction", ...] = ()
    source: Path | None = None

    @property
    def confidence(self) -> float | None:
        """The probability of the most probable label, where the task is to decide for one; else None."""
        one = self.label is None or isinstance(self.label, str)
        return max(self.scores.values()) if self.scores and one else None

    def to_dict(self) -> dict[str, Any]:
        """JSON types, without what is empty."""
        plain: dict[str, Any] = {"id": self.id, "label": _plain(self.label), "scores": dict(self.scores)}
        plain["present"] = list(self.present)
        for name in ("text", "start", "end"):
            if getattr(self, name) is not None:
                plain[name] = getattr(self, name)
        if self.opinions:
            plain["opinions"] = {name: dict(scores) for name, scores in self.opinions.items()}
            plain["shares"] = dict(self.shares)
        if self.dimensions:
            plain["dimensions"] = dict(self.dimensions)
        if self.scale is not None:
            plain["scale"] = list(self.scale)
        if self.errors:
            plain["errors"] = list(self.errors)
        if self.transcribed:
            plain["transcribed"] = True
        if self.windows:
            plain["windows"] = [window.to_dict() for window in self.windows]
        return plain


def predict(
    model: TrainedModel | str | Path,
    inputs: Input | Sequence[Input] | None = None,
    *,
    text: str | None = None,
    audio: str | Path | None = None,
    image: str | Path | None = None,
    window: float | None = None,
    hop: float | None = None,
    transcribe: str | None = None,
    batch_size: int = 32,
    precision: str = "auto",
) -> Any:
    """Predicts one input, or a list of them.

    Args:
        model: a trained model, or the folder of a model or run.
        inputs: a sentence, the path of a recording, picture or video, an `Utterance`; or a list of these. A string is a
            path if it has a media suffix (`inputs.SUFFIXES`), else a sentence.
        text, audio, image: one utterance of several modalities, in place of `inputs` (or, `text`, beside a video): `text` is
            a sentence or the path of an .srt or .vtt transcript.
        window, hop: seconds; windows of a recording have this length and distance. None: windows follow speech.
        transcribe: "embedded" or the name of a recogniser: makes the text of recordings from their sound.
        batch_size, precision: see `inference.score`.

    Returns:
        A `Prediction`, or a list of them for a list. A recording's has `windows`.

    Raises:
        InputError: a file that is not there or cannot be decoded; a modality that the model does not have.
    """
    trained = model if isinstance(model, TrainedModel) else checkpoint.load(model)
    one = not isinstance(inputs, list | tuple)
    items = [inputs] if one else list(inputs)  # type: ignore[arg-type]
    utterances = [
        with_parts(
            as_utterance(item, str(number)) if item is not None else Utterance(id=str(number)), text, audio, image
        )
        for number, item in enumerate(items)
    ]
    options = {"batch_size": batch_size, "precision": precision}
    timed = {"window": window, "hop": hop, "transcribe": transcribe}
    found = list(predict_utterances(trained, utterances, **timed, **options))  # type: ignore[arg-type]
    return found[0] if one else found


def predict_utterances(
    trained: TrainedModel,
    utterances: Iterable[Utterance],
    *,
    window: float | None = None,
    hop: float | None = None,
    transcribe: str | None = None,
    batch_size: int = 32,
    precision: str = "auto",
    on_error: str = "raise",
) -> Iterator[Prediction]:
    """Predictions in the order of the utterances, streaming, in bounded memory."""
    options: dict[str, Any] = {"batch_size": batch_size, "precision": precision, "on_error": on_error}
    timed = bool({"audio", "image"} & set(media_of(trained).values())) or transcribe is not None
    for in_time, group in groupby(utterances, key=lambda item: has_transcript(item) or (timed and is_recording(item))):
        if not in_time:
            for item in score(trained, group, opinions=True, **options):
                (found,) = predictions(trained, [item])
                reasons = () if item.present else absences(trained, item.utterance, ())
                yield replace(found, errors=tuple(dict.fromkeys([*found.errors, *reasons])))
            continue
        from multimodal_emotion.timeline import predict_recording

        for utterance in group:
            yield predict_recording(trained, utterance, window=window, hop=hop, transcribe=transcribe, **options)


def predictions(trained: TrainedModel, scored: Sequence[Scored]) -> list[Prediction]:
    """Scored utterances as predictions."""
    return [
        Prediction(
            id=item.utterance.id,
            label=label,
            scores=named(trained, item.scores),
            present=item.present,
            text=item.utterance.text,
            start=item.utterance.start,
            end=item.utterance.end,
            opinions={name: named(trained, values) for name, values in item.opinions.items()},
            shares={name: round(value, 4) for name, value in item.shares.items()},
            **_read(trained, item),
            errors=item.errors,
            source=item.utterance.video or item.utterance.audio or item.utterance.image,
        )
        for item, label in zip(scored, decode(trained, scored), strict=True)
    ]


def abstaining(prediction: Prediction, threshold: float) -> Prediction:
    """The prediction, and each of its windows, without a label where its confidence is below a threshold.

    Args:
        prediction: its scores stay.
        threshold: between 0 and 1.
    """
    unsure = prediction.confidence is not None and prediction.confidence < threshold
    windows = tuple(abstaining(window, threshold) for window in prediction.windows)
    return replace(prediction, label=None if unsure else prediction.label, windows=windows)


def named(trained: TrainedModel, scores: np.ndarray) -> dict[str, float]:
    """Scores by label; empty where there are none."""
    values = scores.mean(axis=0) if scores.ndim > 1 and len(scores) else scores
    if values.size == 0 or np.isnan(values).any():
        return {}
    return {label: round(float(value), 6) for label, value in zip(trained.task.labels, values, strict=True)}


def _read(trained: TrainedModel, item: Scored) -> dict[str, Any]:
    """The values beside the decision, and their scale: two attributes of `Prediction`."""
    read = trained.model.dimensions
    if read is None or item.dimensions is None:
        return {}
    values = {name: round(float(value), 3) for name, value in zip(read.names, item.dimensions, strict=True)}
    return {"dimensions": values, "scale": read.range}


def is_recording(utterance: Utterance) -> bool:
    """Whether it is a whole recording: sound or video without an interval of its own, hence in need of windows."""
    return bool(utterance.audio or utterance.video) and utterance.start is None and utterance.end is None


def has_transcript(utterance: Utterance) -> bool:
    """Whether its text is the path of a transcript, whose words have times."""
    return is_transcript(utterance.text) and utterance.start is None and utterance.end is None


def media_of(trained: TrainedModel) -> dict[str, str]:
    """What each modality of the model is made from: "text", "audio", "image" or "features"."""
    return {name: encoder.medium for name, encoder in trained.model.encoders.items()}  # type: ignore[misc]


UNUSABLE = {
    "audio": "its encoder found nothing to use in the sound",
    "features": "no such features were given",
    "image": "no face was found in the pictures",
    "text": "its encoder found nothing to use in the text",
}
"""Why a modality is absent though its medium is there."""


def absences(trained: TrainedModel, utterance: Utterance, present: Collection[str]) -> Iterator[str]:
    """Why modalities of the model were absent.

    Args:
        trained: the model.
        utterance: what was read; it is decoded again.
        present: the modalities that were there.
    """
    for name, medium in media_of(trained).items():
        if name in present:
            continue
        try:
            reason = None if medium == "features" else media.why_absent(utterance, medium)
        except InputError as error:
            reason = str(error)
        yield f"{name} is absent: {reason or UNUSABLE[medium]}"


def with_parts(utterance: Utterance, text: str | None, audio: str | Path | None, image: str | Path | None) -> Utterance:
    """The utterance with a sentence, a sound file, a picture; files that are not there are an InputError."""
    given: dict[str, Any] = {}
    if text is not None:
        given["text"] = text
    for name, path in (("audio", audio), ("image", image)):
        if path is not None:
            if not Path(path).is_file():
                raise InputError(f"--{name} {path}: no such file")
            given[name] = Path(path)
    return replace(utterance, **given)


def _plain(label: Any) -> Any:
    return list(label) if isinstance(label, tuple) else dict(label) if isinstance(label, Mapping) else label


# ------------------------------------------------------------------------------------------------------ the verb predict


def sources(inputs: Sequence[str], column: str) -> Iterator[Utterance]:
    """The utterances that the command line names: sentences, .txt, .csv, folders, media files, "-" for standard input."""
    for text in inputs:
        path = Path(text) if len(text) < 4096 else None
        suffix = path.suffix.lower() if path is not None else ""
        if text == "-":
            yield from _lines(sys.stdin, "standard input")
        elif path is not None and path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            if not files:
                raise InputError(
                    f"{path}: no media files in this folder; known suffixes: {', '.join(sorted(SUFFIXES))}"
                )
            yield from (replace(as_utterance(file, ""), id=str(file.relative_to(path))) for file in files)
        elif suffix in (".txt", ".csv", ".tsv"):
            if path is None or not path.is_file():
                raise InputError(f"{text}: no such file")
            with path.open(encoding="utf-8-sig", newline="" if suffix != ".txt" else None) as file:
                yield from _lines(file, text) if suffix == ".txt" else _cells(file, text, suffix, column)
        else:
            yield as_utterance(text, str(inputs.index(text)))


def _lines(file: Iterable[str], name: str) -> Iterator[Utterance]:
    try:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield Utterance(id=str(number), text=line.rstrip("\r\n"))
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None


def _cells(file: Iterable[str], name: str, suffix: str, column: str) -> Iterator[Utterance]:
    try:
        rows = csv.DictReader(file, delimiter="\t" if suffix == ".tsv" else ",")
        if column not in (rows.fieldnames or ()):
            raise InputError(
                f"{name}: no column {column!r} (columns: {', '.join(rows.fieldnames or ())}); name it with --column"
            )
        for number, row in enumerate(rows, 1):
            yield Utterance(id=row.get("id") or str(number), text=row[column] or "")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None
    except csv.Error as error:
        raise InputError(f"{name}: not a table: {error}") from None


def write(
    predictions_: Iterable[Prediction], paths: Sequence[str | Path], as_json: bool, threshold: float | None = None
) -> int:
    """Writes predictions as they come to files and standard output; returns how many there were.

    A file appears whole or not at all.

    Args:
        predictions_: any iterable.
        paths: files, .csv, .jsonl, .srt, .png or .html.
        as_json: one JSON object for each prediction on standard output.
        threshold: the confidence below which no label is given.

    Raises:
        InputError: a suffix that cannot be written; a threshold that is none.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}; expected a confidence, between 0 and 1")
    count = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(Path(path), threshold)) for path in paths]
        for item in predictions_:
            count += 1
            item = item if threshold is None else abstaining(item, threshold)
            for add in writers:
                add(item)
            if as_json:
                print(json.dumps(item.to_dict(), ensure_ascii=False))
            elif not paths:
                print(line(item))
    return count


def line(item: Prediction) -> str:
    """One prediction, with its windows, as text."""
    shown = " ".join(
        f"{name} {value:.2f}" for name, value in sorted(item.scores.items(), key=lambda pair: -pair[1])[:3]
    )
    label = cell(item.label) or ("not sure" if item.label is None and item.scores else "nothing to predict from")
    head = item.text if item.text and not item.windows else item.id
    rows = [f"{label:<12} {shown}  [{', '.join(item.present) or 'none'}]  {head}"]
    for window in item.windows:
        rows.append(f"  {window.start:8.2f} {window.end:8.2f}  {line(window)}")
    return "\n".join([*rows, *(f"  note: {error}" for error in item.errors)])


@contextmanager
def _writer(path: Path, threshold: float | None) -> Iterator[Callable[[Prediction], None]]:
    if path.suffix not in (".csv", ".jsonl", ".srt", ".png", ".html"):
        raise InputError(f"--output {path}: write .csv, .jsonl, .srt, .png or .html")
    if path.suffix == ".html":
        from multimodal_emotion.page import page_writer

        with page_writer(path, threshold) as add:
            yield add
        return
    if path.suffix in (".srt", ".png"):
        from multimodal_emotion.timeline import timeline_writer

        with timeline_writer(path) as add:
            yield add
        return
    if path.suffix == ".csv":
        with _table(path) as add:
            yield add
        return
    with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as file:
        yield lambda item: print(json.dumps(item.to_dict(), ensure_ascii=False), file=file)


@contextmanager
def _table(path: Path) -> Iterator[Callable[[Prediction], None]]:
    """One row for each utterance, or for each window of a recording.

    Which columns there are (a modality may first be present in the last row) is known at the end: until then rows wait in
    a file without a name.
    """
    columns = dict.fromkeys(("id", "start", "end", "text", "label", "present"))
    with TemporaryFile("w+", encoding="utf-8") as waiting:

        def add(item: Prediction) -> None:
            for row in map(_row, item.windows or (item,)):
                columns.update(dict.fromkeys(row))
                print(json.dumps(row), file=waiting)

        yield add
        waiting.seek(0)
        with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(map(json.loads, waiting))


def _row(item: Prediction) -> dict[str, Any]:
    """The cells of a prediction; of several modalities, the opinion and the share of each are "audio.LABEL", "audio.share"."""
    row = {"id": item.id, "start": item.start, "end": item.end, "text": item.text, "label": cell(item.label)}
    row |= {"present": "|".join(item.present)} | dict(item.scores) | dict(item.dimensions)
    for name, scores in item.opinions.items():
        row |= {f"{name}.{label}": value for label, value in scores.items()}
        row |= {f"{name}.share": item.shares[name]} if name in item.shares else {}
    return row


def cell(label: Any) -> str:
    """A label in one cell: several are joined by "|", numbers of dimensions are written out."""
    if isinstance(label, Mapping):
        return "|".join(f"{name}={value:.3f}" for name, value in label.items())
    return "|".join(label) if isinstance(label, tuple | list) else label or ""
