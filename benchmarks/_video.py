"""Long videos, made by repeating the packets of short ones: nothing is encoded anew, so that even two hours take seconds."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from _measure import Skip, corpus

PAUSE = Fraction(1, 5)
"""Seconds between two clips: packets of reordered pictures are decoded before they are shown, and must not overlap."""


def clips() -> list[Path]:
    """Real clips of an actor, each of some seconds."""
    found = sorted((corpus("ravdess_av_mini") / "video_256p").glob("01-*.mp4"))
    if not found:
        raise Skip("no .mp4 in ravdess_av_mini/video_256p")
    return found


def repeated(paths: Sequence[Path], seconds: float, target: Path) -> Path:
    """Writes the clips one after the other, over and over, until they last so many seconds.

    Args:
        paths: videos with sound, all of one encoding.
        seconds: at least.
        target: an .mp4 file.
    """
    with av.open(str(target), "w") as output:
        streams: dict[str, Any] = {}
        offset, number = Fraction(0), 0
        while offset < seconds:
            with av.open(str(paths[number % len(paths)])) as source:
                end = offset
                tracks = [source.streams.video[0], source.streams.audio[0]]
                if not streams:
                    streams = {track.type: output.add_stream_from_template(track) for track in tracks}
                for packet in source.demux(tracks):
                    if packet.dts is None or packet.time_base is None:
                        continue
                    shift = round(offset / packet.time_base)
                    packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                    packet.stream = streams[packet.stream.type]
                    output.mux(packet)
            offset, number = end + PAUSE, number + 1
    return target


def small(source: Path, target: Path, side: int = 64, rate: int = 5) -> Path:
    """Writes the same video with small pictures, few of them, and the same sound.

    Args:
        source: a video with sound.
        target: an .mp4 file.
        side: width of the pictures, in pixels.
        rate: pictures a second.
    """
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        copied = output.add_stream_from_template(sound)
        written = output.add_stream("h264", rate=rate)
        written.width, written.height = side, side * picture.height // picture.width // 2 * 2
        written.pix_fmt = "yuv420p"
        shown = 0
        for packet in container.demux([picture, sound]):
            if packet.stream is sound and packet.dts is not None:
                packet.stream = copied
                output.mux(packet)
            elif packet.stream is picture:
                for frame in packet.decode():
                    if frame.time is not None and frame.time * rate >= shown:
                        image = frame.reformat(written.width, written.height, "yuv420p")
                        image.pts, image.time_base = shown, Fraction(1, rate)
                        output.mux(written.encode(image))
                        shown += 1
        output.mux(written.encode(None))
    return target
