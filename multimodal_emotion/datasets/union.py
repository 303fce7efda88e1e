"""Several corpora as one, with their labels mapped to one set.

Size: that of its parts.
Origin: those of its parts.
Language: those of its parts.
Elicitation: any.
Known defects: those of its parts; raters of one corpus mean by "surprise" or "joy" what those of another do not. Labels for
    which nothing in the common set fits (boredom, contempt) are left out, not forced.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from multimodal_emotion import registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._mapping import SETS, mapped
from multimodal_emotion.errors import InputError, unknown

CITATION = "see its parts"

LICENCE = "that of each part; the strictest holds for what is made of all"

KEYS = ("corpus", "root", "level", "modalities", "weight", "options")


class Union(Corpus):
    """Parts by name; ids, speakers and dialogues get the name of their part in front, `extra["corpus"]` holds it.

    `--folds corpus` leaves one corpus out each.
    """

    name = "union"
    title = "Several corpora as one"
    size = "that of its parts"
    language = "any"
    elicitation = "any"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(SETS)
    folds = ("corpus",)

    def __init__(
        self,
        root: str | Path,
        level: str | None = None,
        parts: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        """
        Args:
            root: the folder that the parts' folders are in.
            level: the common label set: "seven" emotions, "group" (of GoEmotions) or "polarity".
            parts: by a name of your choice: `corpus` (that name, if left out), `root` (below the common one; that name,
                if left out), `level`, `options`, `modalities` (hide the others: RAVDESS' two sentences teach nothing), and
                `weight`: how often its training split is taken; below 1, so large a part of it is drawn, whole
                dialogues at a time. None takes each folder that is named like a corpus.
            seed: of the draws.

        Raises:
            InputError: a part is not there, or has an unknown setting.
        """
        super().__init__(root, level)
        assert self.level is not None
        self.labels = SETS[self.level]
        self.seed = seed
        self.weights: dict[str, float] = {}
        self.kept: dict[str, tuple[str, ...]] = {}
        self.parts: dict[str, Corpus] = {}
        for name, given in (self._found() if parts is None else parts).items():
            self._open(name, given)
        self.modalities = tuple(sorted({name for kept in self.kept.values() for name in kept}))

    def _found(self) -> dict[str, Mapping[str, Any]]:
        known = set(registry.names("datasets")) - {self.name}
        return {path.name: {} for path in sorted(self.root.iterdir()) if path.is_dir() and path.name in known}

    def _open(self, name: str, given: Mapping[str, Any]) -> None:
        for key in given:
            if key not in KEYS:
                raise unknown("setting", key, KEYS, f"part {name} of corpus union")
        weight = given.get("weight", 1)
        if not weight > 0:
            raise InputError(f"corpus union: the weight of part {name} is {weight}; it must be more than 0")
        corpus = registry.build(
            "datasets",
            given.get("corpus", name),
            root=self.root / given.get("root", name),
            level=given.get("level"),
            **given.get("options", {}),
        )
        for modality in given.get("modalities", ()):
            if modality not in corpus.modalities:
                raise unknown("modality", modality, corpus.modalities, f"part {name} of corpus union")
        self.parts[name] = corpus
        self.weights[name] = weight
        self.kept[name] = tuple(given.get("modalities", corpus.modalities))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that any part has."""
        return tuple(split for split in SPLITS if any(split in corpus.splits for corpus in self.parts.values()))

    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of all parts, one part after the other."""
        found: list[Utterance] = []
        for name, corpus in self.parts.items():
            if split in corpus.splits:
                rows = [self._joined(name, utterance) for utterance in corpus.utterances(split)]
                found += weighed(rows, self.weights[name], self.seed) if split == "train" else rows
        return found

    def missing(self) -> list[str]:
        """What each part misses."""
        if not self.parts:
            return [f"parts: no folder in {self.root} has the name of a corpus"]
        return [f"{name}: {line}" for name, corpus in self.parts.items() for line in corpus.missing()]

    def notes(self) -> list[str]:
        """What each part says."""
        return [f"{name}: {line}" for name, corpus in self.parts.items() for line in corpus.notes()]

    def _joined(self, name: str, utterance: Utterance) -> Utterance:
        """An utterance of a part as one of the whole."""
        assert self.level is not None
        row = only(utterance, self.kept[name])
        return replace(
            row,
            id=f"{name}/{row.id}",
            label=mapped(row.label, self.level),
            speaker=None if row.speaker is None else f"{name}/{row.speaker}",
            dialogue=None if row.dialogue is None else f"{name}/{row.dialogue}",
            extra={**row.extra, "corpus": name},
        )


def only(utterance: Utterance, modalities: Sequence[str]) -> Utterance:
    """An utterance of which only these modalities can be read.

    Raises:
        InputError: the pictures of a video are wanted, but not its sound: an utterance cannot say that.
    """
    sound, sight, text = ("audio" in modalities, "image" in modalities, "text" in modalities)
    audio, video = utterance.audio, utterance.video
    if video is not None and sight and not sound:
        raise InputError(
            f"corpus union: {video} is a video with sound; take both audio and image of it, or audio alone"
        )
    if video is not None and not sight:
        audio, video = audio or video, None
    return replace(
        utterance,
        text=utterance.text if text else None,
        words=utterance.words if text else None,
        audio=audio if sound else None,
        image=utterance.image if sight else None,
        video=video,
    )


def weighed(rows: Sequence[Utterance], weight: float | int, seed: int) -> list[Utterance]:
    """Rows taken `weight` times: whole copies with names of their own, and a seeded draw of dialogues (or rows) for the rest."""
    whole, rest = divmod(weight, 1)
    copies = [_copy(row, number) for number in range(int(whole)) for row in rows]
    units = sorted({row.dialogue or row.id for row in rows})
    drawn = set(random.Random(seed).sample(units, math.ceil(rest * len(units)))) if rest else set()
    return copies + [_copy(row, int(whole)) for row in rows if (row.dialogue or row.id) in drawn]


def _copy(row: Utterance, number: int) -> Utterance:
    if number == 0:
        return row
    mark = f"#{number + 1}"
    return replace(row, id=row.id + mark, dialogue=None if row.dialogue is None else row.dialogue + mark)
