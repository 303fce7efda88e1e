"""What the model that ships reaches on the validation split of each corpus it was trained on: the table of its card.

python docs/recipes/evaluate_pretrained.py CORPORA [MODEL]
"""

import sys
from pathlib import Path

import numpy as np
import yaml

from multimodal_emotion import runs
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.inference import score
from multimodal_emotion.shipped import opened

CONFIDENT = 0.7
COLUMNS = ("n", "accuracy", "uar", "macro_f1", "weighted_f1", "calibration_error")


def main(root: str, model: str = "pretrained") -> None:
    """Prints one row for each part of the recipe's corpus, all with one set of weights."""
    trained = opened(model)
    recipe = yaml.safe_load((Path(__file__).parent / "pretrained.yaml").read_text())
    parts = recipe["corpus"]["options"]["parts"]
    print("| corpus |", " | ".join(COLUMNS), f"| sure ({CONFIDENT}) | accuracy where sure |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name, part in parts.items():
        corpus = load_corpus("union", root, level="seven", parts={name: {**part, "weight": 1}})
        figures = runs.evaluate(trained, corpus, split="validation")["splits"]["validation"]
        rows = [row for row in runs.read(corpus, "validation", trained.reading["context"]) if row.label is not None]
        scores = np.stack([item.scores for item in score(trained, rows)])
        truth = np.array([trained.task.target(row).argmax() for row in rows])
        sure = scores.max(axis=1) >= CONFIDENT
        hits = (scores.argmax(axis=1) == truth)[sure].mean() if sure.any() else float("nan")
        shown = [f"{figures[key]:.3f}" if isinstance(figures[key], float) else str(figures[key]) for key in COLUMNS]
        print(f"| {name} |", " | ".join(shown), f"| {sure.mean():.2f} | {hits:.3f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
