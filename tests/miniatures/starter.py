import json
from pathlib import Path

from miniatures._write import write

ROWS = [
    ("bus", 0, "ann", "train", "joy", "It came on time!"),
    ("bus", 1, "bob", "train", "neutral", "It leaves at nine."),
    ("soup", 0, "cy", "validation", "disgust", "There is a hair in it."),
    ("key", 0, "di", "test", "surprise", "It was in my hand?"),
]


def build(root: Path) -> None:
    rows = [
        {
            "id": f"{dialogue}-{turn}",
            "text": text,
            "label": label,
            "speaker": speaker,
            "dialogue": dialogue,
            "turn": turn,
            "split": split,
        }
        for dialogue, turn, speaker, split, label, text in ROWS
    ]
    write(root, {"utterances.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
