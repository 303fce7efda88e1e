"""The picture of a timeline: a lane for the decision, one for each modality's own opinion, one for the words."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from multimodal_emotion.files import atomic_path
from multimodal_emotion.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "#d1495b": ("anger", "angry", "frustration", "frustrated", "negative"),
    "#f2b705": ("joy", "happy", "happiness", "joyful", "amusement"),
    "#2f6db5": ("sadness", "sad", "grief"),
    "#7d4fa8": ("fear", "fearful", "nervousness", "anxiety"),
    "#5a9e3d": ("disgust", "disgusted", "positive"),
    "#f08a4b": ("surprise", "surprised", "pleasant_surprise", "excitement", "excited"),
    "#9aa3ad": ("neutral", "none", "other"),
    "#4fb3a9": ("calm", "relief", "boredom"),
    "#e58fb7": ("love", "caring", "admiration"),
}
"""The colour of an emotion, the same in every picture; other labels get what is left, in their order."""
FURTHER = ("#8c6d46", "#1b9aaa", "#b5bd3a", "#6b4c7a", "#c0563b", "#3b6e57", "#aa8fd8", "#5f6b7a", "#d9a38f", "#243b55")
INK, FAINT, ABSENT, BACK = "#2b2f36", "#6b7280", "#c3c8d0", "#eff1f4"

WIDTH, DOTS = 12.0, 100
"""Inches, and dots for each: 1200 across."""
LEFT, RIGHT, HEAD, FOOT, GAP = 1.35, 0.55, 0.62, 0.78, 0.14
"""Inches around the lanes and between them."""
DECISION, OPINION, WORDS = 1.3, 0.62, 0.3
"""Inches of a lane."""
STRIP = 0.05
"""Inches of what marks an absent modality."""
LETTER = 0.075
"""Inches of a letter of 9 points, for what fits into a segment."""
LINE = 0.2
"""Inches of a line of text."""
TINT = 0.18
"""How strong the colour is above a bar."""
NOTES = 4
"""Lines of notes at most."""
OUTLINED = 0.05
"""Inches of a box at least, for an outline not to hide it."""
LEGEND_COLUMNS = 9
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
"""Seconds between marks of the time axis; at most MARKS of them are drawn."""
MARKS = 12

Scores = Mapping[str, float]
Span = tuple[float, float]


class Lane(NamedTuple):
    """One lane: its name, a remark under it, its height, what was scored in each window, and the labels shown of it."""

    name: str
    remark: str
    inches: float
    scores: Sequence[Scores]
    shown: Sequence[Sequence[str]]


class Box(NamedTuple):
    """A box that stands on the floor of a lane."""

    span: Span
    inches: float
    colour: str
    strength: float


def colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, in the order of the labels; no two share one as long as there are enough."""
    labels = list(labels)
    found: dict[str, str] = {}
    for colour, names in COLOURS.items():
        found |= dict.fromkeys([label for label in labels if label.lower() in names][:1], colour)
    left = [colour for colour in (*FURTHER, *COLOURS) if colour not in found.values()] or FURTHER
    rest = [label for label in labels if label not in found]
    found |= {label: left[number % len(left)] for number, label in enumerate(rest)}
    return {label: found[label] for label in labels}


def caption(prediction: Prediction) -> str:
    """What was decided and from what, such as "happy 0.83 (audio, image)"."""
    label, scores = prediction.label, prediction.scores
    if label is None:
        return "not sure" if scores else "nothing to predict from"
    names = [label] if isinstance(label, str) else list(label)
    decided = ", ".join(f"{name} {scores[name]:.2f}" if name in scores else name for name in names) or "no label"
    return f"{decided} ({', '.join(prediction.present)})"


def draw(path: str | Path, prediction: Prediction) -> None:
    """Writes the timeline of a recording as a .png 1200 wide, which appears whole or not at all.

    Args:
        path: the file.
        prediction: of a recording; one without windows is drawn as one window.
    """
    with atomic_path(path) as place, warnings.catch_warnings():
        # words in a script that the font lacks are drawn as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        timeline(prediction).savefig(place, format="png", dpi=DOTS)


def timeline(prediction: Prediction) -> "Figure":
    """The figure that `draw` writes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    windows = sorted(prediction.windows or (prediction,), key=lambda window: window.start or 0.0)
    spans, lanes = _spans(windows), _lanes(prediction, windows)
    words = [window.text or "" for window in windows]
    notes = _notes(prediction)
    body = sum(lane.inches + GAP for lane in lanes) + (WORDS if any(words) else 0)
    height = HEAD + body + FOOT + LINE * len(notes)
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    bottom = (FOOT + LINE * len(notes)) / height
    axes = figure.add_axes((LEFT / WIDTH, bottom, (WIDTH - LEFT - RIGHT) / WIDTH, body / height))
    _time_axis(axes, max(end for _, end in spans), body)
    tone = colours(next((item.scores for item in (prediction, *windows) if item.scores), {}))
    values = any(isinstance(window.label, Mapping) for window in windows)
    top = body
    for lane in lanes:
        top -= lane.inches
        (_draw_values if values else _draw_labels)(axes, spans, lane, top, tone)
        _name(axes, lane.name, lane.remark, top + lane.inches / 2)
        top -= GAP
    if any(words):
        _draw_words(axes, spans, words)
    _write_around(figure, prediction, notes)
    _legend(figure, lanes, tone, values, (FOOT - 0.44 + LINE * len(notes)) / height)
    return figure


def _spans(windows: Sequence[Prediction]) -> list[Span]:
    """When each window begins and ends; windows that overlap are shown until the next one begins."""
    starts = [window.start or 0.0 for window in windows]
    ends = [start + 1 if window.end is None else window.end for start, window in zip(starts, windows, strict=True)]
    following = [*starts[1:], float("inf")]
    return [(start, min(end, after)) for start, end, after in zip(starts, ends, following, strict=True)]


def _lanes(prediction: Prediction, windows: Sequence[Prediction]) -> list[Lane]:
    """The decision, then each modality that has an opinion anywhere."""
    remark = "values" if any(isinstance(window.label, Mapping) for window in windows) else "confidence"
    lanes = [Lane("decision", remark, DECISION, [item.scores for item in windows], [*map(_decided, windows)])]
    for name in dict.fromkeys(name for window in windows for name in sorted(window.opinions)):
        opinions = [window.opinions.get(name, {}) for window in windows]
        remark = f"share {prediction.shares[name]:.2f}" if name in prediction.shares else ""
        lanes.append(Lane(name, remark, OPINION, opinions, [*map(_highest, opinions)]))
    return lanes


def _decided(window: Prediction) -> list[str]:
    """The labels of a window, the most probable first; several where the task gives several."""
    if isinstance(window.label, tuple) and set(window.label) <= set(window.scores):
        return sorted(window.label, key=lambda label: -window.scores[label])
    return _highest(window.scores)


def _highest(scores: Scores) -> list[str]:
    return [max(scores, key=lambda label: scores[label])] if scores else []


def _time_axis(axes: "Axes", end: float, body: float) -> None:
    step = next((step for step in TICKS if end / step <= MARKS), TICKS[-1])
    marks = [number * step for number in range(int(end / step) + 1)]
    axes.set_xlim(0, end)
    axes.set_ylim(0, body)
    axes.set_yticks([])
    axes.set_xticks(marks, [_clock(second, step) for second in marks], color=FAINT, size=9)
    axes.tick_params(axis="x", color=FAINT, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)


def _clock(second: float | int, step: float | int) -> str:
    if step < 1:
        return f"{second:.1f} s"
    minutes, seconds = divmod(round(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _draw_labels(axes: "Axes", spans: Sequence[Span], lane: Lane, floor: float, tone: Mapping[str, str]) -> None:
    """A segment for each window in the colour of its label, filled as high as the score."""
    boxes: list[Box] = []
    for span, scores, shown in zip(spans, lane.scores, lane.shown, strict=True):
        bars = [Box(span, lane.inches * scores[label], tone[label], 1.0) for label in shown]
        behind = Box(span, lane.inches, bars[0].colour, TINT) if bars else Box(span, lane.inches, BACK, 1.0)
        boxes += [behind, *bars] if scores else [Box(span, STRIP, ABSENT, 1.0)]
        if bars:
            whole = f"{shown[0]} {scores[shown[0]]:.2f}" if len(shown) == 1 else ", ".join(shown)
            _write_on(axes, floor, bars, (whole, shown[0]))
    _fill(axes, boxes, floor)
    if lane.inches == DECISION:
        for level in (0.5, 1.0):
            axes.axhline(floor + level * lane.inches, color=FAINT, linewidth=0.5, linestyle=(0, (2, 4)))
            _write_level(axes, floor + level * lane.inches, f"{level}")


def _draw_values(axes: "Axes", spans: Sequence[Span], lane: Lane, floor: float, tone: Mapping[str, str]) -> None:
    """A line for each dimension, between the lowest and the highest value of the lane."""
    known = [value for scores in lane.scores for value in scores.values()]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = 0.9 * lane.inches / ((high - low) or 1.0)
    bottom = floor + 0.05 * lane.inches
    back, strip = Box((0, 0), lane.inches, BACK, 1.0), Box((0, 0), STRIP, ABSENT, 1.0)
    boxes = [(back if scores else strip)._replace(span=span) for span, scores in zip(spans, lane.scores, strict=True)]
    _fill(axes, boxes, floor)
    times = [second for span in spans for second in span]
    for label, colour in tone.items():
        values = [scores.get(label, float("nan")) for scores in lane.scores]
        heights = [bottom + scale * (value - low) for value in values for _ in range(2)]
        axes.plot(times, heights, color=colour, linewidth=2)
    for value in {low, high} if known else ():
        _write_level(axes, bottom + scale * (value - low), f"{value:.2f}")


def _draw_words(axes: "Axes", spans: Sequence[Span], words: Sequence[str]) -> None:
    """The words of each window, as many of their letters as fit; one sentence that is said of all is written once."""
    if len(set(words)) == 1:
        spans, words = [(0.0, axes.get_xlim()[1])], words[:1]
    _name(axes, "words", "", WORDS / 2)
    _fill(axes, [Box(span, WORDS, BACK, 1.0) for span, text in zip(spans, words, strict=True) if text], 0.0)
    for span, text in zip(spans, words, strict=True):
        line = _cut(" ".join(text.split()), _letters(axes, span))
        _write(axes, span[0], WORDS / 2, f" {line}")


def _fill(axes: "Axes", boxes: Sequence[Box], floor: float) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    corners = [
        [(start, floor), (start, floor + inches), (end, floor + inches), (end, floor)]
        for (start, end), inches, _, _ in boxes
    ]
    tints = [to_rgba(colour, strength) for _, _, colour, strength in boxes]
    narrowest = min((_inches(axes, box.span) for box in boxes), default=0.0)
    edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.8} if narrowest > OUTLINED else {"linewidths": 0}
    axes.add_collection(PolyCollection(corners, facecolors=tints, **edge))


def _inches(axes: "Axes", span: Span) -> float:
    return (span[1] - span[0]) / axes.get_xlim()[1] * (WIDTH - LEFT - RIGHT)


def _letters(axes: "Axes", span: Span) -> int:
    """How many letters fit into an interval."""
    return int(_inches(axes, span) / LETTER) - 1


def _cut(text: str, letters: int) -> str:
    if len(text) <= letters:
        return text
    return text[: letters - 1].rstrip() + "…" if letters > 3 else ""


def _write(
    where: "Axes | Figure", x: float, y: float, text: str, size: float | int = 9, ink: str = INK, **how: Any
) -> None:
    # texts are the users' own: a "$" is a dollar and begins no formula
    if text.strip():
        where.text(x, y, text, size=size, color=ink, va="center", parse_math=False, **how)


def _write_on(axes: "Axes", floor: float, bars: Sequence[Box], choices: Sequence[str]) -> None:
    """The first of some texts that fits: inside the lowest of the bars, or above the highest if that is too low."""
    start, end = bars[0].span
    inside = bars[-1].inches >= 1.5 * LINE
    height = floor + (0.75 * LINE if inside else bars[0].inches + LINE / 2)
    text = next((text for text in choices if len(text) <= _letters(axes, (start, end))), "")
    _write(axes, (start + end) / 2, height, text, ink=_readable(bars[-1].colour) if inside else INK, ha="center")


def _readable(colour: str) -> str:
    """White or ink, whichever stands out from a colour."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.52 else "white"


def _write_level(axes: "Axes", height: float, text: str) -> None:
    _write(axes, 1.008, height, text, 8, FAINT, transform=axes.get_yaxis_transform())


def _name(axes: "Axes", name: str, remark: str, middle: float) -> None:
    beside = axes.get_yaxis_transform()
    _write(axes, -0.012, middle + (0.09 if remark else 0), name, 11, transform=beside, ha="right")
    _write(axes, -0.012, middle - 0.11, remark, 8.5, FAINT, transform=beside, ha="right")


def _write_around(figure: "Figure", prediction: Prediction, notes: Sequence[str]) -> None:
    """What it is and what came out above the lanes, notes below them."""
    height = figure.get_figheight()
    top = 1 - 0.3 / height
    _write(figure, LEFT / WIDTH, top, _cut(prediction.id, 60), 13, weight="bold")
    _write(figure, 1 - RIGHT / WIDTH, top, caption(prediction), 11, ha="right")
    for number, note in enumerate(reversed(notes)):
        _write(figure, LEFT / WIDTH, (0.14 + LINE * number) / height, note, 8.5, FAINT)


def _notes(prediction: Prediction) -> list[str]:
    """Why something is not there; of many notes the first."""
    notes = ["words made from the sound"] if prediction.transcribed else []
    notes += [" ".join(error.split()) for error in prediction.errors]
    more = [f"and {len(notes) - NOTES + 1} more notes"] if len(notes) > NOTES else []
    return [_cut(note, 140) for note in [*notes[: NOTES - len(more)], *more]]


def _legend(figure: "Figure", lanes: Sequence[Lane], tone: Mapping[str, str], values: bool, bottom: float) -> None:
    from matplotlib.patches import Patch

    seen = set(tone) if values else {label for lane in lanes for shown in lane.shown for label in shown}
    patches = [Patch(color=colour, label=label) for label, colour in tone.items() if label in seen]
    if not all(scores for lane in lanes for scores in lane.scores):
        patches.append(Patch(color=ABSENT, label="absent"))
    place: dict[str, Any] = {"loc": "center", "bbox_to_anchor": ((LEFT + WIDTH - RIGHT) / 2 / WIDTH, bottom)}
    figure.legend(handles=patches, ncols=LEGEND_COLUMNS, frameon=False, fontsize=9, handlelength=1.2, **place)
