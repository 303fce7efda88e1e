"""What stands in two splits: the same text, the same recording, the same speaker, the same dialogue."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from multimodal_emotion.batch import Utterance

Splits = Mapping[str, Sequence[Utterance]]

_MEDIA = ("audio", "image", "video")
_FILES_OF = {"audio": ("audio", "video"), "image": ("image", "video")}


def leakage(splits: Splits, modalities: Collection[str] | None = None) -> dict[str, Any]:
    """What the splits of a corpus share.

    Args:
        splits: the utterances of each split.
        modalities: see `duplicates_of_training`.

    Returns:
        JSON types. `between`, for each pair of splits such as "train/test": `texts` and `media` (`count` and `ids` of
        the second split's utterances that stand in the first), `speakers` in both, and `dialogues` of the second that
        stand in the first by name or word for word. `duplicates`, for each split but train: `count` and `ids` of its
        utterances that are duplicates of training utterances.
    """
    media = _media_of([utterance for utterances in splits.values() for utterance in utterances], _MEDIA)
    between = {
        f"{first}/{second}": {
            "texts": _repeated(splits[first], splits[second], _text),
            "media": _repeated(splits[first], splits[second], lambda utterance: media.get(utterance.id)),
            "speakers": sorted(_values(splits[first], "speaker") & _values(splits[second], "speaker")),
            "dialogues": _shared_dialogues(splits[first], splits[second]),
        }
        for first, second in combinations(splits, 2)
    }
    duplicates = {}
    for split in splits:
        if split != "train" and "train" in splits:
            ids = duplicates_of_training(splits, split, modalities)
            duplicates[split] = {"count": len(ids), "ids": ids}
    return {"between": between, "duplicates": duplicates}


def duplicates_of_training(splits: Splits, split: str, modalities: Collection[str] | None = None) -> list[str]:
    """The ids of a split's utterances that a model has already seen in training.

    An utterance with media is a duplicate if its media are identical to those of a training utterance: actors say the
    same sentence many times. One without media is a duplicate if its text is.

    Args:
        splits: the utterances of each split, "train" among them.
        split: which one to look at.
        modalities: what the model reads of "audio", "image" and "text"; None: all there is.
    """
    kinds = _MEDIA if modalities is None else {kind for name in modalities for kind in _FILES_OF.get(name, ())}
    reads_text = modalities is None or "text" in modalities
    media = _media_of([*splits["train"], *splits[split]], kinds)

    def seen(utterance: Utterance) -> Any:
        return media.get(utterance.id) or (_text(utterance) if reads_text else None)

    return _repeated(splits["train"], splits[split], seen)["ids"]


def _repeated(first: Iterable[Utterance], second: Iterable[Utterance], key: Any) -> dict[str, Any]:
    known = {key(utterance) for utterance in first} - {None, ""}
    ids = [utterance.id for utterance in second if key(utterance) in known]
    return {"count": len(ids), "ids": ids}


def _values(utterances: Iterable[Utterance], attribute: str) -> set[str]:
    return {value for utterance in utterances if (value := getattr(utterance, attribute)) is not None}


def _shared_dialogues(first: Iterable[Utterance], second: Iterable[Utterance]) -> list[str]:
    """The dialogues of the second that stand in the first, by name or word for word."""
    names, texts = _values(first, "dialogue"), set(_dialogue_texts(first).values())
    return sorted(
        name for name, said in _dialogue_texts(second).items() if name in names or (len(said) > 1 and said in texts)
    )


def _dialogue_texts(utterances: Iterable[Utterance]) -> dict[str, tuple[str, ...]]:
    said: dict[str, list[str]] = defaultdict(list)
    for utterance in utterances:
        if utterance.dialogue is not None:
            said[utterance.dialogue].append(_text(utterance))
    return {name: tuple(texts) for name, texts in said.items()}


def _text(utterance: Utterance) -> str:
    """The text as far as it matters: without case and without kinds of white space."""
    text = utterance.text or " ".join(utterance.words or ())
    return " ".join(text.casefold().split())


def _media_of(utterances: Sequence[Utterance], kinds: Collection[str]) -> dict[str, tuple[Any, ...]]:
    """For each id of an utterance with media: what identifies them, interval included."""
    files = {
        utterance.id: [path for kind in _MEDIA if kind in kinds and (path := getattr(utterance, kind)) is not None]
        for utterance in utterances
    }
    content = _contents({path for paths in files.values() for path in paths})
    return {
        utterance.id: (*(content[path] for path in files[utterance.id]), utterance.start, utterance.end)
        for utterance in utterances
        if files[utterance.id]
    }


def _contents(paths: Collection[Path]) -> dict[Path, str]:
    """What identifies each file. Only files of equal size are read: others differ anyway."""
    resolved = {path: path.resolve() for path in paths}
    by_size: dict[int, set[Path]] = defaultdict(set)
    for path in resolved.values():
        if path.is_file():
            by_size[path.stat().st_size].add(path)
    hashes = {path: _hash(path) for same in by_size.values() if len(same) > 1 for path in same}
    return {path: hashes.get(target, str(target)) for path, target in resolved.items()}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
