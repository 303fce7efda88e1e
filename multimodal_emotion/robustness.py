"""Robust accuracy: how a trained model scores where each utterance is changed, within a ball, against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml

from multimodal_emotion import config as configuration
from multimodal_emotion import evaluation, registry
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.evaluation import Outcome
from multimodal_emotion.loading import Rows, collate_for, loader, plan
from multimodal_emotion.methods._base import Step
from multimodal_emotion.methods._entrances import adding, thawed, those
from multimodal_emotion.methods.pgd import Pgd

ATTACKS = ("fgm", "pgd")


@dataclass(frozen=True)
class Attack:
    """An attack by its text, such as "fgm:epsilon=0.1" or "pgd:epsilon=0.1,steps=5"."""

    text: str
    method: Pgd

    @classmethod
    def parse(cls, text: str) -> "Attack":
        """The attack of a text: NAME, or NAME:SETTING=VALUE,SETTING=VALUE.

        Raises:
            InputError: another name, an unknown setting, or a value out of its range.
        """
        name, _, rest = text.partition(":")
        if name not in ATTACKS:
            raise unknown("attack", name, ATTACKS, f"--attack {text}")
        given: dict[str, Any] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            if not equals:
                raise InputError(f"--attack {text}: write NAME:SETTING=VALUE,..., such as fgm:epsilon=0.1")
            given[key.strip()] = yaml.safe_load(value)
        settings = configuration.built("methods", name, given, "attack", f"--attack {text}")
        return cls(text, registry.build("methods", name, **settings))


def robust(
    trained: TrainedModel, rows: Rows, attacks: Sequence[Attack], *, workers: int = 0, batch_size: int = 32
) -> dict[str, dict[str, Any]]:
    """The figures of a model under attacks.

    What is changed is what the first layer of each encoder gives (word embeddings, the first convolution, patches), and the
    numbers that an encoder without weights gives; frozen encoders are attacked as others are. The attack knows the model and
    the true labels; it computes in float32, without dropout.

    Args:
        trained: is put in evaluation mode, and is otherwise as it was afterwards.
        rows: with targets; features of frozen encoders must not stand in for their inputs.
        attacks: each on its own.
        workers, batch_size: see `inference.score_rows`.

    Returns:
        By the text of the attack: the figures as report.json has them of a split, and `loss`, the mean loss `before` and
        `after`.
    """
    assert not rows.encoded, "features of frozen encoders cannot be attacked"
    found: dict[str, dict[str, Any]] = {}
    for attack in attacks:
        outcome, losses = _attacked(trained, rows, attack.method, workers, batch_size)
        found[attack.text] = evaluation.jsonable({**evaluation.evaluate_outcome(trained.task, outcome), "loss": losses})
    return found


def _attacked(
    trained: TrainedModel, rows: Rows, method: Pgd, workers: int, batch_size: int
) -> tuple[Outcome, Mapping[str, float]]:
    """The outcome under one attack, and the mean losses without and with it."""
    model, task = trained.model.eval(), trained.task
    device = next(model.parameters()).device
    batches = plan([rows.length(number) for number in range(len(rows))], batch_size)
    scores: dict[int, np.ndarray] = {}
    losses = np.zeros((2, 0))
    source = loader(rows, batches, collate_for(trained.preparations, task), workers)
    with thawed(model) as layers:
        for numbers, batch in zip(batches, source, strict=True):
            batch = batch.to(device)
            step = Step(
                model,
                task,
                batch,
                0,
                lambda given: model(given.inputs, given.words),
                lambda output, target, given: task.loss(output.logits.float(), target).sum(),
                entrances=layers,
            )
            step.learn_plain()  # of what is added alone: no weight takes a gradient here
            perturbation = method.attack(step)
            with torch.no_grad():
                with adding(layers, those(perturbation)):
                    output = step.again()
                each = [task.loss(it.logits.float(), step.target).cpu().numpy() for it in (step.output, output)]
                values = task.scores(output.logits.float()).cpu().numpy()
            known = torch.stack([sequence.present for sequence in batch.inputs.values()]).any(dim=0).cpu().numpy()
            losses = np.concatenate([losses, np.stack(each)[:, known]], axis=1)
            for position in np.flatnonzero(known).tolist():
                words = rows.utterances[numbers[position]].words or ()
                scores[numbers[position]] = values[position][: len(words)] if trained.words else values[position]
    kept = sorted(scores)
    assert rows.targets is not None
    outcome = Outcome.of(
        [rows.utterances[number] for number in kept],
        [rows.targets[number] for number in kept],
        [scores[number] for number in kept],
    )
    before, after = losses.mean(axis=1).tolist() if losses.size else (float("nan"), float("nan"))
    return outcome, {"before": before, "after": after}
