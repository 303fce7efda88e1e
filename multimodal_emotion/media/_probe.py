"""What a file says of itself."""

from pathlib import Path
from typing import Any

import av

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._container import Track, chosen, end_of_track, existing, frames_from, opened, origin
from multimodal_emotion.media._image import identified, shown_size
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
    image = identified(path)
    if image is not None:
        with image:
            width, height = shown_size(image)
            return MediaInfo("image", width=width, height=height)
    found: dict[str, Any] = {}
    kinds = []
    with opened(path) as container:
        for kind in ("audio", "video"):
            try:
                found |= _of_track(chosen(container, kind, path), origin(container))
            except Absent:
                continue
            kinds.append(kind)
    if not kinds:
        raise InputError(f"{path}: holds neither sound nor pictures")
    if "video" in kinds:
        found |= _of_first_picture(path)
    duration = max(end_of_track(path, kind) for kind in kinds)
    return MediaInfo(kinds[-1], duration=duration, has_audio="audio" in kinds, has_video="video" in kinds, **found)


def _of_track(track: Track, zero: float) -> dict[str, Any]:
    start = max(0.0, float((track.start_time or 0) * (track.time_base or 0)) - zero)
    if isinstance(track, av.AudioStream):
        return {"audio_start": start, "rate": track.rate, "channels": track.channels}
    return {"video_start": start, "fps": float(track.average_rate) if track.average_rate else None}


def _of_first_picture(path: Path) -> dict[str, Any]:
    """Only decoding a picture tells how it is turned."""
    first = next(frames_from(path, "video", 0.0, Patience(path)), None)
    if first is None:
        return {}
    width, height = stored_size(first)
    turned = turn(first.frame)
    if turned[0]:
        width, height = height, width
    return {"width": width, "height": height, "rotation": CLOCKWISE.get(turned, 0)}
