"""RAF-DB: real-life faces from the web, each labelled by about forty people; the part with one basic expression.

Size: 12,271 / 3,068 faces.
Origin: pictures of Flickr found by words of emotion; 315 raters, about forty for each face (Li et al., 2017).
Language: none.
Elicitation: natural.
Known defects: labels are very unequal (5,957 happiness, 355 fear); there is no validation part; the votes themselves are only
    released for the compound part.

No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

from collections.abc import Iterator

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find, numbered_lines
from multimodal_emotion.datasets._media import IMAGE, Collected, files_below
from multimodal_emotion.errors import InputError, unknown

CITATION = """@inproceedings{li2017rafdb,
  title = {Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild},
  author = {Li, Shan and Deng, Weihong and Du, JunPing},
  booktitle = {Proceedings of CVPR}, pages = {2852--2861}, year = {2017}}"""

LICENCE = "by agreement with the authors, for research; no redistribution"

LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")

NUMBERS = {str(number): label for number, label in enumerate(LABELS, start=1)}


class RafDB(Collected):
    """`list_patition_label.txt` (so spelled), a line `train_00001.jpg 5` for each face; the aligned picture comes first."""

    name = "raf_db"
    title = "Real-world Affective Faces, basic"
    size = "12,271 / 3,068 faces"
    language = "none"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("image",)
    released = 15339
    divided = ("train", "test")

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The faces whose pictures are here, in the order of the list."""
        path = find(self.root, "EmoLabel/list_patition_label.txt", "**/list_pa*tition_label.txt")
        if path is None:
            return
        places = {file.stem: file for file in files_below(self.root, IMAGE)}
        for place, line in numbered_lines(path):
            name, _, number = line.strip().rpartition(" ")
            stem, split = name.rpartition(".")[0], name.partition("_")[0]
            if split not in self.divided:
                raise InputError(f"{place}: {line.strip()!r}; a line such as 'train_00001.jpg 5' is expected")
            image = places.get(f"{stem}_aligned") or places.get(stem)
            if number not in NUMBERS:
                raise unknown("label", number, NUMBERS, place)
            if image is not None:
                yield split, Utterance(id=stem, image=image, label=NUMBERS[number])
