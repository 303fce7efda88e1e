"""EmoDB: ten everyday sentences spoken by ten actors in seven emotions; the most used corpus of German.

Size: 535 clips; ten speakers (five women, five men).
Origin: recorded in an anechoic chamber at the Technical University of Berlin; only clips that at least 80 % of 20 listeners
    recognised and 60 % found natural were released (Burkhardt et al., 2005).
Language: German.
Elicitation: acted.
Known defects: easy, since what listeners did not recognise was left out; labels are unequal (127 anger, 46 disgust); in many
    copies boredom, disgust and fear are cut at two seconds, so that the length tells the label: level "clean4" has only the
    four labels that are whole everywhere.

There is no official split: speakers 13 and 14 validate, 15 and 16 test, the others train; published results leave one
speaker out.
"""

import re
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._media import Recordings

CITATION = """@inproceedings{burkhardt2005emodb,
  title = {A database of {G}erman emotional speech},
  author = {Burkhardt, Felix and Paeschke, Astrid and Rolfes, Miriam and Sendlmeier, Walter and Weiss, Benjamin},
  booktitle = {Proceedings of Interspeech}, pages = {1517--1520}, year = {2005}}"""

LICENCE = "free to download; no formal licence is known"

LABELS = {
    "seven": ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"),
    "clean4": ("anger", "happiness", "sadness", "neutral"),
}

# The first letters of Wut, Langeweile, Ekel, Angst, Freude, Trauer.
EMOTIONS = dict(zip("WLEAFTN", LABELS["seven"], strict=True))

MEN = ("03", "10", "11", "12", "15")

WOMEN = ("08", "09", "13", "14", "16")

SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


class EmoDB(Recordings):
    """Files `SPEAKER SENTENCE EMOTION VERSION`, such as 03a01Fa."""

    name = "emodb"
    title = "Berlin Database of Emotional Speech"
    size = "535 clips, 10 speakers"
    language = "German"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("audio", "text")
    folds = ("speaker",)
    released: ClassVar = {"seven": 535, "clean4": 339}

    def parse(self, path: Path) -> Utterance | None:
        """What the letters of a file's name say."""
        match = re.fullmatch(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", path.stem)
        if match is None or match[1] not in MEN + WOMEN or EMOTIONS[match[3]] not in LABELS[self.level or "seven"]:
            return None
        speaker, sentence, emotion, version = match.groups()
        return Utterance(
            id=path.stem,
            text=SENTENCES.get(sentence),
            label=EMOTIONS[emotion],
            speaker=speaker,
            extra={"gender": "male" if speaker in MEN else "female", "text_code": sentence, "version": version},
        )

    def split_of(self, utterance: Utterance) -> str:
        """By speaker."""
        return {"13": "validation", "14": "validation", "15": "test", "16": "test"}.get(str(utterance.speaker), "train")
