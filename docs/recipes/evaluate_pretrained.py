"""What the model that ships reaches on the validation split of each corpus it was trained on: the tables of its card.

python docs/recipes/evaluate_pretrained.py CORPORA [MODEL]
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from multimodal_emotion import metrics, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.inference import Scored, score
from multimodal_emotion.shipped import opened

CONFIDENT = 0.7
COLUMNS = ("n", "accuracy", "uar", "macro_f1", "weighted_f1", "calibration_error")
GROUPS = {"meld": "speaker", "ravdess": "gender", "emodb": "gender"}
"""What people are told apart by, where a corpus says it."""
LEAST = 30
"""Utterances of a group that has figures of its own."""


def main(root: str, model: str = "pretrained") -> None:
    """Prints one row for each part of the recipe's corpus, and one for each group, all with one set of weights."""
    trained = opened(model)
    recipe = yaml.safe_load((Path(__file__).parent / "pretrained.yaml").read_text())
    groups: list[str] = []
    head("corpus", *COLUMNS, "by chance alone", f"share above {CONFIDENT}", "accuracy there")
    for name, part in recipe["corpus"]["options"]["parts"].items():
        corpus = load_corpus("union", root, level="seven", parts={name: {**part, "weight": 1}})
        rows = [row for row in runs.read(corpus, "validation", trained.reading["context"]) if row.label is not None]
        scored = list(score(trained, rows))
        figures = report(trained.task, scored)
        confidence = np.stack([item.scores for item in scored]).max(axis=1)
        sure = confidence >= CONFIDENT
        right = hits(trained.task, scored)[sure].mean() if sure.any() else float("nan")
        mean, most = metrics.calibration_noise(confidence)
        chance = f"{mean:.3f}, 95 % below {most:.3f}"
        row(name, *(figures[key] for key in COLUMNS), chance, float(sure.mean()), float(right))
        groups += [
            line(f"{name}, {group}", len(members), *(float(report(trained.task, members)[key]) for key in COLUMNS[1:3]))
            for group, members in grouped(scored, GROUPS.get(name)).items()
        ]
    print()
    head("group", *COLUMNS[:3])
    print("\n".join(groups))


def report(task: Any, scored: Sequence[Scored]) -> dict[str, Any]:
    """The task's figures."""
    return dict(task.metrics([task.target(item.utterance) for item in scored], [item.scores for item in scored]))


def hits(task: Any, scored: Sequence[Scored]) -> np.ndarray:
    """Which decisions are right."""
    return np.array([item.scores.argmax() == task.target(item.utterance).argmax() for item in scored])


def grouped(scored: Sequence[Scored], by: str | None) -> dict[str, list[Scored]]:
    """Scored utterances by group; small groups are left out."""
    found: dict[str, list[Scored]] = {}
    for item in scored if by else ():
        found.setdefault(of(item.utterance, by or ""), []).append(item)
    return {name: members for name, members in sorted(found.items()) if len(members) >= LEAST}


def of(utterance: Utterance, by: str) -> str:
    """The group of an utterance."""
    return str(utterance.extra.get(by) or getattr(utterance, by, None)).removeprefix("meld/")


def head(*names: str) -> None:
    """The head of a table."""
    print(line(*names))
    print("|---" * len(names) + "|")


def row(*cells: Any) -> None:
    """One row, at once."""
    print(line(*cells), flush=True)


def line(*cells: Any) -> str:
    """One row as text."""
    return "| " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    main(*sys.argv[1:])
