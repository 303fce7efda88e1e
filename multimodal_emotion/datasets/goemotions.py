"""GoEmotions: comments on Reddit with any of 27 emotions, or neutral.

Size: 43,410 / 5,426 / 5,427 comments (those on which raters agreed).
Origin: comments of popular subreddits from 2005 to 2019, rated by three or five raters each (Demszky et al., 2020).
Language: English.
Elicitation: written; rated by readers from India.
Known defects: labels are noisy (a re-reading of a sample by others disagrees with almost a third); grief, pride and
    relief have under 100 test and validation comments together; [NAME] and [RELIGION] stand for what was masked.

The coarser levels are unions of the fine labels as published: `ekman` (six emotions and neutral) and `group` (positive,
negative, ambiguous and neutral).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, find, numbered_lines, pick, read_text
from multimodal_emotion.errors import InputError

CITATION = """@inproceedings{demszky2020goemotions,
  title = {{GoEmotions}: A Dataset of Fine-Grained Emotions},
  author = {Demszky, Dorottya and Movshovitz-Attias, Dana and Ko, Jeongwoo and Cowen, Alan and Nemade, Gaurav and
            Ravi, Sujith},
  booktitle = {Proceedings of ACL}, pages = {4040--4054}, year = {2020}}"""

LICENCE = "CC BY 4.0"

EKMAN = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("admiration", "amusement", "approval", "caring", "desire", "excitement"),
        *("gratitude", "joy", "love", "optimism", "pride", "relief"),
    ),
    "neutral": ("neutral",),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
}
GROUP = {
    "ambiguous": EKMAN["surprise"],
    "negative": (*EKMAN["anger"], *EKMAN["disgust"], *EKMAN["fear"], *EKMAN["sadness"]),
    "neutral": EKMAN["neutral"],
    "positive": EKMAN["joy"],
}
EMOTIONS = sorted(emotion for emotions in EKMAN.values() for emotion in emotions if emotion != "neutral")
LABELS = {"full": (*EMOTIONS, "neutral"), "ekman": tuple(EKMAN), "group": tuple(GROUP)}

_FOLDERS = ("", "data/", "original/", "data/original/", "{level}/", "data/{level}/")


class GoEmotions(OneFilePerSplit):
    """Tab-separated without header: text, numbers of its labels, id of the comment.

    A coarser level is derived from the fine labels; where these are absent, it is read from a folder of its own
    (`ekman/train.tsv` beside `ekman/labels.txt`).
    """

    name = "goemotions"
    title = "GoEmotions"
    size = "43,410 / 5,426 / 5,427 comments"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multilabel"
    primary_metric = "macro_f1"
    levels = tuple(LABELS)
    files: ClassVar = {
        "train": [folder + "train.tsv" for folder in _FOLDERS],
        "validation": [folder + "dev.tsv" for folder in _FOLDERS],
        "test": [folder + "test.tsv" for folder in _FOLDERS],
    }

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        super().__init__(root, level)
        self.labels = LABELS[self.level or "full"]

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a line."""
        own_folder = path.parent.name == self.level
        numbered = _numbered(path, self.labels if own_folder else LABELS["full"])
        meaning = {label: label for label in numbered} if own_folder else self._meaning()
        utterances = []
        for place, line in numbered_lines(path):
            cells = line.split("\t")
            if len(cells) != 3:
                raise InputError(f"{place}: {len(cells)} cells; text, label numbers and id are expected, tab-separated")
            text, indices, name = cells
            named = {meaning[pick(numbered, index, place)] for index in indices.split(",")}
            utterances.append(
                Utterance(id=name, text=text.strip(), label=tuple(label for label in self.labels if label in named))
            )
        return utterances

    def _meaning(self) -> Mapping[str, str]:
        """The label of the level for each fine label."""
        unions = {"ekman": EKMAN, "group": GROUP}.get(self.level or "", {label: (label,) for label in self.labels})
        return {emotion: label for label, emotions in unions.items() for emotion in emotions}


def _numbered(path: Path, released: Sequence[str]) -> Sequence[str]:
    """The labels by number: as a list beside the file says, else in the released order."""
    listed = find(path.parent, "labels.txt", "emotions.txt")
    if listed is None:
        return released
    labels = read_text(listed).split()
    if set(labels) != set(released):
        raise InputError(f"{listed}: lists {', '.join(labels)}; expected are {', '.join(released)}")
    return labels
