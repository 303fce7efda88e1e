"""What the package knows of corpora, and what a folder has of one: the verb `corpora`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multimodal_emotion import registry
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.datasets._describe import catalogue, describe
from multimodal_emotion.errors import InputError, unknown


def load_corpus(name: str, root: str | Path | None = None, *, level: str | None = None, **options: Any) -> Corpus:
    """Opens a corpus.

    Args:
        name: a name of `multimodal-emotion corpora`, or "module:Class".
        root: the folder of its files; None only for corpora that the package carries.
        level: which of its label sets.
        options: further settings of that corpus, such as `columns` and `split_by` of a manifest.

    Raises:
        InputError: no such corpus, folder, level or setting.
    """
    cls = registry.find("datasets", name)
    known = registry.settings(cls)
    for key in options:
        if key not in known:
            raise unknown("setting", key, known, f"corpus {name}")
    given = dict(options)
    if root is not None:
        given["root"] = root
    elif known["root"].default is known["root"].empty:
        raise InputError(f"corpus {name} needs --root, the folder of its files")
    return cls(level=level, **given)


def show_catalogue(*, as_json: bool = False) -> None:
    """Prints one line for each corpus."""
    cards = catalogue()
    if as_json:
        print(json.dumps(cards, ensure_ascii=False))
        return
    rows: list[tuple[str, ...]] = [("NAME", "TASK", "LANGUAGE", "SIZE", "LICENCE")]
    rows += [tuple(str(card[key]) for key in ("name", "task", "language", "size", "licence")) for card in cards]
    print(table(rows, widths=(14, 20, 12, 44, 60)))


def show_card(name: str, *, as_json: bool = False) -> None:
    """Prints what is known of one corpus without its files."""
    cards = {card["name"]: card for card in catalogue()}
    if name not in cards:
        raise unknown("corpus", name, cards)
    print(json.dumps(cards[name], ensure_ascii=False) if as_json else _lines(cards[name]))


def show_corpus(name: str, root: str, level: str | None, options: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Prints what a folder has of a corpus: splits, label counts, what is missing, what leaks."""
    found = describe(load_corpus(name, root, level=level, **options))
    print(json.dumps(found, ensure_ascii=False) if as_json else render(found))


def render(found: Mapping[str, Any]) -> str:
    """The description of a corpus as text."""
    parts = [f"{found['name']}: {found['title']} ({found['language']}; {found['licence']})", ""]
    splits = found["splits"]
    head = ("", *splits)
    rows: list[tuple[str, ...]] = [head]
    for key in ("utterances", "speakers", "dialogues", "unlabelled"):
        rows.append((key, *(str(split[key]) for split in splits.values())))
    for label in found["labels"]:
        rows.append((f"  {label}", *(_count(split["labels"].get(label, 0)) for split in splits.values())))
    parts.append(table(rows))
    parts += [f"missing: {line}" for line in found["missing"]] + [f"note: {line}" for line in found.get("notes", [])]
    for pair, shared in found["leakage"]["between"].items():
        parts += _leaks(pair, shared)
    return "\n".join(parts)


def table(rows: list[tuple[str, ...]], widths: tuple[int, ...] | None = None) -> str:
    """Rows of cells as aligned text; cells longer than their width are cut."""
    columns = list(zip(*rows, strict=True))
    limits = widths or tuple(60 for _ in columns)
    sizes = [min(limit, max(map(len, column))) for limit, column in zip(limits, columns, strict=True)]
    cut = [
        [cell if len(cell) <= size else cell[: size - 1] + "…" for cell, size in zip(row, sizes, strict=True)]
        for row in rows
    ]
    return "\n".join(
        "  ".join(f"{cell:<{size}}" for cell, size in zip(row, sizes, strict=True)).rstrip() for row in cut
    )


def _leaks(pair: str, shared: Mapping[str, Any]) -> list[str]:
    lines = [
        f"leak {pair}: {shared[kind]['count']} identical {kind}" for kind in ("texts", "media") if shared[kind]["count"]
    ]
    for kind in ("speakers", "dialogues"):
        if shared[kind]:
            some = ", ".join(map(str, shared[kind][:5]))
            lines.append(
                f"leak {pair}: {len(shared[kind])} shared {kind} ({some}{', …' if len(shared[kind]) > 5 else ''})"
            )
    return lines


def _lines(card: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in card.items())


def _count(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['mean']:.2f} ({value['minimum']:g}..{value['maximum']:g})"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
