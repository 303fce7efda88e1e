"""A page that shows predictions: one .html file with everything in it, which asks no other machine for anything."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from multimodal_emotion.files import write_text
from multimodal_emotion.page._contents import Room, contents
from multimodal_emotion.prediction import Prediction

THRESHOLD = 0.5
"""The confidence below which a page says that it is not sure, unless told otherwise."""
MOST = 200
"""Inputs that one page shows."""


@contextmanager
def page_writer(path: str | Path, threshold: float | int | None = None) -> Iterator[Callable[[Prediction], None]]:
    """A function that takes predictions; at the end the page with all of them appears, whole or not at all.

    Args:
        path: the .html file. Files too large to be part of the page are linked relative to it.
        threshold: the confidence below which the page says that it is not sure; whoever reads it can move it.
    """
    reports: list[dict[str, Any]] = []
    room, count = Room(Path(path).parent), 0

    def add(prediction: Prediction) -> None:
        nonlocal count
        count += 1
        if count <= MOST:
            reports.append(contents(prediction, room))

    yield add
    write_text(path, page(reports, threshold, count))


def page(reports: Sequence[Mapping[str, Any]], threshold: float | int | None = None, count: int | None = None) -> str:
    """The whole page as HTML.

    Args:
        reports: what `contents` made of each prediction.
        threshold: see `page_writer`.
        count: of how many inputs these are the reports, if of more.
    """
    total = len(reports) if count is None else count
    left = f"The first {len(reports)} of {total} inputs are shown." if total > len(reports) else ""
    data = {"reports": reports, "left": left, "threshold": THRESHOLD if threshold is None else threshold}
    title = reports[0]["name"] if total == 1 else f"{total} inputs"
    heading = f'<h1 class="hidden">{html.escape(title)}</h1>'
    return document(f"{title} · emotion", data, body=heading)


def document(title: str, data: Mapping[str, Any], body: str = "", script: str = "", style: str = "") -> str:
    """The frame of a page around its data, with a policy that lets a browser run and load nothing but what is in it.

    Args:
        title: plain text.
        data: what report.js draws.
        body: trusted HTML before the reports.
        script, style: added to those of the report; a page with a script of its own may talk to the server it came from.
    """
    scripts, styles = part("report.js") + script, part("report.css") + style
    values = {
        "title": html.escape(title),
        "policy": _policy(scripts, styles, connects=bool(script)),
        "style": styles,
        "body": body,
        "data": as_script_data(data),
        "script": scripts,
    }
    # One pass: what stands in a value is not looked at again, whatever a user wrote there.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], part("page.html"))


def as_script_data(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever text is in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def part(name: str) -> str:
    """The text of a file that the page is made of."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(script: str, style: str, *, connects: bool) -> str:
    """A Content-Security-Policy: this script and this style by their hashes, pictures and media from within, or linked files."""
    rules = {
        "default-src": "'none'",
        "script-src": _source(script),
        "style-src": _source(style),
        "img-src": "data: blob:",
        "media-src": "data: blob: file: 'self'",
        "connect-src": "'self'" if connects else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
