"""Features of frozen encoders as files: a folder that `manifest` and the encoder `features` read back, and others can use.

The folder holds
    NAME/0000000.npy    float32 (time, width), of the modality NAME, for each utterance that has it
    manifest.csv        a row for each utterance: id, split, label, speaker, ..., features.NAME (the file)
    extract.json        what the features were made from, their widths, and what could not be decoded
    train.yaml          a configuration that trains on them (of a corpus; files have no labels)

manifest.csv comes last: a folder without it is unfinished. The same call again goes on, since every feature is in the cache.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from multimodal_emotion import api, prediction, presets, registry, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.cache import ContentKeys
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.extraction import extract as extract_features
from multimodal_emotion.files import atomic_path, cache_folder, write_text
from multimodal_emotion.inputs import modalities_of

MANIFEST, MADE_FROM, TRAIN = "manifest.csv", "extract.json", "train.yaml"
CHUNK = 256
"""Utterances whose features are computed and held at a time: what a kill loses at most."""

Fill = Callable[[Encoder, str, Sequence[Utterance], str], None]
"""Computes the features of a modality for utterances, by `on_error`, into the cache."""


@dataclass
class Extracted:
    """What was extracted.

    Attributes:
        folder: where it is.
        utterances: rows of the manifest.
        files: how many utterances have each modality.
        widths: of each modality.
        skipped: by utterance, why something of it could not be decoded.
    """

    folder: Path
    utterances: int
    files: Mapping[str, int]
    widths: Mapping[str, int]
    skipped: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {**vars(self), "folder": str(self.folder)}

    def __str__(self) -> str:
        lines = [f"{self.folder}: {self.utterances} utterances"]
        lines += [f"  {name}: {count} files of width {self.widths[name]}" for name, count in self.files.items()]
        if self.skipped:
            name, why = next(iter(self.skipped.items()))
            lines.append(f"{len(self.skipped)} could not be decoded, such as {name}: {why[0]}")
        if (self.folder / TRAIN).is_file():
            lines.append(f"train on them: multimodal-emotion train {self.folder / TRAIN} --output RUN")
        return "\n".join(lines)


def extract(
    corpus: str | None = None,
    root: str | Path | None = None,
    *,
    output: str | Path,
    inputs: Sequence[str] = (),
    splits: Sequence[str] | None = None,
    preset: str | None = None,
    encoders: Sequence[str] = (),
    modalities: Sequence[str] | None = None,
    level: str | None = None,
    options: Mapping[str, Any] | None = None,
    workers: int = 0,
    on_error: str = "raise",
    progress: bool = True,
    fill: Fill | None = None,
) -> Extracted:
    """Writes what frozen encoders make of a corpus, or of files, to a new folder; killed, the same call goes on.

    Args:
        corpus: the name of a corpus.
        root: its folder.
        output: the folder to be; see the module for what is in it.
        inputs: in place of a corpus: sentences, media files, folders, a .txt or .csv (column "text").
        splits: of the corpus; None takes training and validation, where they are.
        preset, encoders, modalities, level, options: as for `api.train`.
        workers: processes that decode.
        on_error: "raise", or "skip": what cannot be decoded has no file, and is said.
        progress: whether to show progress on standard error.
        fill: computes features into the cache beforehand, elsewhere; what it leaves out is computed here.

    Raises:
        InputError: no corpus nor inputs, or both; an unknown split or encoder; a clip that cannot be decoded; a folder with
            something else in it.
    """
    if (corpus is None) == (not inputs):
        raise InputError("extract needs either INPUTs (sentences, files, a folder) or --corpus NAME")
    if on_error not in ("raise", "skip"):
        raise unknown("on_error", on_error, ("raise", "skip"))
    found: Corpus | None = None
    if corpus is not None:
        config = api.assemble(
            Config(), corpus=corpus, preset=preset, encoders=encoders, modalities=modalities, options=options
        )
        found = load_corpus(corpus, root, level=level, **config.corpus.options)
        utterances = _of_splits(found, splits)
    else:
        utterances = {"": list(prediction.sources(inputs, "text"))}
        config = _for_files(utterances[""], preset, encoders, modalities)
    if modalities:
        for name in modalities:
            if name not in config.model.encoders:
                raise unknown("modality", name, config.model.encoders, "the encoders")
        config.model.encoders = {name: config.model.encoders[name] for name in modalities}
    built = {name: _built(given) for name, given in config.model.encoders.items()}
    folder = Path(output)
    made_from = {
        "corpus": found.name if found is not None else None,
        "splits": {split: len(rows) for split, rows in utterances.items()},
        "encoders": {name: {**config.model.encoders[name], "hash": each.fingerprint()} for name, each in built.items()},
    }
    _begin(folder, json.loads(json.dumps(made_from)))
    rows = [utterance for split in utterances.values() for utterance in split]
    files: dict[str, list[str]] = {}
    widths: dict[str, int] = {}
    problems: dict[str, tuple[str, ...]] = {}
    for name, encoder in built.items():
        if fill is not None:
            fill(encoder, name, rows, on_error)
        files[name], widths[name] = _write(folder, encoder, name, rows, workers, on_error, progress, problems)
    names = [split for split, part in utterances.items() for _ in part]
    table = _table(rows, names, files)
    if found is not None and found.task != "sequence_labelling":
        columns = [column for column in (table[0] if table else ()) if column.startswith("label.")]
        write_text(folder / TRAIN, _training(folder, found, widths, columns).to_yaml())
    counts = {name: sum(map(bool, paths)) for name, paths in files.items()}
    done = Extracted(folder, len(table), counts, widths, {name: list(why) for name, why in problems.items()})
    stated = made_from | {"widths": widths, "skipped": done.skipped}
    write_text(folder / MADE_FROM, json.dumps(stated, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / MANIFEST, _as_csv(table))
    return done


def _of_splits(corpus: Corpus, splits: Sequence[str] | None) -> dict[str, list[Utterance]]:
    wanted = splits or [split for split in ("train", "validation") if split in corpus.splits]
    for split in wanted:
        if split not in corpus.splits:
            raise unknown("split", split, corpus.splits, f"corpus {corpus.name}")
    return {split: list(corpus.utterances(split)) for split in wanted}


def _for_files(
    utterances: Sequence[Utterance], preset: str | None, encoders: Sequence[str], modalities: Sequence[str] | None
) -> Config:
    """The encoders for utterances of no corpus."""
    config = Config()
    config.model.encoders = presets.parse_encoders(encoders)
    if preset or not encoders:
        wanted = modalities or modalities_of(utterances)
        config = presets.apply(config, preset or "base", [name for name in wanted if name not in config.model.encoders])
    return config


def _built(given: Mapping[str, Any]) -> Encoder:
    encoder = registry.build("encoders", given["type"], **{key: given[key] for key in given if key != "type"})
    assert isinstance(encoder, Encoder)
    encoder.freeze()
    return encoder


def _begin(folder: Path, made_from: Mapping[str, Any]) -> None:
    """Says what the folder is for, or finds that it was begun for the same."""
    if (folder / MADE_FROM).is_file() and not (folder / MANIFEST).is_file():
        before = json.loads((folder / MADE_FROM).read_text(encoding="utf-8"))
        if {key: before.get(key) for key in made_from} == made_from:
            return
        raise InputError(f"{folder}: begun with another corpus, split or encoder; give another --output")
    runs.refuse_used(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MADE_FROM, json.dumps(made_from, indent=1, ensure_ascii=False) + "\n")


def _write(
    folder: Path,
    encoder: Encoder,
    name: str,
    utterances: Sequence[Utterance],
    workers: int,
    on_error: str,
    progress: bool,
    problems: dict[str, tuple[str, ...]],
) -> tuple[list[str], int]:
    """Writes one modality; gives the file of each utterance ("" where there is none), and the width."""
    (folder / name).mkdir(exist_ok=True)
    keys, paths, width = ContentKeys(), [], encoder.dim
    bar = tqdm(
        total=len(utterances), desc=f"features of {name}", unit=" utterances", leave=False,
        disable=not progress or not sys.stderr.isatty(),
    )  # fmt: skip
    for start in range(0, len(utterances), CHUNK):
        chunk = utterances[start : start + CHUNK]
        arrays = extract_features(
            encoder, name, chunk, cache=cache_folder() / "features", keys=keys, workers=workers, on_error=on_error,
            problems=problems,
        )  # fmt: skip
        for number, array in enumerate(arrays, start):
            paths.append("" if array is None else f"{name}/{number:07}.npy")
            if array is not None:
                width = array.shape[1]
                with atomic_path(folder / paths[-1]) as place, place.open("wb") as file:
                    np.save(file, array)
        bar.update(len(chunk))
    bar.close()
    return paths, width


def _table(
    utterances: Sequence[Utterance], splits: Sequence[str], files: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The rows of the manifest; an utterance of which nothing could be used has none."""
    rows = []
    for number, (utterance, split) in enumerate(zip(utterances, splits, strict=True)):
        here = {f"features.{name}": paths[number] for name, paths in files.items()}
        if any(here.values()):
            row = {"id": utterance.id, "split": split, **_labels(utterance.label), "text": utterance.text}
            row |= {key: getattr(utterance, key) for key in ("speaker", "dialogue", "turn")}
            rows.append({**utterance.extra, **row, **here})
    used = dict.fromkeys(key for row in rows for key, value in row.items() if value not in (None, ""))
    return [{key: row.get(key) for key in used} for row in rows]


def _labels(label: Any) -> dict[str, Any]:
    if isinstance(label, Mapping):
        return {f"label.{name}": value for name, value in label.items()}
    return {"label": "|".join(label) if isinstance(label, tuple) else label}


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["id"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _training(folder: Path, corpus: Corpus, widths: Mapping[str, int], columns: Sequence[str]) -> Config:
    """A configuration that trains on the features; `columns` hold the labels where there is one for each."""
    options: dict[str, Any] = {"columns": {"label": ",".join(columns)}} if columns else {"labels": list(corpus.labels)}
    options["task"] = corpus.task
    config = Config(corpus=CorpusConfig(name="manifest", root=str(folder.resolve()), options=options))
    config.model.encoders = {name: {"type": "features", "name": name, "dim": width} for name, width in widths.items()}
    config.training.epochs, config.training.head_learning_rate = presets.HEAD_EPOCHS, 1e-3
    return config
