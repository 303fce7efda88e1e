"""Labels of one corpus in the words of another: what a model is scored by that was trained elsewhere."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from multimodal_emotion import labels
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.errors import InputError

SETS = {
    "seven": labels.SEVEN,
    "group": tuple(labels.GROUP),
    "polarity": labels.POLARITIES,
}
"""The common label sets, by the name of the map to each."""

DECISIONS = ("binary", "multiclass", "multilabel")
"""Tasks that decide between labels, for which those of one corpus can stand for those of another."""

UNKNOWN = ""
"""In place of a label: no map says anything."""

Counterparts = dict[str, str | None]
"""For each label of a corpus the label of a model; None where the model has none that fits."""


def mapped(label: Label | None, to: str) -> Label | None:
    """A label of any corpus in a common set: one label, or votes where there are several; None where nothing fits."""
    return _translated(label, lambda name: labels.map_label(name, to))


def counterparts(corpus: Corpus, task: str, own: Sequence[str]) -> Counterparts | None:
    """What the labels of a corpus are for a model.

    Names of the same emotion stand for each other ("happiness" for "joy"). Where the model's labels hold a whole common set
    (`SETS`), the map to that set is used too, and labels that it has nothing for (boredom) have no counterpart; a model of
    fewer labels than that is not excused from what it does not know.

    Args:
        corpus: its task and labels count.
        task, own: the task and the labels of the model.

    Returns:
        None where the corpus has the model's task and no other labels than the model: nothing is to be mapped.

    Raises:
        InputError: the model decides something else, or has no label for one (or for almost all) of the corpus.
    """
    single = {"binary": "multiclass"}
    same = single.get(corpus.task, corpus.task) == single.get(task, task)
    if same and (set(corpus.labels) <= set(own) or task not in DECISIONS):
        return None
    theirs, ours = _some(corpus.labels), _some(own)
    right = f"give another --level ({', '.join(corpus.levels)}), or" if corpus.levels else "give"
    right += f" a model that `train --corpus {corpus.name}` makes"
    if not {corpus.task, task} <= set(DECISIONS):
        raise InputError(
            f"corpus {corpus.name} is for {corpus.task} ({theirs}), the model for {task} ({ours})\n{right}"
        )
    found = {label: _counterpart(label, own) for label in corpus.labels}
    strange = [label for label, counterpart in found.items() if counterpart == UNKNOWN]
    if strange or (None in found.values() and len(set(found.values()) - {None}) < 2):
        without = _some(strange or [label for label, counterpart in found.items() if counterpart is None])
        raise InputError(f"corpus {corpus.name}: the model ({ours}) has no label for {without}\n{right}")
    return found


def translated(utterance: Utterance, found: Counterparts, task: str) -> Utterance:
    """An utterance with the label that the model has for its own: one, several for "multilabel", votes, or None."""
    label = _translated(utterance.label, lambda name: found[name])
    if task == "multilabel" and label is not None:
        label = (label,) if isinstance(label, str) else tuple(label)
    return replace(utterance, label=label)


def _counterpart(label: str, own: Sequence[str]) -> str | None:
    if label in own:
        return label
    name, ours = labels.normalise(label), {labels.normalise(other): other for other in own}
    if name in ours:
        return ours[name]
    for to, members in SETS.items():
        if set(members) <= set(ours) and name in labels.MAPS[to]:
            target = labels.MAPS[to][name]
            return None if target is None else ours[target]
    return UNKNOWN


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:8], *(["..."] if len(names) > 8 else [])])


def _translated(label: Label | None, new: Callable[[str], str | None]) -> Label | None:
    if label is None:
        return None
    votes = {label: 1.0} if isinstance(label, str) else label if isinstance(label, Mapping) else Counter(label)
    found: dict[str, float] = defaultdict(float)
    for name, count in votes.items():
        target = new(name)
        if target is not None:
            found[target] += count
    found = {name: count for name, count in found.items() if count > 0}
    return None if not found else next(iter(found)) if len(found) == 1 else dict(found)
