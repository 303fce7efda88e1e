"""Pictures of a run: its curves, its confusions. Drawn with matplotlib's objects, so that no global state is touched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.files import atomic_path


def curves(epochs: Sequence[Mapping[str, Any]], primary_metric: str, path: str | Path) -> None:
    """Training loss and validation figure by epoch.

    Args:
        epochs: `loss` and `metrics` of each.
        primary_metric: the figure to show; nothing is shown where it is missing.
        path: of the .png.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    numbers = np.arange(1, len(epochs) + 1)
    axis = figure.add_subplot()
    axis.plot(numbers, [epoch["loss"] for epoch in epochs], color="#8a4f7d", marker="o", label="train loss")
    axis.set(xlabel="epoch", ylabel="train loss", xticks=numbers[:: max(1, len(numbers) // 12)])
    values = [figure_of(epoch["metrics"].get(primary_metric)) for epoch in epochs]
    lines = list(axis.get_lines())
    if not np.isnan(values).all():
        other = axis.twinx()
        lines += other.plot(numbers, values, color="#2a7f62", marker="s", label=f"validation {primary_metric}")
        other.set_ylabel(f"validation {primary_metric}")
    axis.legend(handles=lines, loc="center right")
    axis.spines["top"].set_visible(False)
    save(figure, path)


def confusion(figures: Mapping[str, Any], path: str | Path) -> None:
    """Which label was taken for which: shares of each true label as shades, counts as numbers. Nothing without one.

    Args:
        figures: of a split: `confusion` and, for the names, `per_label`.
        path: of the .png.
    """
    if figures.get("confusion") is None:
        return
    from matplotlib.figure import Figure

    counts = np.asarray(figures["confusion"], dtype=float)
    names = list(figures["per_label"])
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = max(4.5, 0.42 * len(names) + 2)
    figure = Figure(figsize=(size, size), layout="constrained")
    axis = figure.add_subplot()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="predicted", ylabel="true")
    small = 10 if len(names) <= 10 else 6
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.55 else "#333333"
        axis.text(column, row, f"{counts[row, column]:g}", ha="center", va="center", fontsize=small, color=colour)
    save(figure, path)


def figure_of(value: Any) -> float:
    """A figure as one number: the mean where each label has its own."""
    if value is None:
        return float("nan")
    return float(np.mean(list(value.values()))) if isinstance(value, Mapping) else float(value)


def save(figure: Any, path: str | Path) -> None:
    """Writes a picture in one step."""
    with atomic_path(path) as place:
        figure.savefig(place, format="png", dpi=130)
