"""Figures as text to read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}


def classification_report(figures: Mapping[str, Any], labels: Sequence[str]) -> str:
    """The table of a split's figures by label, as scikit-learn prints it; by dimension for a regression.

    Args:
        figures: a split of report.json.
        labels: the labels of the report, in order. Rows are types of spans for tags of words.
    """
    per_label = figures["per_label"]
    names = [label for label in labels if label in per_label] or list(per_label)
    if "precision" not in per_label[names[0]]:
        columns = list(per_label[names[0]])
        return _table(["", *columns], [[name, *(per_label[name][column] for column in columns)] for name in names])
    rows: list[list[Any]] = [[name, *(per_label[name][column] for column in COLUMNS)] for name in names]
    return _table(["", *COLUMNS.values()], [*rows, [], *_means(figures, [per_label[name] for name in names])])


def render(report: Mapping[str, Any]) -> str:
    """A whole report as text: figures with their intervals and the table of each split, and what leaks."""
    labels, primary = report["labels"], report["primary_metric"]
    lines = [f"{report['corpus']}: {report['task']}, {len(labels)} labels, seed {report['seed']}"]
    for name, figures in _parts(report):
        unit = figures["ci95"]["unit"]
        lines += ["", f"{name}: {figures['n']} utterances; figures with 95 % intervals over {unit}s"]
        lines += [_figure(key, value, figures["ci95"], primary) for key, value in _scalars(figures)]
        lines += ["", classification_report(figures, labels)]
    if "mapping" in report:
        lines += ["", *_mapping(report["mapping"])]
    for split, found in (report.get("skipped") or {}).items():
        first = next(iter(found["why"]))
        lines += [
            "",
            f"{found['count']} {split} utterances could not be decoded, such as {first}: {found['why'][first][0]}",
        ]
    if "subsets" in report:
        rows = [[names, figures[primary], figures["n"]] for names, figures in report["subsets"].items()]
        lines += ["", _table(["with these modalities only", primary, "utterances"], rows)]
    if "robust" in report:
        rows = [[name, figures[primary], figures["loss"]["after"]] for name, figures in report["robust"].items()]
        lines += ["", _table(["under attack", primary, "loss"], rows)]
    for split, found in ((report.get("leakage") or {}).get("duplicates") or {}).items():
        if found["count"]:
            cleaned = report["leakage"]["without_duplicates"].get(split) or {}
            value = _number(cleaned.get(primary))
            lines += [
                "",
                f"{found['count']} {split} utterances stand in the training split; {primary} without: {value}",
            ]
    return "\n".join(lines)


def _mapping(found: Mapping[str, Any]) -> list[str]:
    """Which labels were read as which, and which utterances are missing for it."""
    read = [f"{label} as {own}" for label, own in found["labels"].items() if own not in (None, label)]
    unread = [label for label, own in found["labels"].items() if own is None]
    lines = [f"labels of the corpus are read in those of the model: {', '.join(read) or 'as they are'}"]
    left = f"{found['left_out']} utterances are left out: the model has nothing for {', '.join(unread)}"
    return [*lines, left] if found["left_out"] else lines


def _parts(report: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What has figures to show: the splits, and the pooled folds."""
    yield from report["splits"].items()
    if "pooled" in report:
        yield f"{len(report['folds'])} folds, pooled", report["pooled"]


def _scalars(figures: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    return [
        (name, value) for name, value in figures.items() if name != "n" and (value is None or isinstance(value, float))
    ]


def _figure(name: str, value: float | None, intervals: Mapping[str, Any], primary: str) -> str:
    low, high = intervals.get(name) or (None, None)
    interval = f"  [{_number(low)}, {_number(high)}]" if name in intervals else ""
    return f"{'*' if name == primary else ' '} {name:18} {_number(value)}{interval}"


def _means(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The last rows of the table: accuracy where each utterance has one label, else the figures of all together."""
    support, predicted = sum(row["support"] for row in rows), sum(row["predicted"] for row in rows)
    right = sum(row["recall"] * row["support"] for row in rows)
    # As in the macro F1: what is neither true nor predicted does not count.
    there = [row for row in rows if row["support"] or row["predicted"]]
    macro = [_ratio(sum(row[column] for row in there), len(there)) for column in ("precision", "recall", "f1")]
    weighted = [
        _ratio(sum(row[column] * row["support"] for row in rows), support) for column in ("precision", "recall", "f1")
    ]
    together = [_ratio(right, predicted), _ratio(right, support), _ratio(2 * right, predicted + support)]
    one_label = "accuracy" in figures and "span_f1" not in figures
    return [
        ["accuracy", "", "", figures["accuracy"], support] if one_label else ["micro avg", *together, support],
        ["macro avg", *macro, support],
        ["weighted avg", *weighted, support],
    ]


def _ratio(part: float | int, whole: float | int) -> float | None:
    return part / whole if whole else None


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Right-aligned columns."""
    cells = [list(header), [], *([cell if isinstance(cell, str) else _number(cell) for cell in row] for row in rows)]
    widths = [max(9, *(len(row[column]) for row in cells if row)) for column in range(len(header))]
    lines = (
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) if row else "" for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
