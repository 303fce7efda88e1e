"""CK+: faces that turn from neutral to a posed expression, as sequences of pictures, with action units.

Size: 593 sequences of 123 people, 327 of them with one of seven expressions.
Origin: University of Pittsburgh; posed expressions, coded in FACS and checked against each emotion (Lucey et al., 2010).
Language: none.
Elicitation: acted.
Known defects: posed and frontal, so that results near 1 say little about faces elsewhere; contempt is rare (18); only the last
    pictures of a sequence show the expression.

An utterance is the last picture of a labelled sequence; level "eight" adds the first one as neutral. There is no official
split: people are drawn, by a hash of their number, into about 80 % train, 10 % validation, 10 % test; published results use
ten folds of people, here `fold`, the number of the person modulo 10.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import pick
from multimodal_emotion.datasets._media import IMAGE, Collected, draw, files_below, lines_of
from multimodal_emotion.datasets._table import as_number

CITATION = """@inproceedings{lucey2010ckplus,
  title = {The Extended {C}ohn-{K}anade Dataset ({CK+}): A complete dataset for action unit and emotion-specified expression},
  author = {Lucey, Patrick and Cohn, Jeffrey F. and Kanade, Takeo and Saragih, Jason and Ambadar, Zara and Matthews, Iain},
  booktitle = {Proceedings of CVPR Workshops}, pages = {94--101}, year = {2010}}"""

LICENCE = "by agreement with the University of Pittsburgh; no redistribution"

LABELS = {
    "seven": ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
    "eight": ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
}

# The numbers of the release; it has no sequence with the label 0.
NUMBERS = LABELS["eight"]


class CKPlus(Collected):
    """Folders `cohn-kanade-images`, `Emotion` and `FACS`, each with files S005/001/S005_001_00000011*."""

    name = "ck_plus"
    title = "Extended Cohn-Kanade"
    size = "327 labelled sequences of 118 people"
    language = "none"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("image",)
    folds = ("fold",)
    released: ClassVar = {"seven": 327, "eight": 654}

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The labelled sequences that have pictures, in the order of people."""
        frames: dict[str, list[Path]] = {}
        for path in files_below(self.root, IMAGE):
            if re.fullmatch(r"S\d{3}_\d{3}_\d{8}", path.stem):
                frames.setdefault(path.stem[:8], []).append(path)
        for path in sorted(self.root.rglob("S*_emotion.txt")):
            sequence = sorted(frames.get(path.name[:8], []), key=lambda frame: frame.name)
            if not sequence:
                continue
            label = pick(NUMBERS, _whole_number(path), str(path))
            yield self._picture(sequence[-1], label, self._action_units(path))
            if self.level == "eight":
                yield self._picture(sequence[0], "neutral", "")

    @cached_property
    def facs(self) -> Mapping[str, Path]:
        """The files of action units by name."""
        return {path.name: path for path in self.root.rglob("S*_facs.txt")}

    def _picture(self, image: Path, label: str, action_units: str) -> tuple[str, Utterance]:
        person = image.stem[:4]
        extra = {"fold": str(int(person[1:]) % 10), "action_units": action_units}
        return draw(person), Utterance(id=image.stem, image=image, label=label, speaker=person, extra=extra)

    def _action_units(self, emotion: Path) -> str:
        """ "4:2 7:1": action units and their intensity (0: there, not rated); "" where they are not here."""
        path = self.facs.get(emotion.name.replace("_emotion", "_facs"))
        units = (line.split() for line in lines_of(path)) if path else ()
        return " ".join(f"{float(unit):g}:{float(strength):g}" for unit, strength in units)


def _whole_number(path: Path) -> str:
    """The number of a label as it would be written; the release has 3.0000000e+00."""
    text = " ".join(lines_of(path))
    value = as_number(text)
    return text if value is None else f"{value:g}"
