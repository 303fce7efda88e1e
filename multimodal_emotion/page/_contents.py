"""What a page shows of a prediction, as JSON types: scores, colours, the file itself, loudness, faces."""

import base64
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from multimodal_emotion import faces, media
from multimodal_emotion.errors import InputError
from multimodal_emotion.inputs import medium_of
from multimodal_emotion.prediction import Prediction
from multimodal_emotion.timeline_plot import colours

EMBEDDED = 48 * 2**20
"""Bytes of media that one page holds; what goes beyond is linked."""
PLAYABLE = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg",
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg",
    ".m4a": "audio/mp4", ".aac": "audio/aac", ".flac": "audio/flac",
}  # fmt: skip
"""What browsers play, as which type."""
PICTURE, FACE = 1280, 176
"""Pixels: the longer side of a picture in the page, the side of a face."""
FACES = 5
"""Faces in a report at most."""
LEVELS = 600
"""Values of the drawing of loudness."""
LISTEN = 30.0
"""Seconds of sound held at a time."""
ABSENT = re.compile(r"(\w+) is absent: (.*)", re.DOTALL)


class Room:
    """How much of media a page can still hold, and where it lies, for links.

    Args:
        folder: of the page.
        size: in bytes.
    """

    def __init__(self, folder: Path, size: int = EMBEDDED) -> None:
        self.folder, self.left = folder, size

    def takes(self, path: Path) -> bool:
        """Whether there is room for the file; if so, it is taken."""
        size = path.stat().st_size
        fits = size <= self.left
        self.left -= size if fits else 0
        return fits


def contents(prediction: Prediction, room: Room) -> dict[str, Any]:
    """What the page shows of a prediction.

    Args:
        prediction: with its windows. What cannot be shown of its file is left out and said.
        room: for the file; less is left afterwards.
    """
    items = (prediction, *prediction.windows)
    labels = dict.fromkeys(label for item in items for label in item.scores)
    absent = [match.groups() for error in prediction.errors if (match := ABSENT.fullmatch(error))]
    kind = (medium_of(prediction.source) if prediction.source else None) or "text"
    timed = prediction.source is not None and kind != "image" and bool(prediction.windows)
    return {
        **_shown(prediction),
        "name": "A sentence" if kind == "text" and not prediction.windows else prediction.id,
        "kind": kind,
        "tones": colours(labels),
        "absent": absent,
        "notes": [error for error in prediction.errors if not ABSENT.fullmatch(error)],
        "transcribed": prediction.transcribed,
        "windows": [_shown(window) for window in prediction.windows],
        "media": _medium(prediction.source, kind, room) if prediction.source else None,
        "seconds": media.probe(prediction.source).duration if timed and prediction.source else None,
        "loudness": loudness(prediction.source) if timed and prediction.source else [],
        "faces": list(_faces(prediction)) if timed and kind == "video" else [],
    }


def _shown(item: Prediction) -> dict[str, Any]:
    """The part that windows have too."""
    plain = item.to_dict()
    return {
        "label": plain["label"],
        "scores": plain["scores"],
        "present": plain["present"],
        "text": item.text,
        "start": item.start or 0.0,
        "end": item.end or 0.0,
        "opinions": plain.get("opinions", {}),
        "shares": plain.get("shares", {}),
        "dimensions": plain.get("dimensions", {}),
        "scale": plain.get("scale"),
    }


def _medium(path: Path, kind: str, room: Room) -> dict[str, Any]:
    """The file as the page plays it: inside, linked, or not at all, which a note says."""
    if kind == "image":
        return {"source": _jpeg(media.read_image(path), PICTURE), "embedded": True}
    suffix = path.suffix.lower()
    if suffix not in PLAYABLE:
        return {
            "source": None,
            "embedded": False,
            "note": f"Browsers do not play {suffix} files; the timeline stands alone.",
        }
    if room.takes(path):
        return {"source": _data(PLAYABLE[suffix], path.read_bytes()), "embedded": True}
    size = path.stat().st_size / 2**20
    link = quote(Path(os.path.relpath(path.resolve(), room.folder.resolve())).as_posix())
    return {
        "source": link,
        "embedded": False,
        "note": f"The file has {size:.0f} MB: it is linked, not part of this page.",
    }


def loudness(path: Path, count: int = LEVELS) -> list[float]:
    """How loud a recording is in equal parts of it, 1 at the loudest; empty where there is no sound that can be read."""
    try:
        length = media.probe(path).duration or 0.0
        blocks = media.stream_audio(path, rate=16000, seconds=max(0.01, min(LISTEN, length)))
        parts = [_levels(block.samples, block.rate * length / count) for _, block in blocks] if length else []
    except InputError:
        return []
    levels = np.concatenate(parts) if parts else np.zeros(0)
    top = float(levels.max(initial=0.0))
    return [round(float(level / top), 2) for level in levels[:count]] if top > 0 else []


def _levels(samples: np.ndarray, step: float) -> np.ndarray:
    """Root mean squares of parts of `step` samples."""
    starts = np.arange(0, len(samples), max(1.0, step)).astype(int)
    sizes = np.diff(np.append(starts, len(samples)))
    return np.sqrt(np.add.reduceat(samples.astype(np.float64) ** 2, starts) / sizes)


def _faces(prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Faces from the middle of the windows that are most certain, one of each label first, in order of time."""
    for number in _peaks(prediction):
        window = prediction.windows[number]
        try:
            frames = media.read_frames(prediction.source, window.start, window.end, count=3)  # type: ignore[arg-type]
            crops = faces.crop_faces(frames.pixels, size=FACE, fallback="absent") if frames else None
        except InputError:
            continue
        if frames is not None and crops is not None:
            middle = len(crops.index) // 2
            time = float(frames.times[crops.index[middle]])
            yield {"window": number, "time": time, "source": _jpeg(crops.pixels[middle], FACE)}


def _peaks(prediction: Prediction) -> list[int]:
    """The numbers of the windows, in order, whose faces are shown."""
    windows = prediction.windows
    sure = [number for number, item in enumerate(windows) if item.confidence is not None and _sees(item)]
    sure.sort(key=lambda number: -(windows[number].confidence or 0.0))
    best: dict[str, int] = {}
    for number in sure:
        best.setdefault(_first(windows[number].scores), number)
    chosen = list(best.values())[:FACES]
    return sorted([*chosen, *(number for number in sure if number not in chosen)][:FACES])


def _sees(item: Prediction) -> bool:
    return any(name not in ("audio", "text") for name in item.present)


def _first(scores: Mapping[str, float]) -> str:
    return max(scores, key=lambda label: scores[label])


def _jpeg(pixels: np.ndarray, side: int) -> str:
    """A picture as part of the page: upright and without what its file tells of camera and place."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=86)
    return _data("image/jpeg", buffer.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
