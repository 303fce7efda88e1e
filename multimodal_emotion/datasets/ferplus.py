"""FERPlus: the faces of FER2013 with the votes of ten raters each over eight expressions.

Size: 28,558 / 3,579 / 3,573 faces of 48 x 48 pixels, grey.
Origin: the faces of FER2013, each rated again by ten people of a crowd (Barsoum et al., 2016).
Language: none.
Elicitation: natural.
Known defects: a quarter of the faces has no majority; contempt, disgust and fear are rare; 1,513 groups of faces are pixel
    for pixel the same, some in two splits: those of the training part that stand in the test part too are left out here.

Splits are those of FER2013: Training, PublicTest (validation), PrivateTest (test).
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import IMAGE, Collected, files_below
from multimodal_emotion.datasets._table import Row, read_table
from multimodal_emotion.datasets._unpack import unzip
from multimodal_emotion.errors import unknown

CITATION = """@inproceedings{barsoum2016ferplus,
  title = {Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution},
  author = {Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou},
  booktitle = {Proceedings of ICMI}, pages = {279--283}, year = {2016}}"""

LICENCE = "MIT (votes); the pictures are those of FER2013, without a stated licence"

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")

# The release names a face by its usage and file, copies of it by the folder that its script writes to.
FOLDERS = {"FER2013Train": "train", "FER2013Valid": "validation", "FER2013Test": "test"}

USAGES = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


class FerPlus(Collected):
    """`fer2013new.csv` beside the folders FER2013Train, FER2013Valid, FER2013Test; or a `manifest.csv` with the same votes.

    Where both are there, the release adds the faces that the manifest has not. Pictures that are not there as files are
    taken from an `images.zip` (or several, `test_images.zip`), unpacked once into the cache.
    """

    name = "ferplus"
    title = "FER+"
    size = "28,558 / 3,579 / 3,573 faces, ten votes each"
    language = "none"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("image",)
    released = 35710

    def __init__(
        self, root: str | Path, level: str | None = None, *, votes: bool = False, test_duplicates: bool = False
    ) -> None:
        """
        Args:
            root: the folder that holds the corpus.
            level: None; there is one set of labels.
            votes: whether a label is all votes; else it is the expression with more than half of them, and a face without
                such a majority has none.
            test_duplicates: whether training faces that stand in the test part too are kept.
        """
        self.votes = votes
        self.test_duplicates = test_duplicates
        self.left_out = 0
        super().__init__(root, level)

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The faces that there are votes and pictures of, in the order of the table."""
        for (folder, name), row in self.votes_of.items():
            if folder not in FOLDERS:
                raise unknown("folder", folder, FOLDERS, row.place)
            split, image = FOLDERS[folder], self.pictures.get((folder, name))
            if image is None:
                continue
            if split == "train" and row.text("in_test_set") == "1" and not self.test_duplicates:
                self.left_out += 1
                continue
            extra = {key: row.text(key) for key in ("in_test_set", "pixels_md5") if key in row.cells}
            yield split, Utterance(id=f"{folder}/{name}", image=image, label=self._label(row), extra=extra)

    def notes(self) -> list[str]:
        """How many training faces are left out."""
        reason = "stand in the test part too and are left out (test_duplicates keeps them)"
        return [f"{self.left_out} training faces {reason}"] if self.left_out else []

    @cached_property
    def votes_of(self) -> Mapping[tuple[str, str], Row]:
        """The row of each face, by folder and name without ending; of several tables the first one that has it."""
        found: dict[tuple[str, str], Row] = {}
        for name in ("manifest.csv", "fer2013new.csv"):
            path = find(self.root, name, f"**/{name}")
            for row in read_table(path).rows if path else ():
                found.setdefault(_place(row), row)
        return found

    @cached_property
    def pictures(self) -> Mapping[tuple[str, str], Path]:
        """The picture files by folder and name without ending."""
        found = _pictures_below(self.root)
        if self.votes_of.keys() <= found.keys():
            return found
        packed = [path for path in files_below(self.root, (".zip",)) if "images" in path.name]
        return {
            place: path for archive in packed for place, path in _pictures_below(unzip(self.name, archive)).items()
        } | found

    def _label(self, row: Row) -> Label | None:
        prefix = "votes_" if "votes_neutral" in row.cells else ""
        counts = {label: row.number(prefix + label) for label in LABELS}
        if self.votes:
            return counts if sum(counts.values()) else None
        everyone = sum(counts.values()) + sum(row.number(prefix + other) for other in ("unknown", "NF"))
        best = max(counts, key=lambda label: counts[label])
        return best if counts[best] > everyone / 2 else None


def _place(row: Row) -> tuple[str, str]:
    """Folder and name without ending of a row's picture; a row of the release without a picture has the name ""."""
    if "path" in row.cells:
        path = Path(row.text("path"))
        return path.parent.name, path.stem
    usage = row.text("Usage")
    if usage not in USAGES:
        raise unknown("usage", usage, USAGES, row.place)
    return USAGES[usage], Path(row.text("Image name")).stem


def _pictures_below(root: Path) -> dict[tuple[str, str], Path]:
    return {(path.parent.name, path.stem): path for path in files_below(root, IMAGE) if path.parent.name in FOLDERS}
