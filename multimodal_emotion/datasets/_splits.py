"""Splits for a collection that comes without: seeded, 80/10/10, and no group in two of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from multimodal_emotion.datasets._base import SPLITS
from multimodal_emotion.datasets._files import read_text
from multimodal_emotion.errors import InputError

GROUPINGS = ("speaker", "dialogue", "none")
"""What can be kept in one split each; "none" splits by utterance."""

SHARE = 0.1
"""The share of the rows that validation and test get, each."""


def assign(groups: Sequence[str], seed: int) -> list[str]:
    """The split of each row: about 10 % validation, about 10 % test, the rest train; rows of one group stay together.

    The order of the rows does not matter, and neither do machine or version: groups are drawn in the order of a hash of
    the seed and their name.

    Args:
        groups: the group of each row: its speaker, its dialogue, or its own id; at least 3 different ones.
        seed: another seed, other splits.
    """
    sizes = Counter(groups)
    assert len(sizes) >= len(SPLITS), f"{len(sizes)} groups cannot fill {len(SPLITS)} splits"
    left = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    split_of = {}
    for split in ("test", "validation"):
        drawn = _draw(left, sizes, max(1, round(SHARE * len(groups))))
        split_of.update(dict.fromkeys(drawn, split))
        left = [group for group in left if group not in split_of]
    return [split_of.get(group, "train") for group in groups]


def _draw(groups: Sequence[str], sizes: Counter[str], wanted: int) -> list[str]:
    """The first groups that fit into the wanted number of rows; the smallest one if none fits."""
    drawn, filled = [], 0
    for group in groups:
        if filled + sizes[group] <= wanted:
            drawn.append(group)
            filled += sizes[group]
    return drawn or [min(groups, key=lambda group: sizes[group])]


def check_assignment(given: Mapping[str, str] | str | Path, ids: Sequence[str], source: str) -> dict[str, str]:
    """The split of each id from an earlier draw.

    Args:
        given: split by id, or the JSON file of that.
        ids: the ids that there are.
        source: where these ids come from, for messages.

    Raises:
        InputError: the file is absent or no JSON object; an id has no split, or is not one of `ids`.
    """
    place, split_of = ("assignment", given) if isinstance(given, Mapping) else (str(given), _read_object(Path(given)))
    for name in ids:
        if split_of.get(name) not in SPLITS:
            found = split_of.get(name)
            raise InputError(f"{place}: the split of {name!r} is {found!r}; one of {', '.join(SPLITS)} is expected")
    gone = set(split_of) - set(ids)
    if gone:
        raise InputError(f"{place}: {min(gone)!r} is not in {source}; the splits are those of another file")
    return {name: split_of[name] for name in ids}


def _read_object(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        raise InputError(f"{path} is not there; a JSON file of id and split is expected")
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); an object of id and split is expected") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: a JSON object of id and split is expected")
    return found
