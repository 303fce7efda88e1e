"""EmoBank: sentences of many genres with valence, arousal and dominance.

Size: 8,062 / 1,000 / 1,000 sentences.
Origin: MASC (blogs, essays, fiction, letters, newspapers, travel guides) and SemEval-2007 headlines, each rated by five
    raters as its writer and five as its reader; the values are weighted means of both (Buechel and Hahn, 2017).
Language: English.
Elicitation: written.
Known defects: the splits are by sentence, so that sentences of one document stand in all of them; values crowd around 3
    (the middle); a few sentences are fragments.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._table import Row, read_table
from multimodal_emotion.errors import unknown

CITATION = """@inproceedings{buechel2017emobank,
  title = {{EmoBank}: Studying the Impact of Annotation Perspective and Representation Format on Dimensional Emotion
           Analysis},
  author = {Buechel, Sven and Hahn, Udo},
  booktitle = {Proceedings of EACL}, pages = {578--585}, year = {2017}}"""

LICENCE = "CC BY-SA 4.0"

LABELS = ("V", "A", "D")

RELEASED_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


class EmoBank(Corpus):
    """One table with a column that says the split; `meta.tsv`, where it is there, gives document and genre."""

    name = "emobank"
    title = "EmoBank"
    size = "8,062 / 1,000 / 1,000 sentences"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "regression"
    primary_metric = "pearson"
    labels = LABELS
    ranges = dict.fromkeys(LABELS, (1.0, 5.0))

    @cached_property
    def _rows(self) -> dict[str, list[Utterance]]:
        """The utterances of each split; empty if the table is not here."""
        path = find(self.root, "emobank.csv", "**/emobank.csv")
        if path is None:
            return {}
        table = read_table(path)
        table.require("id", "split", "text", *LABELS)
        documents = _documents(path.parent / "meta.tsv")
        rows: dict[str, list[Utterance]] = {}
        for row in table.rows:
            split = RELEASED_SPLITS.get(row.cells["split"])
            if split is None:
                raise unknown("split", row.cells["split"], RELEASED_SPLITS, row.place)
            rows.setdefault(split, []).append(_utterance(row, documents.get(row.cells["id"], {})))
        return rows

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the table has rows of."""
        return tuple(split for split in SPLITS if split in self._rows)

    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split that is there, in the order of the release."""
        return self._rows[split]

    def missing(self) -> list[str]:
        """The splits without rows."""
        return [f"{split}: no rows in emobank.csv" for split in SPLITS if split not in self.splits]


def _utterance(row: Row, document: dict[str, str]) -> Utterance:
    return Utterance(
        id=row.cells["id"],
        text=row.cells["text"].strip(),
        label={name: row.number(name) for name in LABELS},
        extra=document,
    )


def _documents(path: Path) -> dict[str, dict[str, str]]:
    """Document and genre of each sentence; nothing if the file is not here."""
    if not path.is_file():
        return {}
    rows = read_table(path).rows
    return {row.cells["id"]: {name: row.cells[name] for name in ("document", "category")} for row in rows}
