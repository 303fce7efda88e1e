"""The outcome of scoring a split, and its figures."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.tasks._base import Task


@dataclass(frozen=True)
class Outcome:
    """Targets and scores of the utterances of one split.

    Attributes:
        ids: of the utterances.
        targets: as the task codes them, one array for each utterance.
        scores: (outputs,) for each utterance, or (words, outputs).
        speakers, dialogues: of each utterance; None where it is not known.
    """

    ids: Sequence[str]
    targets: Sequence[np.ndarray]
    scores: Sequence[np.ndarray]
    speakers: Sequence[str | None] = ()
    dialogues: Sequence[str | None] = ()

    @classmethod
    def of(
        cls, utterances: Sequence[Utterance], targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]
    ) -> "Outcome":
        """The outcome of these utterances, with their speakers and dialogues."""
        assert len(utterances) == len(targets) == len(scores)
        return cls(
            ids=[utterance.id for utterance in utterances],
            targets=targets,
            scores=scores,
            speakers=[utterance.speaker for utterance in utterances],
            dialogues=[utterance.dialogue for utterance in utterances],
        )

    @classmethod
    def join(cls, outcomes: Iterable["Outcome"]) -> "Outcome":
        """The utterances of several outcomes as one."""
        parts = list(outcomes)
        return cls(*([item for part in parts for item in getattr(part, name)] for name in cls.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, ids: Collection[str]) -> "Outcome":
        """The outcome of the other utterances."""
        left_out = set(ids)
        kept = [number for number, name in enumerate(self.ids) if name not in left_out]
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(
            self, **{name: [column[number] for number in kept] for name, column in columns.items() if len(column)}
        )

    def units(self) -> tuple[str, Sequence[str] | None]:
        """What is independent of each other: the dialogues where all are known, else speakers, else utterances.

        Returns:
            "dialogue", "speaker" or "utterance", and the unit of each utterance (None for "utterance"). One dialogue or
            speaker alone makes no interval.
        """
        for unit, values in (("dialogue", self.dialogues), ("speaker", self.speakers)):
            known = [value for value in values if value is not None]
            if known and len(known) == len(self) and len(set(known)) > 1:
                return unit, known
        return "utterance", None


def evaluate_outcome(task: Task, outcome: Outcome, *, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """The figures of a split as report.json has them: those of the task, and `ci95`.

    Args:
        task: that gave the scores.
        outcome: at least one utterance.
        resamples: of the bootstrap that makes the intervals.
        seed: of the bootstrap.

    Returns:
        JSON types but for NaN. `ci95` has [low, high] for each figure ("FIGURE.DIMENSION" where each dimension has its
        own), and the `unit` that was drawn: "utterance", "speaker" or "dialogue".

    Raises:
        InputError: there is nothing to evaluate.
    """
    if not len(outcome):
        raise InputError("nothing to evaluate: no utterance has both a label and something that could be read")
    unit, groups = outcome.units()
    statistics = task.statistics(outcome.targets, outcome.scores)
    intervals = metrics.bootstrap(statistics, task.figures, groups=groups, resamples=resamples, seed=seed)
    return {
        **task.metrics(outcome.targets, outcome.scores),
        "ci95": {**_by_name(task, intervals), "unit": unit},
    }


def predictions(task: Task, scores: Sequence[np.ndarray]) -> list[Any]:
    """What is predicted for each utterance, in the form of `Utterance.label`."""
    if task.resolution == "word":
        return [tuple(task.decode(each)) for each in scores]
    return task.decode(np.stack(scores)) if len(scores) else []


def _by_name(task: Task, intervals: dict[str, np.ndarray]) -> dict[str, list[float]]:
    flat = {}
    for name, ends in intervals.items():
        if ends.ndim == 1:
            flat[name] = ends.tolist()
        else:
            flat |= {f"{name}.{label}": row.tolist() for label, row in zip(task.labels, ends, strict=True)}
    return flat
