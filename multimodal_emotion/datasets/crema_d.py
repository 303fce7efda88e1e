"""CREMA-D: twelve sentences spoken by 91 actors in six emotions, as sound and video, with the votes of a crowd.

Size: 7,442 clips of 91 actors (48 men, 43 women, 20 to 74 years old), mostly with 7 to 12 votes for each of sound alone,
    face alone and both.
Origin: recorded under direction; rated by 2,443 people on the web (Cao et al., 2014).
Language: English.
Elicitation: acted.
Known defects: the intended emotion is often not the perceived one (the plurality of votes agrees with it for 46 % of the
    voices, 69 % of the faces, 75 % of both); text tells nothing, since every sentence is said in every emotion; the sound
    of 1076_MTI_SAD_XX is silence; one file is named 1040_ITH_SAD_X; without git-lfs a copy of the repository holds only
    small text files in the place of media.

There is no official split: actors are drawn, by a hash of their number, into about 80 % train, 10 % validation, 10 % test.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import Recordings, draw
from multimodal_emotion.datasets._table import read_table

CITATION = """@article{cao2014cremad,
  title = {{CREMA-D}: Crowd-Sourced Emotional Multimodal Actors Dataset},
  author = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and Nenkova, Ani and
            Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing}, volume = {5}, number = {4}, pages = {377--390}, year = {2014}}"""

LICENCE = "ODbL 1.0 (database), DbCL 1.0 (contents)"

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

EMOTIONS = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LABELS, strict=True))

VOTES = dict(zip("ADFHNS", LABELS, strict=True))

# The first digit of a row in tabulatedVotes.csv says what the raters had.
RATED = {"voice": "1", "face": "2", "both": "3"}

SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}


class CremaD(Recordings):
    """Files `ACTOR_SENTENCE_EMOTION_INTENSITY`; `VideoDemographics.csv` and `tabulatedVotes.csv` where they are there.

    Levels: "intended" is what the actor was asked for; "voice", "face" and "both" are the votes of those who heard, saw, or
    heard and saw the clip.
    """

    name = "crema_d"
    title = "Crowd-sourced Emotional Multimodal Actors Dataset"
    size = "7,442 clips, 91 actors"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = ("intended", *RATED)
    label_sets = dict.fromkeys(levels, LABELS)
    modalities = ("audio", "image", "text")
    folds = ("speaker",)
    released = 7442

    def parse(self, path: Path) -> Utterance | None:
        """What the four parts of a file's name say."""
        match = re.fullmatch(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)", path.stem)
        if match is None or match[2] not in SENTENCES or match[3] not in EMOTIONS:
            return None
        actor, sentence, emotion, intensity = match.groups()
        name = f"{actor}_{sentence}_{emotion}_{'XX' if intensity == 'X' else intensity}"
        return Utterance(
            id=name,
            text=SENTENCES[sentence],
            label=EMOTIONS[emotion] if self.level == "intended" else self.votes.get(name),
            speaker=actor,
            extra={"intensity": intensity, "intended": EMOTIONS[emotion], **self.actors.get(actor, {})},
        )

    def split_of(self, utterance: Utterance) -> str:
        """Drawn by actor."""
        return draw(str(utterance.speaker))

    @cached_property
    def votes(self) -> Mapping[str, dict[str, float]]:
        """The votes of this level for each clip; {} if they are not here."""
        path = find(self.root, "processedResults/tabulatedVotes.csv", "**/tabulatedVotes.csv")
        if path is None:
            return {}
        table = read_table(path)
        number, kind = table.columns[0], RATED[self.level or ""]
        table.require(*VOTES, "fileName")
        return {
            row.text("fileName"): {label: row.number(letter) for letter, label in VOTES.items()}
            for row in table.rows
            if row.text(number).startswith(kind)
        }

    @cached_property
    def actors(self) -> Mapping[str, dict[str, str]]:
        """Age, sex and ethnicity of each actor; {} if they are not here."""
        return actors_below(self.root)

    def missing(self) -> list[str]:
        """Also the table of votes, where the level is made of it."""
        lines = super().missing()
        return lines if self.level == "intended" or self.votes else [*lines, "labels: no tabulatedVotes.csv"]


def actors_below(root: Path) -> dict[str, dict[str, str]]:
    """Age, sex and ethnicity of each actor by number; {} if they are not below a folder."""
    path = find(root, "VideoDemographics.csv", "**/VideoDemographics.csv")
    if path is None:
        return {}
    names = {"Age": "age", "Sex": "gender", "Race": "race", "Ethnicity": "ethnicity"}
    return {
        row.text("ActorID"): {name: row.text(column).lower() for column, name in names.items()}
        for row in read_table(path).rows
    }
