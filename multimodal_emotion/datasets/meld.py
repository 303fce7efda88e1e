"""MELD: dialogues of the television series Friends, each utterance with an emotion and a sentiment.

Size: 9,989 / 1,109 / 2,610 utterances in 1,038 / 114 / 280 dialogues; 304 speakers, six of them with most of the lines.
Origin: EmotionLines (transcripts of Friends), aligned with the episodes and rated again by three raters who saw the
    clips (Poria et al., 2019).
Language: English.
Elicitation: acted, with a laughing audience.
Known defects: half of the utterances are neutral; the clip train dia125_utt3 does not decode and that of dev
    dia110_utt7 is absent; some clips are cut badly (several minutes long, or a neighbour's words); utterance numbers
    have gaps; a dialogue number stands for different dialogues in different splits; all main speakers stand in all
    splits; old copies of the tables have control characters for quotation marks, which are restored here.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, mend
from multimodal_emotion.datasets._media import files_below
from multimodal_emotion.datasets._table import Row, read_table
from multimodal_emotion.errors import unknown

CITATION = """@inproceedings{poria2019meld,
  title = {{MELD}: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations},
  author = {Poria, Soujanya and Hazarika, Devamanyu and Majumder, Navonil and Naik, Gautam and Cambria, Erik and
            Mihalcea, Rada},
  booktitle = {Proceedings of ACL}, pages = {527--536}, year = {2019}}"""

LICENCE = "GPL-3.0 (annotations); the dialogues and clips belong to the makers of the series: research use"

LABELS = {
    "emotion": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    "sentiment": ("neutral", "positive", "negative"),
}

CLIP_FOLDERS = {
    "train_splits": "train",
    "dev_splits_complete": "validation",
    "output_repeated_splits_test": "test",
}


class Meld(OneFilePerSplit):
    """One table for each split; clips `dia{D}_utt{U}.mp4`, where they are there, anywhere below their split's folder.

    The times of the table are those in the episode, not in the clip: they are kept in `extra`.
    """

    name = "meld"
    title = "Multimodal EmotionLines Dataset"
    size = "9,989 / 1,109 / 2,610 utterances in 1,432 dialogues"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    primary_metric = "weighted_f1"
    levels = tuple(LABELS)
    files: ClassVar = {
        "train": ("train_sent_emo.csv", "**/train_sent_emo.csv"),
        "validation": ("dev_sent_emo.csv", "**/dev_sent_emo.csv"),
        "test": ("test_sent_emo.csv", "**/test_sent_emo.csv"),
    }

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        super().__init__(root, level)
        self.labels = LABELS[self.level or "emotion"]
        self.modalities = ("audio", "image", "text") if self.clips else ("text",)

    @cached_property
    def clips(self) -> dict[tuple[str, int, int], Path]:
        """The clips that are there, by split, dialogue and utterance."""
        found = {}
        for path in files_below(self.root, (".mp4",)):
            match = re.fullmatch(r"dia(\d+)_utt(\d+)\.mp4", path.name)
            split = next((CLIP_FOLDERS[folder.name] for folder in path.parents if folder.name in CLIP_FOLDERS), None)
            if match and split:
                found[split, int(match[1]), int(match[2])] = path
        return found

    def missing(self) -> list[str]:
        """The splits whose table is absent, and how many clips are."""
        lines = super().missing()
        for folder, split in CLIP_FOLDERS.items():
            if split in self.splits:
                rows = self.read(split)
                absent = [row.id for row in rows if row.video is None]
                if absent:
                    lines.append(f"{split}: {len(absent)} of {len(rows)} clips, such as {absent[0]}, below {folder}/")
        return lines

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a row."""
        table = read_table(path, fallback="cp1252")
        table.require("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
        return [self._utterance(row, split) for row in table.rows]

    def _utterance(self, row: Row, split: str) -> Utterance:
        cells = {column: mend(cell).strip() for column, cell in row.cells.items()}
        label = cells["Sentiment" if self.level == "sentiment" else "Emotion"]
        if label not in self.labels:
            raise unknown("label", label, self.labels, row.place)
        dialogue, turn = row.whole_number("Dialogue_ID"), row.whole_number("Utterance_ID")
        return Utterance(
            id=f"{split}-dia{dialogue}-utt{turn}",
            text=cells["Utterance"],
            video=self.clips.get((split, dialogue, turn)),
            label=label,
            speaker=cells["Speaker"],
            dialogue=f"{split}-{dialogue}",
            turn=turn,
            extra={name: cells[name] for name in ("Season", "Episode", "StartTime", "EndTime") if name in cells},
        )
