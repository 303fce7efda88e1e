"""ABSA: reviews of laptops and restaurants, each word inside or outside an aspect with an opinion on it.

Size: laptop14 2,741 / 304 / 800 sentences, rest14 2,736 / 304 / 800, rest15 1,183 / 130 / 685, rest16 1,799 / 200 /
    676.
Origin: customer reviews annotated for SemEval 2014, 2015 and 2016 (Pontiki et al.), with a tag for each word by
    Li et al. (2019).
Language: English.
Elicitation: written by customers.
Known defects: aspects of conflicting polarity were dropped; two aspects side by side with the same polarity cannot be
    told apart; three pairs of adjacent aspects of laptop14 differ in polarity only.

The release tags words T-POS, T-NEG, T-NEU or O and marks no beginning. A run of words with the same tag is one aspect;
here its first word is tagged B-POS and the others I-POS, so that a span is what spans are everywhere else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, numbered_lines
from multimodal_emotion.errors import InputError

CITATION = """@inproceedings{pontiki2014semeval,
  title = {{SemEval}-2014 Task 4: Aspect Based Sentiment Analysis},
  author = {Pontiki, Maria and Galanis, Dimitris and Pavlopoulos, John and Papageorgiou, Harris and
            Androutsopoulos, Ion and Manandhar, Suresh},
  booktitle = {Proceedings of SemEval}, pages = {27--35}, year = {2014}}
@inproceedings{li2019exploiting,
  title = {Exploiting {BERT} for End-to-End Aspect-based Sentiment Analysis},
  author = {Li, Xin and Bing, Lidong and Zhang, Wenxuan and Lam, Wai},
  booktitle = {Proceedings of W-NUT}, pages = {34--41}, year = {2019}}"""

LICENCE = "META-SHARE, non-commercial, no redistribution (SemEval)"

LABELS = ("O", "B-POS", "I-POS", "B-NEG", "I-NEG", "B-NEU", "I-NEU")

RELEASED_TAGS = ("O", "T-POS", "T-NEG", "T-NEU")


class Absa(OneFilePerSplit):
    """One sentence a line, `sentence####word=tag word=tag ...`; the root is the folder of a level, or that above it."""

    name = "absa"
    title = "SemEval aspect-based sentiment, word tags"
    size = "laptop14 2,741 / 304 / 800 sentences; rest14, rest15, rest16"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "sequence_labelling"
    primary_metric = "span_f1"
    levels = ("laptop14", "rest14", "rest15", "rest16")
    labels = LABELS
    files: ClassVar = {
        "train": ("{level}/train.txt", "data/{level}/train.txt", "train.txt"),
        "validation": ("{level}/dev.txt", "data/{level}/dev.txt", "dev.txt"),
        "test": ("{level}/test.txt", "data/{level}/test.txt", "test.txt"),
    }

    def __init__(self, root: str | Path, level: str | None = None) -> None:
        folder = Path(root).resolve().name
        super().__init__(root, level or (folder if folder in self.levels else None))
        if folder in self.levels and folder != self.level:
            raise InputError(f"corpus absa: {root} is the folder of {folder}, not of {self.level}")

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a line."""
        utterances = []
        for number, (place, line) in enumerate(numbered_lines(path)):
            sentence, _, tagged = line.partition("####")
            # A word may hold "=" itself: only the last one separates.
            pairs = [pair.rpartition("=") for pair in tagged.split()]
            tags = [tag for _, _, tag in pairs]
            wrong = next((tag for tag in tags if tag not in RELEASED_TAGS), None if tags else line[:40])
            if wrong is not None:
                raise InputError(
                    f"{place}: {wrong!r}; sentence####word=TAG is expected, TAG {', '.join(RELEASED_TAGS)}"
                )
            words = tuple(word for word, _, _ in pairs)
            utterances.append(Utterance(id=f"{split}-{number}", text=sentence.strip(), words=words, label=_spans(tags)))
        return utterances


def _spans(tags: Sequence[str]) -> tuple[str, ...]:
    """T-POS T-POS O -> B-POS I-POS O."""
    before = ["O", *tags[:-1]]
    return tuple(
        tag if tag == "O" else ("I" if tag == previous else "B") + tag[1:]
        for tag, previous in zip(tags, before, strict=True)
    )
