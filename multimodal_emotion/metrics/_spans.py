"""Figures of spans of words: a span counts as right only if its type, its first and its last word are right.

Tags are "O" (outside), "B-TYPE" and "I-TYPE" (BIO), "E-TYPE" and "S-TYPE" too (BIOES), "T-TYPE" (a run of equal tags is a
span), or "TYPE" alone (the same).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from multimodal_emotion.metrics._direction import higher_is_better, ratio
from multimodal_emotion.metrics._labels import PREDICTED, RIGHT, TRUE, macro_f1, micro_f1

OUTSIDE = "O"
PREFIXES = "BIEST"


class Span(NamedTuple):
    """Words `start` to `end` (exclusive) are a span of a type."""

    type: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence.

    A span begins at B- or S-, after E- or S-, and where the type changes: an I- that follows no B- of its type begins one
    too, as in the evaluation script of CoNLL-2000.
    """
    found: list[Span] = []
    prefix_before, type_before = "", OUTSIDE
    for position, tag in enumerate(tags):
        prefix, kind = split_tag(tag)
        if kind != OUTSIDE:
            if kind != type_before or prefix in ("B", "S") or prefix_before in ("E", "S"):
                found.append(Span(kind, position, position + 1))
            else:
                found[-1] = found[-1]._replace(end=position + 1)
        prefix_before, type_before = prefix, kind
    return found


def split_tag(tag: str) -> tuple[str, str]:
    """("B", "POS") of "B-POS"; the prefix is "" where there is none."""
    if len(tag) > 2 and tag[1] == "-" and tag[0] in PREFIXES:
        return tag[0], tag[2:]
    return "", tag


def span_types(tags: Iterable[str]) -> tuple[str, ...]:
    """The types of spans that tags can make, in order of appearance."""
    return tuple(dict.fromkeys(kind for tag in tags if (kind := split_tag(tag)[1]) != OUTSIDE))


def span_counts(targets: Sequence[str], predictions: Sequence[str], types: Sequence[str]) -> Int[np.ndarray, "types 3"]:
    """The statistics of one sentence: of each type of span, how many were predicted rightly, predicted, true."""
    true, predicted = set(spans(targets)), set(spans(predictions))
    counts = np.zeros((len(types), 3), dtype=np.int64)
    for column, group in ((RIGHT, true & predicted), (PREDICTED, predicted), (TRUE, true)):
        for span in group:
            counts[types.index(span.type), column] += 1
    return counts


@higher_is_better
def span_precision(counts: Num[np.ndarray, "*batch types 3"]) -> Float[np.ndarray, "*batch"]:
    """The share of predicted spans that are right; 0 if there are none."""
    return ratio(counts[..., RIGHT].sum(-1), counts[..., PREDICTED].sum(-1), undefined=0.0)


@higher_is_better
def span_recall(counts: Num[np.ndarray, "*batch types 3"]) -> Float[np.ndarray, "*batch"]:
    """The share of true spans that are predicted; 0 if there are none."""
    return ratio(counts[..., RIGHT].sum(-1), counts[..., TRUE].sum(-1), undefined=0.0)


@higher_is_better
def span_f1(counts: Num[np.ndarray, "*batch types 3"]) -> Float[np.ndarray, "*batch"]:
    """The F1 of all spans together: entity-level F1."""
    return micro_f1(counts)


@higher_is_better
def macro_span_f1(counts: Num[np.ndarray, "*batch types 3"]) -> Float[np.ndarray, "*batch"]:
    """The mean F1 of the types of spans."""
    return macro_f1(counts)
