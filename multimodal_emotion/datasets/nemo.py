"""nEMO: ninety sentences spoken by nine actors in six emotions, in Polish.

Size: 4,481 clips, a little over three hours; nine speakers (four women, five men).
Origin: recorded at home by actors, checked by listeners; sentences chosen to hold all sounds of Polish (Christop, 2024).
Language: Polish.
Elicitation: acted.
Known defects: text tells nothing, since every sentence is said in every emotion; not every speaker has every clip;
    `data.tsv` has spaces before the name of the speaker.

There is no official split: speakers MK0 and MP0 test, KD0 validates, the others train.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import Recordings
from multimodal_emotion.datasets._table import Row, read_table

CITATION = """@inproceedings{christop2024nemo,
  title = {{nEMO}: Dataset of Emotional Speech in {P}olish},
  author = {Christop, Iwona},
  booktitle = {Proceedings of LREC-COLING}, pages = {12111--12116}, year = {2024}}"""

LICENCE = "CC BY-NC-SA 4.0"

LABELS = ("anger", "fear", "happiness", "sadness", "surprised", "neutral")


class Nemo(Recordings):
    """Files `SPEAKER_EMOTION_SENTENCE` and `data.tsv` with the words, and with gender and age of the speaker."""

    name = "nemo"
    title = "nEMO"
    size = "4,481 clips, 9 speakers"
    language = "Polish"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("audio", "text")
    folds = ("speaker",)
    released = 4481

    def parse(self, path: Path) -> Utterance | None:
        """What the three parts of a file's name say, and its row of the table."""
        match = re.fullmatch(r"([A-Z]{2}\d)_([a-z]+)_(\d+)", path.stem)
        if match is None or match[2] not in LABELS:
            return None
        row = self.table.get(path.stem)
        return Utterance(
            id=path.stem,
            text=(row.text("raw_text") or None) if row else None,
            label=match[2],
            speaker=match[1],
            extra={"sentence": match[3]} | ({name: row.text(name) for name in ("gender", "age")} if row else {}),
        )

    def split_of(self, utterance: Utterance) -> str:
        """By speaker."""
        return {"MK0": "test", "MP0": "test", "KD0": "validation"}.get(str(utterance.speaker), "train")

    @cached_property
    def table(self) -> Mapping[str, Row]:
        """The rows of `data.tsv` by the name of the file without its ending; {} if it is not here."""
        path = find(self.root, "data.tsv", "**/data.tsv")
        if path is None:
            return {}
        table = read_table(path)
        table.require("file_id", "raw_text", "gender", "age")
        return {Path(row.text("file_id")).stem: row for row in table.rows}
