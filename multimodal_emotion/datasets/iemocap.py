"""IEMOCAP: dialogues of two actors, scripted and improvised, cut into turns; the most used corpus of emotional dialogue.

Size: 10,039 turns in 151 dialogues, 12 hours; ten actors in five sessions of a woman and a man.
Origin: University of Southern California; three raters for each turn, who saw and heard the dialogue (Busso et al., 2008).
Language: English.
Elicitation: acted, elicited.
Known defects: raters disagree on a quarter of the turns (`xxx`, without a label here); scripted dialogues repeat word for
    word between sessions, so that text leaks; both actors stand in one picture; the woman or the man wears markers on the
    face; fear, disgust and surprise are too rare to learn.

The published protocol leaves one session out, so that no actor stands on both sides; the split here is sessions 1-3 train, 4
validation, 5 test.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._media import Collected, by_name, lines_of

CITATION = """@article{busso2008iemocap,
  title = {{IEMOCAP}: interactive emotional dyadic motion capture database},
  author = {Busso, Carlos and Bulut, Murtaza and Lee, Chi-Chun and Kazemzadeh, Abe and Mower, Emily and Kim, Samuel and
            Chang, Jeannette N. and Lee, Sungbok and Narayanan, Shrikanth S.},
  journal = {Language Resources and Evaluation}, volume = {42}, number = {4}, pages = {335--359}, year = {2008}}"""

LICENCE = "by agreement with the University of Southern California; no redistribution"

LABELS = {
    "four": ("anger", "happiness", "neutral", "sadness"),
    "six": ("anger", "excitement", "frustration", "happiness", "neutral", "sadness"),
    "dimensions": ("valence", "activation", "dominance"),
}

SIX = {
    "ang": "anger",
    "exc": "excitement",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
}

# As in most published results, excitement counts as happiness, and frustration is left out.
FOUR = {"ang": "anger", "exc": "happiness", "hap": "happiness", "neu": "neutral", "sad": "sadness"}

SPLITS_OF = {"1": "train", "2": "train", "3": "train", "4": "validation", "5": "test"}

TURN = re.compile(
    r"\[([\d.]+) - ([\d.]+)\]\t(Ses0([1-5])[FM]_\w+_([FM])\w*\d)\t(\w+)\t\[([\d.]+), ([\d.]+), ([\d.]+)\]"
)

WORDS = re.compile(r"(Ses0[1-5]\w+) \[[\d.]+-[\d.]+\]: ?(.*)")


class Iemocap(Collected):
    """Folders `SessionN/dialog` (EmoEvaluation, transcriptions, wav, avi) and `SessionN/sentences/wav`.

    A turn has its own sound file, or, where the video of its dialogue is there, the interval of the dialogue's video and
    sound. Turns whose label is not of the level have none (`label` is None): the dialogue stays whole.
    """

    name = "iemocap"
    title = "Interactive Emotional Dyadic Motion Capture"
    size = "10,039 turns in 151 dialogues, 10 speakers"
    language = "English"
    elicitation = "acted, elicited"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("audio", "image", "text")
    folds = ("session", "speaker")
    released = 10039
    # Means of ratings from 1 to 5; a few raters left a dimension out or wrote 6.
    limits = (0.0, 5.5)

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The turns of each dialogue in the order of time."""
        for path in sorted(self.root.rglob("EmoEvaluation/Ses*.txt")):
            matches = [match for line in lines_of(path) if (match := TURN.fullmatch(line))]
            matches.sort(key=lambda match: float(match[1]))
            for turn, match in enumerate(matches):
                yield SPLITS_OF[match[4]], self._utterance(match, path.stem, turn)

    def _utterance(self, match: re.Match[str], dialogue: str, turn: int) -> Utterance:
        start, end, name, session, gender = match.groups()[:5]
        video = self.files.get(f"{dialogue}.avi")
        whole = {"start": float(start), "end": float(end), "video": video, "audio": self.files.get(f"{dialogue}.wav")}
        return Utterance(
            id=name,
            text=self.words.get(name),
            **(whole if video else {"audio": self.files.get(f"{name}.wav")}),
            label=self._label(match),
            speaker=f"Ses0{session}{gender}",
            dialogue=dialogue,
            turn=turn,
            extra={
                "session": session,
                "gender": {"F": "female", "M": "male"}[gender],
                "scenario": "improvised" if "impro" in dialogue else "scripted",
                "released_label": match[6],
            },
        )

    def _label(self, match: re.Match[str]) -> Label | None:
        if self.level == "dimensions":
            return {name: float(value) for name, value in zip(LABELS["dimensions"], match.groups()[6:], strict=True)}
        return (FOUR if self.level == "four" else SIX).get(match[6])

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Sound and video by file name."""
        return by_name(self.root, (".wav", ".avi"))

    @cached_property
    def words(self) -> Mapping[str, str]:
        """What is said in each turn."""
        lines = (line for path in sorted(self.root.rglob("transcriptions/Ses*.txt")) for line in lines_of(path))
        said = (WORDS.fullmatch(line) for line in lines)
        return {match[1]: match[2].strip() for match in said if match and match[2].strip()}
