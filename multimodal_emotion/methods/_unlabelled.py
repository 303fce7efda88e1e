"""Utterances that a method learns from without looking at their labels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from multimodal_emotion.batch import Batch, Utterance
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.loading import Rows, collate_for
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.prediction import sources

KEYS = ("corpus", "root", "level", "split", "options")


def read_unlabelled(source: str | Mapping[str, Any], setting: str) -> list[Utterance]:
    """Utterances without labels.

    Args:
        source: a .txt file with a sentence in each line, a .csv or .tsv file with a column `text`, or a folder of media; or
            of a corpus its `corpus` (name), `root`, `level`, `split` ("train" if left out) and `options`.
        setting: that names it, for messages.

    Raises:
        InputError: it is not there, holds nothing, or is a test split, which no training may see.
    """
    if isinstance(source, str):
        found = list(sources([source], "text"))
    else:
        for key in source:
            if key not in KEYS:
                raise unknown("setting", key, KEYS, setting)
        split = source.get("split", "train")
        if "corpus" not in source:
            raise InputError(f"{setting} needs a path, or the corpus: {{corpus: NAME, root: DIR, split: train}}")
        if split == "test":
            raise InputError(f"{setting}: the test split is read by `evaluate` alone; take train or validation")
        corpus = load_corpus(
            source["corpus"], source.get("root"), level=source.get("level"), **source.get("options", {})
        )
        found = [replace(utterance, label=None) for utterance in corpus.utterances(split)]
    if not found:
        raise InputError(f"{setting}: {source} holds no utterance")
    return found


class Draws:
    """Batches drawn from unlabelled utterances, each by a seed of its own."""

    def __init__(self, utterances: list[Utterance], model: EmotionModel) -> None:
        """`model` says how utterances are prepared."""
        preparations = {name: model.encoder(name).prepare for name in model.encoders}
        self.rows = Rows(utterances, preparations, on_error="skip")
        self.collate = collate_for(preparations)

    def batch(self, size: int, seed: int, device: torch.device | str) -> Batch:
        """So many different utterances (or all of them, if they are fewer)."""
        count = len(self.rows)
        chosen = np.random.default_rng(seed).choice(count, min(size, count), replace=False)
        return self.collate([self.rows[number] for number in chosen.tolist()]).to(device)
