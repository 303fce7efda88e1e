"""One tag for each word: softmax at each word, spans read off the tags."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from multimodal_emotion import metrics
from multimodal_emotion.batch import Utterance
from multimodal_emotion.metrics import Statistics
from multimodal_emotion.tasks._classification import Classification, figures_by_label
from multimodal_emotion.tasks._losses import softmax_loss

IGNORED = -100
"""The coded tag of a word that is not there."""

IMPOSSIBLE = -1e9
"""The log probability of a tag that cannot follow another."""


class SequenceLabelling(Classification):
    """Cross entropy at each word; decoding keeps to sequences of tags that can be."""

    name = "sequence_labelling"
    resolution = "word"
    primary_metrics: ClassVar = ("span_f1", "macro_span_f1", "span_precision", "span_recall", "accuracy")

    def __init__(self, labels: Sequence[str], *, constrained: bool = True, **settings: Any) -> None:
        """
        Args:
            labels: distinct tags, in order; see `metrics` for their forms.
            constrained: whether the most probable sequence is taken in which an I- follows a B- or I- of its type;
                else the most probable tag of each word. Tags where an I- may begin a span are found in training.
            settings: see `Classification`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(labels, **settings)
        self.constrained = constrained
        self.types = metrics.span_types(self.labels)
        self.transitions = _transitions(self.labels)

    def target(self, utterance: Utterance) -> Int[np.ndarray, " words"]:
        """The numbers of the tags, int64.

        Raises:
            InputError: no tags, not as many as words, or one that is unknown.
        """
        tags = utterance.label
        if not isinstance(tags, tuple):
            raise self.wrong_label(utterance, "a tag for each word")
        if utterance.words is not None and len(utterance.words) != len(tags):
            raise self.wrong_label(utterance, f"a tag for each of the {len(utterance.words)} words, not {len(tags)}")
        return np.array([self.position(tag, utterance) for tag in tags], dtype=np.int64)

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Counts the training tags, and lifts the constraint where they break it themselves."""
        super().prepare(utterances)
        self.constrained = self.constrained and all(self._can_be(self.target(each)) for each in utterances)

    def label(self, target: np.ndarray) -> tuple[str, ...]:
        """The tags of the words."""
        return tuple(self.labels[number] for number in target)

    def collate(self, targets: Sequence[np.ndarray]) -> Int[Tensor, "batch words"]:
        """Tags, padded with -100 to the longest sentence."""
        rows = [torch.from_numpy(target) for target in targets]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=IGNORED)

    def count(self, utterances: Sequence[Utterance]) -> tuple[np.ndarray, int]:
        """How often each tag is there, (labels,), and in how many words."""
        tags = np.concatenate([self.target(utterance) for utterance in utterances])
        return np.bincount(tags, minlength=self.outputs), len(tags)

    def loss(
        self, logits: Float[Tensor, "batch words labels"], target: Int[Tensor, "batch words"]
    ) -> Float[Tensor, " batch"]:
        """Cross entropy of each sentence, the mean over its words; 0 for a sentence without words."""
        real = target != IGNORED
        one_hot = torch.nn.functional.one_hot(target.clamp(min=0), self.outputs) * real.unsqueeze(-1)
        words = softmax_loss(self.adjusted(logits), one_hot.float(), **self.loss_options(logits.device))
        return words.sum(dim=1) / real.sum(dim=1).clamp(min=1)

    def scores(self, logits: Float[Tensor, "*batch words labels"]) -> Float[Tensor, "*batch words labels"]:
        """The probabilities of the tags of each word."""
        return logits.float().softmax(dim=-1)

    def decode(self, scores: Float[np.ndarray, "words labels"]) -> list[str]:
        """The tags of the words of one sentence."""
        return [self.labels[number] for number in self._tags(scores)]

    def statistics(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> Statistics:
        """Counts of spans of each type, and of words by tag."""
        spans = np.zeros((len(targets), len(self.types), 3), dtype=np.int64)
        words = np.zeros((len(targets), self.outputs, 3), dtype=np.int64)
        for row, (target, score) in enumerate(zip(targets, scores, strict=True)):
            tags = self._tags(score)
            spans[row] = metrics.span_counts(self.label(target), self.label(tags), self.types)
            one_hot = (metrics.one_hot(numbers, self.outputs) for numbers in (target, tags))
            words[row] = metrics.label_counts(*one_hot).sum(axis=0)
        return {"spans": spans, "words": words}

    def figures(self, sums: Statistics) -> dict[str, np.ndarray]:
        """F1, precision and recall of spans, mean F1 of their types, accuracy of words."""
        return {
            "span_f1": metrics.span_f1(sums["spans"]),
            "span_precision": metrics.span_precision(sums["spans"]),
            "span_recall": metrics.span_recall(sums["spans"]),
            "macro_span_f1": metrics.macro_span_f1(sums["spans"]),
            "accuracy": metrics.accuracy(sums["words"]),
        }

    def per_label(self, sums: Statistics) -> dict[str, dict[str, float | int]]:
        """Precision, recall, F1 and frequencies of each type of span."""
        return figures_by_label(self.types, sums["spans"])

    def confusion(self, targets: Sequence[np.ndarray], scores: Sequence[np.ndarray]) -> np.ndarray:
        """(labels, labels) counts of words by tag."""
        tags = [self._tags(score) for score in scores]
        return metrics.confusion(np.concatenate([*targets, NO_TAGS]), np.concatenate([*tags, NO_TAGS]), self.outputs)

    def _can_be(self, tags: np.ndarray) -> bool:
        """Whether each tag may follow the one before."""
        return not self.transitions[np.concatenate([[self.outputs], tags[:-1]])[: len(tags)], tags].any()

    def _tags(self, scores: np.ndarray) -> np.ndarray:
        """The numbers of the tags of one sentence, by the algorithm of Viterbi."""
        if not self.constrained or not len(scores):
            return scores.argmax(axis=-1)
        log_p = np.log(np.maximum(scores, 1e-30, dtype=float))
        best, came_from = log_p[0] + self.transitions[self.outputs], []
        for word in log_p[1:]:
            reached = best[:, None] + self.transitions[: self.outputs]
            came_from.append(reached.argmax(axis=0))
            best = reached.max(axis=0) + word
        tags = [int(best.argmax())]
        for previous in reversed(came_from):
            tags.append(int(previous[tags[-1]]))
        return np.array(tags[::-1], dtype=np.int64)


NO_TAGS = np.zeros(0, dtype=np.int64)


def _transitions(labels: Sequence[str]) -> np.ndarray:
    """(labels + 1, labels): 0 where the tag of the column may follow that of the row (the last row: the beginning).

    An I- or E- follows a B- or I- of its type, if there is a B- of its type at all.
    """
    table = np.zeros((len(labels) + 1, len(labels)))
    for column, label in enumerate(labels):
        prefix, kind = metrics.split_tag(label)
        if prefix in ("I", "E") and f"B-{kind}" in labels:
            allowed = [before in (f"B-{kind}", f"I-{kind}") for before in labels]
            table[[*np.flatnonzero(~np.array(allowed)), len(labels)], column] = IMPOSSIBLE
    return table
