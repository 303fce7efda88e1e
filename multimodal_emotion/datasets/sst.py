"""SST: whole sentences of film reviews in five or two classes of sentiment, with test labels.

Size: five classes 8,544 / 1,101 / 2,210 sentences; two classes, neutral left out, 6,920 / 872 / 1,821.
Origin: snippets of Rotten Tomatoes reviews (Pang and Lee, 2005), rated by three workers of Mechanical Turk each
    (Socher et al., 2013); the plain files `stsa.*` are the usual form for sentence classification.
Language: English, in lower case and tokenised.
Elicitation: written by critics; rated by readers.
Known defects: the five classes are cuts of a mean rating, so that neighbours overlap.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, numbered_lines, pick

CITATION = """@inproceedings{socher2013recursive,
  title = {Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank},
  author = {Socher, Richard and Perelygin, Alex and Wu, Jean and Chuang, Jason and Manning, Christopher D. and
            Ng, Andrew Y. and Potts, Christopher},
  booktitle = {Proceedings of EMNLP}, year = {2013}}"""

LICENCE = "none stated (text from Rotten Tomatoes); research use"

LABELS = {
    "fine": ("very negative", "negative", "neutral", "positive", "very positive"),
    "binary": ("negative", "positive"),
}


class Sst(OneFilePerSplit):
    """One sentence a line, the number of its class before it."""

    name = "sst"
    title = "Stanford Sentiment Treebank, sentences"
    size = "8,544 / 1,101 / 2,210 sentences in five classes, 6,920 / 872 / 1,821 in two"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    primary_metric = "accuracy"
    levels = tuple(LABELS)
    files: ClassVar = {
        "train": ("stsa.{level}.train",),
        "validation": ("stsa.{level}.dev",),
        "test": ("stsa.{level}.test",),
    }

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        super().__init__(root, level)
        self.labels = LABELS[self.level or "fine"]
        self.task = "binary" if self.level == "binary" else "multiclass"

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a line."""
        utterances = []
        for number, (place, line) in enumerate(numbered_lines(path)):
            index, _, text = line.partition(" ")
            utterances.append(
                Utterance(id=f"{split}-{number}", text=text.strip(), label=pick(self.labels, index, place))
            )
        return utterances
