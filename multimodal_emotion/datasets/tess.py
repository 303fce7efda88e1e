"""TESS: "Say the word ..." with 200 words, spoken by two women in seven emotions.

Size: 2,800 clips: two speakers, 200 words, seven emotions.
Origin: recorded at the University of Toronto by actresses of 26 and 64 years (Pichora-Fuller and Dupuis, 2010).
Language: English (Canadian).
Elicitation: acted.
Known defects: two speakers only, so that a split within them measures the speakers; text tells nothing, since every word is
    said in every emotion; one file of the older speaker is named OA_bite_neutral; common copies hold all files twice, in a
    folder within the folder.

There is no official split: the older speaker (OAF) trains, the younger one (YAF) tests, nobody validates; published results
leave one speaker out or, much too well, split within speakers.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._media import Recordings

CITATION = """@misc{pichora2010tess,
  title = {{T}oronto Emotional Speech Set ({TESS})},
  author = {Pichora-Fuller, M. Kathleen and Dupuis, Kate},
  howpublished = {Scholars Portal Dataverse, doi 10.5683/SP2/E8H2MF}, year = {2010}}"""

LICENCE = "CC BY-NC-ND 4.0"

LABELS = ("anger", "disgust", "fear", "happiness", "pleasant surprise", "sadness", "neutral")

EMOTIONS = dict(zip(("angry", "disgust", "fear", "happy", "ps", "sad", "neutral"), LABELS, strict=True))

AGES = {"OAF": "64", "YAF": "26"}


class Tess(Recordings):
    """Files `SPEAKER_WORD_EMOTION`, in one folder or in a folder for each speaker and emotion."""

    name = "tess"
    title = "Toronto Emotional Speech Set"
    size = "2,800 clips, 2 speakers"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("audio", "text")
    folds = ("speaker",)
    released = 2800
    divided = ("train", "test")

    def parse(self, path: Path) -> Utterance | None:
        """What the three parts of a file's name say."""
        match = re.fullmatch(r"(OA|YA)F?_([a-z]+)_([a-z]+)", path.stem)
        if match is None or match[3] not in EMOTIONS:
            return None
        speaker, word, emotion = f"{match[1]}F", match[2], match[3]
        return Utterance(
            id=f"{speaker}_{word}_{emotion}",
            text=f"Say the word {word}.",
            label=EMOTIONS[emotion],
            speaker=speaker,
            extra={"gender": "female", "age": AGES[speaker]},
        )

    def split_of(self, utterance: Utterance) -> str:
        """By speaker."""
        return "train" if utterance.speaker == "OAF" else "test"
