"""Gives the model of a run valence, arousal and dominance of the text, read off its text encoder as it is, from EmoBank.

python docs/recipes/add_dimensions.py RUN EMOBANK
"""

import sys
from pathlib import Path

import numpy as np

from multimodal_emotion import checkpoint
from multimodal_emotion.closed_form import fit_dimensions
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.inference import score

NAMES = {"V": "valence", "A": "arousal", "D": "dominance"}


def main(run: str, root: str) -> None:
    """Fits on the training split, prints the correlation on the others, and saves the model in place of the former."""
    trained, corpus = checkpoint.load(run), load_corpus("emobank", root)
    fit_dimensions(trained, corpus.utterances("train"), tuple(NAMES.values()), (1.0, 5.0))
    for split in ("validation", "test"):
        rows = corpus.utterances(split)
        read = np.stack([item.dimensions for item in score(trained, rows) if item.dimensions is not None])
        truth = np.array([[row.label[name] for name in NAMES] for row in rows])  # type: ignore[index]
        figures = [np.corrcoef(read[:, number], truth[:, number])[0, 1] for number in range(len(NAMES))]
        print(f"{split}: r", ", ".join(f"{name} {r:.3f}" for name, r in zip(NAMES.values(), figures, strict=True)))
    checkpoint.save(trained, Path(run) / "model")


if __name__ == "__main__":
    main(*sys.argv[1:])
