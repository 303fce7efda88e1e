"""SMP2020-EWECT: Chinese microblogs of everyday life (usual) and of the epidemic of 2020 (virus), in six classes.

Size: usual 27,768 / 2,000 / 5,000 microblogs; virus 8,606 / 2,000 / 3,000.
Origin: Weibo, annotated for the evaluation of Weibo emotion classification at SMP 2020 (Harbin Institute of
    Technology).
Language: Chinese.
Elicitation: written.
Known defects: hundreds of the usual test texts (and some validation texts) stand in the training data; two usual
    training texts are empty; the published folds spell neutral "neural".
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, find, read_text
from multimodal_emotion.datasets._table import read_table
from multimodal_emotion.errors import InputError, unknown

CITATION = """@misc{smp2020ewect,
  title = {{SMP2020-EWECT}: The Evaluation of Weibo Emotion Classification Technology},
  author = {{Harbin Institute of Technology, Research Center for Social Computing and Information Retrieval}},
  note = {9th China National Conference on Social Media Processing}, year = {2020}}"""

LICENCE = "data of the competition; research use"

LABELS = ("neutral", "happy", "angry", "sad", "fear", "surprise")

SPELLINGS = {"neural": "neutral"}

FOLDS = 5


class Smp2020(OneFilePerSplit):
    """JSON lists of {id, content, label}; the training split also as five published folds, dev0.csv to dev4.csv."""

    name = "smp2020"
    title = "SMP2020 evaluation of Weibo emotion classification"
    size = "usual 27,768 / 2,000 / 5,000 microblogs, virus 8,606 / 2,000 / 3,000"
    language = "Chinese"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    primary_metric = "macro_f1"
    levels = ("usual", "virus")
    labels = LABELS
    files: ClassVar = {
        "train": ("{level}_train.txt", "**/{level}_train.txt", "**/dev0.csv"),
        "validation": ("{level}_eval_labeled.txt", "**/{level}_eval_labeled.txt", "**/{level}_eval.txt"),
        "test": ("{level}_test_labeled.txt", "**/{level}_test_labeled.txt", "**/{level}_test.txt"),
    }

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance an entry, or a row of a fold that belongs to this level."""
        entries = self._fold_entries(path) if path.suffix == ".csv" else _json_entries(path)
        return [_utterance(f"{split}-{name}", text, label, place) for name, text, label, place in entries]

    def _fold_entries(self, first: Path) -> Iterator[tuple[str, str, str | None, str]]:
        for fold in range(FOLDS):
            path = find(first.parent, f"dev{fold}.csv")
            if path is None:
                raise InputError(
                    f"{first.parent}: no dev{fold}.csv; the training split is dev0.csv to dev{FOLDS - 1}.csv"
                )
            table = read_table(path)
            table.require("content", "labels", "type")
            for row in table.rows:
                if row.cells["type"] == self.level:
                    label = SPELLINGS.get(row.cells["labels"], row.cells["labels"])
                    yield f"fold{fold}-{row.line}", row.cells["content"], label, row.place


def _json_entries(path: Path) -> Iterator[tuple[str, str, str | None, str]]:
    text = read_text(path)
    try:
        entries = json.loads(text)
        for number, entry in enumerate(entries, start=1):
            yield str(entry["id"]), entry["content"], entry.get("label"), f"{path}, entry {number}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a JSON list of objects with id, content and label ({error})") from error


def _utterance(name: str, text: str, label: str | None, place: str) -> Utterance:
    if label is not None and label not in LABELS:
        raise unknown("label", label, LABELS, place)
    return Utterance(id=name, text=text.strip() or None, label=label)
