"""Starter: 400 sentences of everyday dialogues, written for this package and carried in it.

Size: 280 / 60 / 60 utterances in 56 / 12 / 12 dialogues of 4 to 6; 8 / 2 / 2 speakers.
Origin: invented for this package, sentence and label together; nobody rated them a second time.
Language: English.
Elicitation: written.
Known defects: too small to say how good a method is: one utterance is 1.7 % of the test split. The voices and faces
    that `media` adds are generated (see `multimodal_emotion.synthesis`): what is learned from them says nothing about
    people.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from multimodal_emotion import starter, synthesis
from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._table import Row, Table, read_table
from multimodal_emotion.errors import unknown

CITATION = """@misc{multimodal_emotion_starter,
  title = {The starter corpus of multimodal\\_emotion},
  author = {{The multimodal\\_emotion authors}},
  note = {Part of the package multimodal\\_emotion}, year = {2026}}"""

LICENCE = "CC0 1.0"

LABELS = synthesis.EMOTIONS


class Starter(Corpus):
    """One file, `utterances.jsonl`, whose rows name their split; speakers and dialogues stand in one split each."""

    name = "starter"
    title = "Starter corpus of the package"
    size = "280 / 60 / 60 utterances in 80 dialogues"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS

    def __init__(
        self,
        root: str | Path = Path(starter.__file__).parent,
        level: str | None = None,
        media: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        """
        Args:
            root: the folder of `utterances.jsonl`; the packaged one.
            level: None; there is one label set.
            media: a folder for generated speech and faces, written where they are not there yet; None is text alone.
            seed: of the generated media.

        Raises:
            InputError: the folder does not exist, or there is no such level.
        """
        super().__init__(root, level)
        self.media = None if media is None else Path(media)
        self.seed = seed
        self.modalities = ("text",) if media is None else ("audio", "image", "text")

    @property
    def splits(self) -> tuple[str, ...]:
        """All three, if the file is there."""
        return () if self.missing() else SPLITS

    def missing(self) -> list[str]:
        """The file, if it is absent."""
        return [] if self._path.is_file() else [f"no {self._path.name}"]

    def notes(self) -> list[str]:
        """That the media are generated."""
        return [f"the speech and faces in {self.media} are generated"] if self.media else []

    def read(self, split: str) -> Sequence[Utterance]:
        """One utterance a row; its media are generated now if they are not there."""
        utterances = [_utterance(row) for row in self._table.rows if _split(row) == split]
        return utterances if self.media is None else synthesis.write_media(utterances, self.media, self.seed)

    @property
    def _path(self) -> Path:
        return self.root / "utterances.jsonl"

    @cached_property
    def _table(self) -> Table:
        table = read_table(self._path)
        table.require("id", "text", "label", "speaker", "dialogue", "turn", "split")
        return table


def _split(row: Row) -> str:
    split = row.text("split")
    if split not in SPLITS:
        raise unknown("split", split, SPLITS, row.place)
    return split


def _utterance(row: Row) -> Utterance:
    label = row.text("label")
    if label not in LABELS:
        raise unknown("label", label, LABELS, row.place)
    return Utterance(
        id=row.text("id"),
        text=row.text("text"),
        label=label,
        speaker=row.text("speaker"),
        dialogue=row.text("dialogue"),
        turn=row.whole_number("turn"),
    )
