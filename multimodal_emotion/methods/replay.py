"""Replay: utterances of a former corpus among the new ones, against forgetting."""

from collections.abc import Sequence
from dataclasses import replace

from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import in_range
from multimodal_emotion.methods._base import Method, former_run
from multimodal_emotion.splits import config_of_run, draw, splits_of_run
from multimodal_emotion.tasks._base import Task


class Replay(Method):
    """Adds training utterances of a former run, drawn once; their labels must be labels of the task.

    Source: Experience Replay for Continual Learning, 2018, arXiv 1811.11682.
    """

    def __init__(self, *, run: str | None = None, share: float | int = 0.2) -> None:
        """
        Args:
            run: the former run's folder, whose corpus is still where it was; None takes `model.initial`.
            share: how many are added, for each new utterance.

        Raises:
            InputError: a value out of its range.
        """
        self.run = run
        self.share = in_range("training.methods.replay.share", share, 0, 10)

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Refuses what is no run."""
        config_of_run(former_run(self.run, "replay"))

    def rows(self, utterances: Sequence[Utterance], seed: int) -> Sequence[Utterance]:
        """The training utterances, then those of the former run."""
        former = draw(splits_of_run(former_run(self.run, "replay")).train, round(self.share * len(utterances)), seed)
        return [*utterances, *(replace(utterance, id=f"former/{utterance.id}") for utterance in former)]
