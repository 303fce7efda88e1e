"""A manifest: your own collection as one table, a row for each utterance.

Size: any; the table is held in memory, media are not.
Origin: yours.
Language: any.
Elicitation: any.
Known defects: `describe` finds what repeats between splits; nothing else is known of your data.

The file is CSV, TSV, JSONL or Parquet, in UTF-8. Its columns, all optional but `label` and something to read:

    id              unique; without it "line-N"
    text            the sentence
    words, tags     words and a tag for each, both separated by spaces (lists in JSONL and Parquet)
    label           one label; several, separated by "|" (or a list); a number; or several columns (see below)
    split           train, validation or test (also dev, val)
    speaker, dialogue, turn
    audio, image, video     files; a relative path starts at the folder of the manifest
    start, end      the interval in the audio or video file, in seconds
    features.NAME   ready-made features: a file (.npy, .npz), or numbers, separated by spaces

Any other column goes to `extra`. Columns with other names are mapped: `columns={"text": "Tweet", "label": "V,A,D",
"features.face": "AU01,AU02"}`. Several numeric columns as `label` are the dimensions of a regression; with
`task="multiclass"` (or "binary") the votes of raters for each label, with `task="multilabel"` 0 or 1 for each label.

The task follows from the labels (see `_labelling.infer_task`) unless `task` says it. The labels are those of the
training rows, sorted, unless `labels` lists them; another one in another split is an error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._columns import MEDIA, Columns
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._labelling import in_order, infer_task, names_in
from multimodal_emotion.datasets._rows import RowReader
from multimodal_emotion.datasets._splits import GROUPINGS, assign, check_assignment
from multimodal_emotion.datasets._table import read_table
from multimodal_emotion.errors import InputError, unknown

CITATION = "as your source asks"

LICENCE = "as your source grants"

SPLIT_NAMES = {**{split: split for split in SPLITS}, "dev": "validation", "val": "validation", "valid": "validation"}

_PATTERNS = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")


class Manifest(Corpus):
    """One table of any collection.

    Attributes:
        rows: all utterances, in the order of the file.
        assignment: the split of each utterance by id, as JSON types; given back as `assignment`, it repeats the splits.
    """

    name = "manifest"
    title = "Your own table (CSV, TSV, JSONL, Parquet)"
    size = "any"
    language = "any"
    elicitation = "any"
    citation = CITATION
    licence = LICENCE
    task = "inferred"

    def __init__(
        self,
        root: str | Path,
        level: str | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        task: str | None = None,
        labels: Sequence[str] | None = None,
        split: str | None = None,
        split_by: str | None = None,
        seed: int = 0,
        assignment: Mapping[str, str] | str | Path | None = None,
        labelled: bool = True,
    ) -> None:
        """
        Args:
            root: the file, or a folder with a manifest.csv, .tsv, .jsonl or .parquet.
            level: None; a manifest has one set of labels.
            columns: column by role, for columns whose name is not their role.
            task: "binary", "multiclass", "multilabel", "regression" or "sequence_labelling", where not to be inferred.
            labels: the label set in its order, where not to be collected from the training rows.
            split: the split that all rows are, for a manifest without splits that is one itself, such as a test set.
            split_by: for a manifest without splits: draw 80/10/10 so that no "speaker" or no "dialogue" stands in two
                splits, or by utterance ("none", the default).
            seed: for that draw.
            assignment: the split of each id, as a mapping or a JSON file, instead of a column or a draw.
            labelled: False to accept rows without labels, and a manifest without a column for them; without splits, all
                rows are then test.

        Raises:
            InputError: whatever is wrong with the file, naming line, value and what would be right.
        """
        super().__init__(root, level)
        self._table = read_table(_locate(self.root))
        self._columns = Columns(self._table, columns or {})
        self._check_columns(labelled)
        self.modalities = self._columns.modalities
        self.task = task or infer_task(
            [self._columns.label_cells(row) for row in self._table.rows], self._columns.tagged
        )
        self.rows = RowReader(self._table, self._columns, self.task).read()
        split = split if labelled or "split" in self._columns else split or "test"
        self._drawn = "split" not in self._columns and split is None
        self.assignment = self._assign(split, split_by, seed, assignment)
        self.labels = tuple(labels) if labels is not None else self._collect_labels()
        if labelled:
            self._check_labels()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are rows of."""
        here = set(self.assignment.values())
        return tuple(split for split in SPLITS if split in here)

    def read(self, split: str) -> Sequence[Utterance]:
        """The utterances of a split that is there, in the order of the file."""
        return [utterance for utterance in self.rows if self.assignment[utterance.id] == split]

    def missing(self) -> list[str]:
        """The splits without rows."""
        return [f"{split}: no rows in {self._table.path.name}" for split in SPLITS if split not in self.splits]

    def _check_columns(self, labelled: bool) -> None:
        columns, path = self._columns, self._table.path
        named = ", ".join(self._table.columns)
        if not columns.features and not any(role in columns for role in ("text", "words", *MEDIA)):
            raise InputError(
                f"{path}: no column 'text', nor words, {', '.join(MEDIA)} or features; the columns are {named}."
                " Say which it is: columns text=NAME"
            )
        if labelled and "label" not in columns and "tags" not in columns:
            raise InputError(f"{path}: no column 'label'; the columns are {named}. Say which it is: columns label=NAME")

    def _assign(
        self, split: str | None, split_by: str | None, seed: int, assignment: Mapping[str, str] | str | Path | None
    ) -> dict[str, str]:
        ids = [utterance.id for utterance in self.rows]
        if split_by is not None and split_by not in GROUPINGS:
            raise unknown("grouping", split_by, GROUPINGS, "split_by")
        if assignment is not None:
            return check_assignment(assignment, ids, str(self._table.path))
        if "split" not in self._columns:
            one = None if split is None else _split(split, "settings")
            named = [one] * len(ids) if one else assign(self._groups(split_by or "none"), seed)
            return dict(zip(ids, named, strict=True))
        for setting, value in (("split", split), ("split_by", split_by)):
            if value is not None:
                raise InputError(f"{self._table.path}: has a column 'split'; {setting}={value!r} is for one without")
        named = [_split(self._columns.text(row, "split"), row.place) for row in self._table.rows]
        return dict(zip(ids, named, strict=True))

    def _groups(self, split_by: str) -> list[str]:
        groups = []
        for row, utterance in zip(self._table.rows, self.rows, strict=True):
            group = utterance.id if split_by == "none" else getattr(utterance, split_by)
            if group is None:
                raise InputError(f"{row.place}: no {split_by}; split_by={split_by!r} needs one in each row")
            groups.append(group)
        if len(set(groups)) < len(SPLITS):
            unit = "row" if split_by == "none" else split_by
            raise InputError(f"{self._table.path}: {len(set(groups))} {unit}(s) cannot fill {len(SPLITS)} splits")
        return groups

    def _collect_labels(self) -> tuple[str, ...]:
        """The columns where labels are columns; else those of the training rows, or of all if the splits were drawn."""
        if len(columns := self._columns.roles.get("label", ())) > 1:
            return columns
        rows = self.rows if self._drawn or "train" not in self.splits else self.read("train")
        names = [name for utterance in rows for name in names_in(utterance.label)]
        return tuple(dict.fromkeys(names)) if self.task == "regression" else in_order(names)

    def _check_labels(self) -> None:
        for row, utterance in zip(self._table.rows, self.rows, strict=True):
            split = self.assignment[utterance.id]
            names = names_in(utterance.label)
            if utterance.label is None and (self._drawn or split == "train"):
                raise InputError(f"{row.place}: empty label; only validation and test rows may be without one")
            for name in names:
                if name not in self.labels:
                    raise unknown("label", name, self.labels, f"{row.place} ({split})")
            absent = set(self.labels) - set(names)
            if self.task == "regression" and names and absent:
                raise InputError(
                    f"{row.place}: no value for {min(absent)!r}; each row needs all of {', '.join(self.labels)}"
                )


def _locate(root: Path) -> Path:
    if root.is_file():
        return root
    path = find(root, *_PATTERNS)
    if path is None:
        raise InputError(
            f"{root}: no {_PATTERNS[0]} there; --root names the manifest, or a folder with {', '.join(_PATTERNS)}"
        )
    return path


def _split(value: str, place: str) -> str:
    if value.lower() not in SPLIT_NAMES:
        raise unknown("split", value, SPLITS, place)
    return SPLIT_NAMES[value.lower()]
