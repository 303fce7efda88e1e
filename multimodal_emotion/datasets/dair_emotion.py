"""dair-ai/emotion: tweets that named what they felt with a hashtag, in six classes.

Size: 16,000 / 2,000 / 2,000 tweets.
Origin: tweets collected by emotion hashtags, the hashtags removed; the label is the author's own hashtag
    (Saravia et al., 2018).
Language: English, in lower case, without punctuation.
Elicitation: written; labelled by the hashtag of the writer, by nobody else.
Known defects: nearly all contain a form of "feel"; some texts stand there twice with different labels; a few stand in
    two splits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit, numbered_lines
from multimodal_emotion.errors import unknown

CITATION = """@inproceedings{saravia2018carer,
  title = {{CARER}: Contextualized Affect Representations for Emotion Recognition},
  author = {Saravia, Elvis and Liu, Hsien-Chi Toby and Huang, Yen-Hao and Wu, Junlin and Chen, Yi-Shin},
  booktitle = {Proceedings of EMNLP}, pages = {3687--3697}, year = {2018}}"""

LICENCE = "educational and research purposes only"

LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")

HEADER = "text;label_name"


class DairEmotion(OneFilePerSplit):
    """One tweet a line, `text;label`; some copies begin with a header."""

    name = "dair_emotion"
    title = "dair-ai/emotion (CARER)"
    size = "16,000 / 2,000 / 2,000 tweets"
    language = "English"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    primary_metric = "accuracy"
    labels = LABELS
    files: ClassVar = {"train": ("train.txt",), "validation": ("val.txt",), "test": ("test.txt",)}

    def read_file(self, path: Path, split: str) -> Sequence[Utterance]:
        """One utterance a line."""
        utterances: list[Utterance] = []
        for place, line in numbered_lines(path):
            text, _, label = line.rpartition(";")
            if line == HEADER and not utterances:
                continue
            if label not in LABELS:
                raise unknown("label", label, LABELS, place)
            utterances.append(Utterance(id=f"{split}-{len(utterances)}", text=text.strip(), label=label))
        return utterances
