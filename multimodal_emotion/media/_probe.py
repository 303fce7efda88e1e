"""What a file says of itself."""

from pathlib import Path
from typing import Any

import av

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._container import (
    chosen,
    frames_from,
    measured_end,
    opened,
    origin,
    stated_end,
)
from multimodal_emotion.media._file import existing
from multimodal_emotion.media._image import opened_image, shown_size
from multimodal_emotion.media._limits import Patience
from multimodal_emotion.media._types import Absent, MediaInfo
from multimodal_emotion.media._video import stored_size, turn

CLOCKWISE = {(True, True, False): 90, (False, True, True): 180, (True, False, True): 270}


def probe(path: str | Path) -> MediaInfo:
    """What a file is and has: sound, pictures, an image; how long, how large. Its content tells, not its name.

    Raises:
        InputError: the file is not there, or is neither sound nor video nor image.
    """
    path = existing(path)
    with opened_image(path) as image:
        if image is not None:
            width, height = shown_size(image)
            return MediaInfo("image", width=width, height=height)
    audio, video = _track(path, "audio"), _track(path, "video")
    if not audio and not video:
        raise InputError(f"{path}: holds neither sound nor pictures")
    end = max(audio.pop("end", 0.0), video.pop("end", 0.0))
    return MediaInfo("video" if video else "audio", end, bool(audio), bool(video), **audio, **video)


def _track(path: Path, kind: str) -> dict[str, Any]:
    """Attributes of `MediaInfo`, and the end of the track; empty if there is none."""
    patience = Patience(path)
    with opened(path, patience) as container:
        try:
            track = chosen(container, kind, path)
        except Absent:
            return {}
        start = max(0.0, float((track.start_time or 0) * (track.time_base or 0)) - origin(container))
        end = stated_end(container, track)
        found: dict[str, Any] = {"end": measured_end(container, track, patience) if end is None else end}
        if isinstance(track, av.AudioStream):
            return found | {"audio_start": start, "rate": track.rate, "channels": track.channels}
        fps = float(track.average_rate) if track.average_rate else None
    return found | {"video_start": start, "fps": fps} | _first_picture(path)


def _first_picture(path: Path) -> dict[str, Any]:
    """Only decoding a picture tells how it is turned."""
    first = next(frames_from(path, "video", 0.0, Patience(path)), None)
    if first is None:
        return {}
    width, height = stored_size(first)
    turned = turn(first.frame)
    if turned[0]:
        width, height = height, width
    return {"width": width, "height": height, "rotation": CLOCKWISE.get(turned, 0)}
