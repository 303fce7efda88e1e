"""FER2013: faces from the web, 48 x 48 pixels, grey, in seven expressions.

Size: 28,709 / 3,589 / 3,589 faces.
Origin: pictures found by web search for words of emotion, for a challenge (Goodfellow et al., 2013); for training, the public
    test is validation and the private test is the test.
Language: none.
Elicitation: natural.
Known defects: about a tenth of the labels is wrong (people agree with them in 65 %; `ferplus` has better ones); many faces
    stand there twice, some in two splits; some pictures are no faces; disgust is rare (547).

The release is one table with the pixels as text; the pictures are written as .png into the cache, once.
No data of this corpus was at hand: it is tested on a generated table of the documented layout.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find, pick
from multimodal_emotion.datasets._media import Collected
from multimodal_emotion.datasets._table import read_table
from multimodal_emotion.datasets._unpack import unpacked_folder
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.files import replacing_folder

CITATION = """@inproceedings{goodfellow2013fer,
  title = {Challenges in representation learning: A report on three machine learning contests},
  author = {Goodfellow, Ian J. and Erhan, Dumitru and Carrier, Pierre Luc and Courville, Aaron and others},
  booktitle = {Proceedings of ICONIP}, pages = {117--124}, year = {2013}}"""

LICENCE = "none stated; pictures from the web, used for research"

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

SIDE = 48


class Fer2013(Collected):
    """`fer2013.csv` (or `icml_face_data.csv`) with the columns emotion, pixels, Usage."""

    name = "fer2013"
    title = "Facial Expression Recognition 2013"
    size = "28,709 / 3,589 / 3,589 faces"
    language = "none"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("image",)
    released = 35887

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The faces, in the order of the table."""
        path = find(self.root, "fer2013.csv", "**/fer2013.csv", "icml_face_data.csv", "**/icml_face_data.csv")
        if path is None:
            return
        folder = unpacked_folder(self.name, path)
        if not folder.is_dir():
            with replacing_folder(folder) as place:
                write_pictures(path, place)
        for row in read_table(folder / "index.csv").rows:
            name = row.text("name")
            yield row.text("split"), Utterance(id=name, image=folder / f"{name}.png", label=row.text("label"))


def write_pictures(table: Path, folder: Path) -> None:
    """Writes each face of the table as NAME.png, and `index.csv` with name, split and label; one row at a time.

    Raises:
        InputError: a column is missing, or a row does not hold a label, a usage and 48 x 48 pixels; its line is named.
    """
    from PIL import Image

    opened = table.open(newline="", encoding="utf-8-sig", errors="replace")
    with opened as source, (folder / "index.csv").open("w", newline="") as target:
        rows = csv.DictReader(source, skipinitialspace=True)
        missing = {"emotion", "pixels", "Usage"} - set(rows.fieldnames or ())
        if missing:
            raise InputError(f"{table}: no column {min(missing)!r}; emotion, pixels and Usage are expected")
        index = csv.writer(target)
        index.writerow(("name", "split", "label"))
        for number, row in enumerate(rows):
            place = f"{table}, line {rows.line_num}"
            if row["Usage"] not in USAGES:
                raise unknown("usage", row["Usage"], USAGES, place)
            name = f"fer{number:07}"
            index.writerow((name, USAGES[row["Usage"]], pick(LABELS, str(row["emotion"]), place)))
            Image.frombytes("L", (SIDE, SIDE), _pixels(str(row["pixels"]), place)).save(folder / f"{name}.png")


def _pixels(text: str, place: str) -> bytes:
    try:
        pixels = bytes(map(int, text.split()))
    except ValueError as error:
        raise InputError(f"{place}: pixels are no numbers from 0 to 255 ({error})") from error
    if len(pixels) != SIDE * SIDE:
        raise InputError(f"{place}: {len(pixels)} pixels; {SIDE * SIDE} are expected")
    return pixels
