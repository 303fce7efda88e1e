"""RAVDESS: two sentences, spoken and sung by 24 actors in eight emotions at two intensities, as sound and video.

Size: 1,440 spoken and 1,012 sung takes; 24 actors (12 women, 12 men). 1,440 video clips of speech.
Origin: recorded in a studio at Ryerson University; rated by 247 listeners (Livingstone and Russo, 2018).
Language: English (North American).
Elicitation: acted.
Known defects: only two sentences, each in every emotion, so that text tells nothing (a model of text alone must stay at
    chance); neutral has half as many takes as the others, since it has one intensity; five sound files are stereo; two
    repetitions of actor 07 are the same recording; there are no songs of actor 18.

Splits are by actor: 1-18 train, 19-20 validation, 21-24 test. They are not official, and neither are the folds, which come
from two published comparisons. The same take may be there as full video (01), silent video (02) and sound (03); it is one
utterance, named by what follows that first number.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._media import Recordings

CITATION = """@article{livingstone2018ravdess,
  title = {The {R}yerson Audio-Visual Database of Emotional Speech and Song ({RAVDESS})},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLoS ONE}, volume = {13}, number = {5}, pages = {e0196391}, year = {2018}}"""

LICENCE = "CC BY-NC-SA 4.0"

LABELS = {
    "speech": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    "song": ("neutral", "calm", "happy", "sad", "angry", "fearful"),
}

SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}

CHANNELS = {"01": "speech", "02": "song"}

INTENSITIES = {"01": "normal", "02": "strong"}

# The six folds of EmoBox (2024, arXiv 2406.07162) and the five of Luna-Jimenez et al. (2022, Applied Sciences 12).
EMOBOX_FOLDS = {
    "1": (1, 11, 20, 21),
    "2": (4, 10, 12, 14),
    "3": (8, 9, 19, 23),
    "4": (3, 5, 7, 24),
    "5": (2, 15, 16, 18),
    "6": (6, 13, 17, 22),
}

LUNAJIMENEZ_FOLDS = {
    "0": (2, 5, 14, 15, 16),
    "1": (3, 6, 7, 13, 18),
    "2": (10, 11, 12, 19, 20),
    "3": (8, 17, 21, 23, 24),
    "4": (1, 4, 9, 22),
}


class Ravdess(Recordings):
    """Files `MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR`, each two digits."""

    name = "ravdess"
    title = "Ryerson Audio-Visual Database of Emotional Speech and Song"
    size = "1,440 spoken and 1,012 sung takes, 24 actors"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("audio", "image", "text")
    folds = ("emobox_test_fold", "lunajimenez_fold", "speaker")
    released: ClassVar = {"speech": 1440, "song": 1012}

    def parse(self, path: Path) -> Utterance | None:
        """What the seven numbers of a file's name say."""
        match = re.fullmatch(r"0[123]-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)", path.stem)
        if match is None or CHANNELS[match[1]] != self.level or not 1 <= int(match[6]) <= 24:
            return None
        channel, emotion, intensity, statement, repetition, actor = match.groups()
        return Utterance(
            id="-".join((channel, emotion, intensity, statement, repetition, actor)),
            text=SENTENCES[statement],
            label=LABELS["speech"][int(emotion) - 1],
            speaker=actor,
            extra={
                "gender": "male" if int(actor) % 2 else "female",
                "intensity": INTENSITIES[intensity],
                "statement": statement,
                "repetition": repetition,
                "emobox_test_fold": _fold(EMOBOX_FOLDS, int(actor)),
                "lunajimenez_fold": _fold(LUNAJIMENEZ_FOLDS, int(actor)),
            },
        )

    def split_of(self, utterance: Utterance) -> str:
        """By actor."""
        actor = int(utterance.speaker or 0)
        return "train" if actor <= 18 else "validation" if actor <= 20 else "test"


def _fold(folds: Mapping[str, tuple[int, ...]], actor: int) -> str:
    return next(fold for fold, actors in folds.items() if actor in actors)
