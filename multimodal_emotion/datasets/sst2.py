"""SST-2: sentences and phrases of film reviews, positive or negative, as the GLUE benchmark distributes them.

Size: 67,349 training phrases, 872 validation sentences, 1,821 test sentences without labels.
Origin: snippets of Rotten Tomatoes reviews (Pang and Lee, 2005), parsed; each phrase was rated by three workers of
    Mechanical Turk (Socher et al., 2013).
Language: English, in lower case and tokenised.
Elicitation: written by critics; rated by readers.
Known defects: most training rows are phrases of other training rows; the test labels are not public (`sst` has them).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, numbered_lines, pick
from multimodal_emotion.errors import InputError

CITATION = """@inproceedings{socher2013recursive,
  title = {Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank},
  author = {Socher, Richard and Perelygin, Alex and Wu, Jean and Chuang, Jason and Manning, Christopher D. and
            Ng, Andrew Y. and Potts, Christopher},
  booktitle = {Proceedings of EMNLP}, year = {2013}}
@inproceedings{wang2019glue,
  title = {{GLUE}: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding},
  author = {Wang, Alex and Singh, Amanpreet and Michael, Julian and Hill, Felix and Levy, Omer and Bowman, Samuel R.},
  booktitle = {Proceedings of ICLR}, year = {2019}}"""

LICENCE = "none stated (text from Rotten Tomatoes); research use"

LABELS = ("negative", "positive")


class Sst2(OneFilePerSplit):
    """Tab-separated with a header, nothing quoted; a file without the column `label` is unlabelled."""

    name = "sst2"
    title = "Stanford Sentiment Treebank, binary, GLUE version"
    size = "67,349 / 872 / 1,821 phrases and sentences (test without labels)"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "binary"
    primary_metric = "accuracy"
    labels = LABELS
    files: ClassVar = {
        "train": ("train.tsv", "SST-2/train.tsv"),
        "validation": ("dev.tsv", "SST-2/dev.tsv"),
        "test": ("test.tsv", "SST-2/test.tsv"),
    }

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a row."""
        (place, header), *rows = numbered_lines(path) or [(f"{path}, line 1", "")]
        columns = header.split("\t")
        if "sentence" not in columns:
            raise InputError(f"{place}: the header 'sentence<tab>label' is expected, not {header[:40]!r}")
        return [self._utterance(columns, line, place, f"{split}-{n}") for n, (place, line) in enumerate(rows)]

    def _utterance(self, columns: Sequence[str], line: str, place: str, name: str) -> Utterance:
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise InputError(f"{place}: {len(cells)} cells, but there are {len(columns)} columns: {', '.join(columns)}")
        row = dict(zip(columns, cells, strict=True))
        label = pick(LABELS, row["label"], place) if "label" in row else None
        return Utterance(id=name, text=row["sentence"].strip(), label=label)
