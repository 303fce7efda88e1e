"""DailyDialog: dialogues written for learners of English, each utterance with one of six emotions or none.

Size: 11,118 / 1,000 / 1,000 dialogues; 87,170 / 8,069 / 7,740 utterances.
Origin: websites for practising English conversation; rated by three experts (Li et al., 2017).
Language: English, tokenised.
Elicitation: written for teaching; two speakers take turns and have no names.
Known defects: 83 % of the utterances have no emotion; 603 training dialogues repeat others, and 77 of the 1,000
    validation dialogues stand word for word in the training data; one training dialogue has 12 utterances and 11
    labels: it is left out, and `notes` says which it is.
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, decode, pick
from multimodal_emotion.errors import InputError

CITATION = """@inproceedings{li2017dailydialog,
  title = {{DailyDialog}: A Manually Labelled Multi-turn Dialogue Dataset},
  author = {Li, Yanran and Su, Hui and Shen, Xiaoyu and Li, Wenjie and Cao, Ziqiang and Niu, Shuzi},
  booktitle = {Proceedings of IJCNLP}, pages = {986--995}, year = {2017}}"""

LICENCE = "CC BY-NC-SA 4.0"

LABELS = ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")

# The release counts acts from 1.
ACTS = ("", "inform", "question", "directive", "commissive")


class DailyDialog(OneFilePerSplit):
    """For each split a zip (or its unpacked folder) of three files with a dialogue a line: texts, emotions, acts."""

    name = "dailydialog"
    title = "DailyDialog"
    size = "11,118 / 1,000 / 1,000 dialogues, 102,979 utterances"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    primary_metric = "macro_f1"
    labels = LABELS
    files: ClassVar = {
        "train": ("train.zip", "**/dialogues_train.txt", "**/train.zip"),
        "validation": ("validation.zip", "**/dialogues_validation.txt", "**/validation.zip"),
        "test": ("test.zip", "**/dialogues_test.txt", "**/test.zip"),
    }

    def notes(self) -> list[str]:
        """The dialogues that are left out, since they have not as many labels as utterances."""
        return [
            f"{split}: the dialogue in line {dialogue.line} is left out: {len(dialogue.texts)} utterances,"
            f" {len(dialogue.emotions)} labels"
            for split in self.splits
            for dialogue in self._dialogues(split)
            if not dialogue.aligned
        ]

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a turn."""
        return [
            _utterance(dialogue, turn, f"{split}-{dialogue.line - 1}", f"{path}, dialogue in line {dialogue.line}")
            for dialogue in self._dialogues(split)
            if dialogue.aligned
            for turn in range(len(dialogue.texts))
        ]

    def _dialogues(self, split: str) -> list["_Dialogue"]:
        path = self.file(split)
        assert path is not None, f"{split} is not one of {self.splits}"
        texts, emotions, acts = (_lines(path, f"dialogues_{kind}{split}.txt") for kind in ("", "emotion_", "act_"))
        for kind, lines in (("texts", texts), ("emotions", emotions), ("acts", acts or texts)):
            if len(lines) != len(texts) or not lines:
                raise InputError(
                    f"{path}: {len(lines)} lines of {kind} for {len(texts)} dialogues; whole files are expected"
                )
        return [
            _Dialogue(line, _utterances(text), emotion.split(), act.split())
            for line, (text, emotion, act) in enumerate(
                zip(texts, emotions, acts or [""] * len(texts), strict=True), start=1
            )
        ]


class _Dialogue(NamedTuple):
    """A dialogue of the release; emotions and acts are numbers as text, no acts where their file is absent."""

    line: int
    texts: list[str]
    emotions: list[str]
    acts: list[str]

    @property
    def aligned(self) -> bool:
        """Whether each text has its emotion."""
        return len(self.texts) == len(self.emotions)


def _utterance(dialogue: _Dialogue, turn: int, name: str, place: str) -> Utterance:
    acts = dialogue.acts if len(dialogue.acts) == len(dialogue.texts) else None
    return Utterance(
        id=f"{name}-{turn}",
        text=dialogue.texts[turn],
        label=pick(LABELS, dialogue.emotions[turn], place),
        dialogue=name,
        turn=turn,
        extra={"act": pick(ACTS, acts[turn], place)} if acts else {},
    )


def _utterances(line: str) -> list[str]:
    texts = [text.strip() for text in line.split("__eou__")]
    return texts if texts[-1] else texts[:-1]


def _lines(path: Path, name: str) -> list[str]:
    """The lines of one of the files: in the zip, or in the folder that holds the texts; none if it is absent."""
    if path.suffix == ".zip":
        content = _unzip(path, name)
    else:
        content = (path.parent / name).read_bytes() if (path.parent / name).is_file() else b""
    return decode(content, f"{path}, {name}").rstrip("\n").split("\n") if content else []


def _unzip(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [member for member in archive.namelist() if Path(member).name == name]
            return archive.read(inside[0]) if inside else b""
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path}: not a zip file, or one cut off ({error}); fetch it again") from error
