"""AffectNet: faces from the web in eight expressions, with valence and arousal.

Size: about 287,000 / 4,000 faces with one of eight expressions; 420,000 with those that are uncertain or no faces.
Origin: pictures found by web search for words of emotion in six languages, each labelled by one of twelve people (Mollahosseini
    et al., 2017).
Language: none.
Elicitation: natural.
Known defects: one rater for each picture (two agree on 61 %); labels of training are very unequal and those of validation equal;
    the test part was never released, so that published results are those of validation.

Level "eight" has all expressions, "seven" leaves contempt out, "dimensions" has valence and arousal from -1 to 1. Pictures
without an expression (none, uncertain, no face) are left out.
No data of this corpus was at hand: it is tested on generated trees of both documented layouts.
"""

from collections.abc import Iterator
from pathlib import Path

from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import IMAGE, Collected, files_below
from multimodal_emotion.datasets._table import read_table
from multimodal_emotion.errors import InputError

CITATION = """@article{mollahosseini2017affectnet,
  title = {{AffectNet}: A Database for Facial Expression, Valence, and Arousal Computing in the Wild},
  author = {Mollahosseini, Ali and Hasani, Behzad and Mahoor, Mohammad H.},
  journal = {IEEE Transactions on Affective Computing}, volume = {10}, number = {1}, pages = {18--31}, year = {2019}}"""

LICENCE = "by agreement with the University of Denver; no redistribution"

LABELS = {
    "eight": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
    "seven": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"),
    "dimensions": ("valence", "arousal"),
}

TABLES = {"training.csv": "train", "validation.csv": "validation"}

FOLDERS = {"train_set": "train", "val_set": "validation"}


class AffectNet(Collected):
    """Either `training.csv`, `validation.csv` and the pictures they name; or `train_set` and `val_set`, each with `images` and
    `annotations` (`_exp.npy`, `_val.npy`, `_aro.npy` for each picture).
    """

    name = "affectnet"
    title = "AffectNet"
    size = "about 287,000 / 4,000 faces"
    language = "none"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("image",)
    released = 291650
    limits = (-1.0, 1.0)
    divided = ("train", "validation")

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The faces whose pictures are here, in the order of the tables, or of file names."""
        for table, split in TABLES.items():
            path = find(self.root, table, f"**/{table}")
            yield from ((split, row) for row in (self._listed(path) if path else ()))
        for folder, split in FOLDERS.items():
            for place in sorted(self.root.rglob(f"{folder}/annotations")):
                yield from ((split, row) for row in self._annotated(place, folder))

    def _listed(self, path: Path) -> Iterator[Utterance]:
        table = read_table(path)
        table.require("subDirectory_filePath", "expression", "valence", "arousal")
        places = {"/".join(file.parts[-2:]): file for file in files_below(self.root, IMAGE)}
        for row in table.rows:
            name = row.text("subDirectory_filePath")
            expression = row.whole_number("expression")
            label = self._label(expression, row.number("valence"), row.number("arousal"))
            if name in places and label is not None:
                yield Utterance(id=name, image=places[name], label=label)

    def _annotated(self, annotations: Path, folder: str) -> Iterator[Utterance]:
        for image in files_below(annotations.parent / "images", IMAGE):
            values = [_number(annotations / f"{image.stem}_{kind}.npy") for kind in ("exp", "val", "aro")]
            label = self._label(int(values[0]), *values[1:])
            if label is not None:
                yield Utterance(id=f"{folder}/{image.stem}", image=image, label=label)

    def _label(self, expression: int, valence: float, arousal: float) -> Label | None:
        """None for what has no expression, or (-2) no valence and arousal."""
        if self.level == "dimensions":
            return {"valence": valence, "arousal": arousal} if min(valence, arousal) >= -1 else None
        return self.labels[expression] if 0 <= expression < len(self.labels) else None


def _number(path: Path) -> float:
    """The number in a .npy file, stored as text or as a number."""
    import numpy as np

    try:
        return float(np.load(path, allow_pickle=False).item())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not one number in a .npy file ({error})") from error
