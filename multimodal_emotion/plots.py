"""Pictures of a run: how training went, what is taken for what. Drawn without a display and without global state."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.files import atomic_path

DOTS_PER_INCH = 120
FEW = 12
"""Up to so many labels a cell has room for the share beside the count."""

LOSS, METRIC = "#b2403a", "#2a6f97"


def curves(epochs: Sequence[Mapping[str, Any]], primary_metric: str, path: str | Path) -> None:
    """Draws the training loss and, where there is validation, the primary metric of each epoch.

    Args:
        epochs: of each: `loss`, and `metrics` of the validation split (may be empty).
        primary_metric: a key of `metrics`.
        path: the PNG file to write.
    """
    figure = _figure(8, 3.6)
    numbers = range(1, len(epochs) + 1)
    found = [epoch.get("metrics", {}).get(primary_metric) for epoch in epochs]
    series = [("training loss", [epoch["loss"] for epoch in epochs], LOSS)]
    if any(value is not None for value in found):
        values = [np.nan if value is None else value for value in found]
        series.append((f"{primary_metric} on validation", values, METRIC))
    for position, (title, values, colour) in enumerate(series, start=1):
        axes = figure.add_subplot(1, len(series), position)
        axes.plot(numbers, values, color=colour, marker="o", markersize=4)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
    _save(figure, path)


def confusion(figures: Mapping[str, Any], path: str | Path, labels: Sequence[str] | None = None) -> None:
    """Draws the confusion matrix of a split: colours are shares of the row, numbers are counts.

    Args:
        figures: a split of report.json. One without `confusion` (a regression) draws nothing.
        path: the PNG file to write.
        labels: of rows and columns; None takes those of `per_label`.
    """
    if "confusion" not in figures:
        return
    counts = np.array(figures["confusion"])
    names, totals = list(labels or figures["per_label"]), counts.sum(axis=1)
    if len(names) != len(counts):
        names = [str(number) for number in range(len(counts))]
    elif set(names) == set(figures["per_label"]):
        # Of sets of labels a row holds only the misses that something stands in the place of.
        totals = np.array([figures["per_label"][name]["support"] for name in names])
    side = 2.2 + 0.46 * len(counts) + 0.07 * max(map(len, names))
    figure = _figure(side + 0.8, side)
    axes = figure.add_subplot()
    shares = counts / np.maximum(totals, 1)[:, None]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.55 else "black"
            text = f"{count}\n{shares[row, column]:.0%}" if len(counts) <= FEW else str(count)
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0, parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{figures['n']} utterances\ncounts and shares of the row", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.8)
    _save(figure, path)


def _figure(width: float | int, height: float | int) -> Any:
    """A figure of its own, in inches: pyplot would keep it and look for a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: str | Path) -> None:
    with atomic_path(path) as beside, warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as boxes; that is no reason to stop.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(beside, format="png", bbox_inches="tight")
