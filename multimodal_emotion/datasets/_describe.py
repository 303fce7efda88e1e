"""What the command line says about corpora."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from multimodal_emotion import registry
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.datasets._leakage import leakage


def catalogue() -> list[dict[str, Any]]:
    """All corpora by name, as JSON types: `name`, `title`, `size`, `language`, `elicitation`, `licence`, `citation`,
    `task` (of the first level), `levels`.
    """
    found = (registry.find("datasets", name) for name in registry.names("datasets"))
    return [_card(cls) for cls in found if issubclass(cls, Corpus)]


def describe(corpus: Corpus) -> dict[str, Any]:
    """What is there of a corpus, what is missing, its labels, and what leaks between its splits, as JSON types.

    Returns:
        What `catalogue` says of it, and `root`, `level`, `labels`, `ranges`, `modalities`, `missing`, `notes`;
        `splits`, for each that is there `utterances`, `speakers`, `dialogues`, `unlabelled`, how many have which medium
        (`media`), and `labels` (see `label_counts`); `leakage` (see `leakage`).
    """
    splits = {split: corpus.utterances(split) for split in corpus.splits}
    return {
        **_card(type(corpus)),
        "task": corpus.task,
        "root": str(corpus.root),
        "level": corpus.level,
        "labels": list(corpus.labels),
        "ranges": {name: list(limits) for name, limits in corpus.ranges.items()},
        "modalities": list(corpus.modalities),
        "missing": corpus.missing(),
        "notes": corpus.notes(),
        "splits": {split: _summary(utterances, corpus) for split, utterances in splits.items()},
        "leakage": leakage(splits),
    }


def label_counts(utterances: Sequence[Utterance], labels: Sequence[str], task: str) -> dict[str, Any]:
    """How often each label stands there; for a regression `mean`, `minimum` and `maximum` of each dimension.

    Several labels of one utterance (multilabel, tags of words) count each; votes count as shares of one utterance.
    """
    given = [utterance.label for utterance in utterances if utterance.label is not None]
    if task == "regression":
        values = {name: [label[name] for label in given if isinstance(label, Mapping)] for name in labels}
        return {
            name: {"mean": sum(column) / len(column), "minimum": min(column), "maximum": max(column)}
            for name, column in values.items()
            if column
        }
    counts: dict[str, float] = defaultdict(int)
    for label in given:
        for name, share in _shares(label).items():
            counts[name] += share
    return {label: counts[label] for label in labels}


def _shares(label: Label) -> Mapping[str, float | int]:
    if isinstance(label, str):
        return {label: 1}
    if isinstance(label, tuple):
        return Counter(label)
    total = sum(label.values()) or 1
    return {name: votes / total for name, votes in label.items()}


def _card(cls: type[Corpus]) -> dict[str, Any]:
    named = ("name", "title", "size", "language", "elicitation", "licence", "citation", "task")
    return {**{field: getattr(cls, field) for field in named}, "levels": list(cls.levels)}


def _summary(utterances: Sequence[Utterance], corpus: Corpus) -> dict[str, Any]:
    media = ("text", "words", "audio", "image", "video")
    return {
        "utterances": len(utterances),
        "speakers": len({utterance.speaker for utterance in utterances} - {None}),
        "dialogues": len({utterance.dialogue for utterance in utterances} - {None}),
        "unlabelled": sum(utterance.label is None for utterance in utterances),
        "media": {
            medium: count for medium in media if (count := sum(getattr(row, medium) is not None for row in utterances))
        },
        "labels": label_counts(utterances, corpus.labels, corpus.task),
    }
