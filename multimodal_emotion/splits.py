"""Reading: from a configuration, or a run that was made from one, to the labelled utterances that a training may see."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from multimodal_emotion import config as configuration
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.datasets._context import with_context
from multimodal_emotion.errors import InputError

CONFIG = "config.yaml"


@dataclass(frozen=True)
class Splits:
    """The labelled utterances a training may see."""

    corpus: Corpus
    train: list[Utterance]
    validation: list[Utterance]


def read_splits(config: Config) -> Splits:
    """Reads the training and validation splits of a configuration's corpus, with context and limit applied.

    Raises:
        InputError: no such corpus or root; a split that is absent or has no labelled utterance.
    """
    wanted = config.corpus
    corpus = load_corpus(wanted.name, wanted.root, level=wanted.level, **wanted.options)
    train_split, validation_split = (
        draw(labelled(read(corpus, split, wanted.context), corpus, split), wanted.limit, config.seed)
        for split in ("train", "validation")
    )
    return Splits(corpus, train_split, validation_split)


def config_of_run(folder: str | Path) -> Config:
    """What a run was made from.

    Raises:
        InputError: the folder holds no run.
    """
    if not (Path(folder) / CONFIG).is_file():
        raise InputError(f"{folder}: no run there (no {CONFIG}); a model alone does not say what it was trained on")
    return configuration.read(Path(folder) / CONFIG)


def splits_of_run(folder: str | Path) -> Splits:
    """Reads again what a run was trained and validated on.

    Raises:
        InputError: the folder holds no run; see also `read_splits`.
    """
    return read_splits(config_of_run(folder))


def read(corpus: Corpus, split: str, context: int) -> list[Utterance]:
    """The utterances of a split, each with so many of its dialogue before it."""
    utterances = list(corpus.utterances(split))
    return with_context(utterances, context) if context else utterances


def labelled(utterances: Sequence[Utterance], corpus: Corpus, split: str) -> list[Utterance]:
    """The utterances of a split that have a label; none at all is an InputError."""
    found = [utterance for utterance in utterances if utterance.label is not None]
    if not found:
        raise InputError(f"corpus {corpus.name}: its {split} split has no labelled utterance")
    return found


def draw(utterances: list[Utterance], limit: int | None, seed: int) -> list[Utterance]:
    """A seeded draw without replacement, in the order of the corpus."""
    if limit is None or limit >= len(utterances):
        return utterances
    chosen = sorted(random.Random(seed).sample(range(len(utterances)), limit))
    return [utterances[index] for index in chosen]
