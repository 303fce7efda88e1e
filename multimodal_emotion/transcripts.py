"""Transcripts: words with times, read from .srt and .vtt files, written as .srt."""

import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from multimodal_emotion.errors import InputError
from multimodal_emotion.files import write_text

SUFFIXES = (".srt", ".vtt")

LONGEST_PATH = 4096
ARROW = "-->"
# Hours may be left out (WebVTT), the decimal sign is "," (SubRip) or "." (WebVTT): many files mix the two.
TIME = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
# <i>, <v Speaker>, <00:00:01.000> and {\an8} are about looks
MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said between two moments.

    Attributes:
        start, end: in seconds, end not before start.
        text: one line, or several.
    """

    start: float
    end: float
    text: str


def is_transcript(text: str | None) -> bool:
    """Whether a text is the path of a transcript, by its suffix, and not a sentence."""
    return text is not None and len(text) < LONGEST_PATH and text.lower().endswith(SUFFIXES)


def read_transcript(path: str | Path) -> tuple[Cue, ...]:
    """The cues of an .srt or .vtt file, without markup, in order of time; cues without words are left out.

    Raises:
        InputError: the file is not there, is not UTF-8, has no cue, or has a line of times that cannot be read.

    Source: WebVTT: The Web Video Text Tracks Format, W3C, 2019; SubRip has no standard.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file; a transcript is an .srt or .vtt file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None
    cues = [cue for cue in _cues(lines, path) if cue.text]
    if not cues:
        raise InputError(f"{path}: no words with times; expected lines such as 00:00:01,000 {ARROW} 00:00:02,500")
    return tuple(sorted(cues, key=lambda cue: cue.start))


def write_srt(path: str | Path, cues: Iterable[Cue]) -> None:
    """Writes cues, in the order given, as an .srt file, which appears whole or not at all."""
    write_text(path, "\n".join(_block(number, cue) for number, cue in enumerate(cues, 1)))


def text_between(cues: Sequence[Cue], start: float, end: float) -> str | None:
    """What is said in an interval: the cues that share half of their time, or half of the interval, with it.

    Args:
        cues: of the whole recording.
        start, end: the interval, in seconds.

    Returns:
        The texts on one line; None if nothing is said there.
    """
    said = [
        cue.text
        for cue in cues
        if min(cue.end, end) - max(cue.start, start) >= min(cue.end - cue.start, end - start) / 2
    ]
    return " ".join(" ".join(said).split()) or None


def _cues(lines: Sequence[str], path: Path) -> Iterator[Cue]:
    """The line with an arrow begins a cue; an empty line, or the number and times of the next cue, end it."""
    arrows = [number for number, line in enumerate(lines) if ARROW in line]
    for number, following in pairwise([*arrows, len(lines)]):
        start, end = _times(lines[number], f"{path}, line {number + 1}")
        said = []
        for line in lines[number + 1 : following]:
            if not line.strip():
                break
            said.append(html.unescape(MARKUP.sub("", line)).strip())
        else:
            if following < len(lines) and said and said[-1].isdecimal():
                said.pop()
        yield Cue(start, end, "\n".join(line for line in said if line))


def _times(line: str, where: str) -> tuple[float, float]:
    before, _, after = line.partition(ARROW)
    # WebVTT puts settings, some SubRip files coordinates, after the second time
    found = [TIME.fullmatch(before.strip()), TIME.fullmatch((after.split() or [""])[0])]
    if None in found:
        raise InputError(f"{where}: {line.strip()[:60]!r} is no interval; expected 00:00:01,000 {ARROW} 00:00:02,500")
    start, end = (_seconds(match) for match in found if match is not None)
    if end < start:
        raise InputError(f"{where}: {line.strip()[:60]!r} ends before it begins; the second time must be later")
    return start, end


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _block(number: int, cue: Cue) -> str:
    lines = [line.strip() for line in cue.text.replace(ARROW, "->").splitlines() if line.strip()]
    return "\n".join([str(number), f"{_timestamp(cue.start)} {ARROW} {_timestamp(cue.end)}", *lines, ""])


def _timestamp(seconds: float) -> str:
    thousandths = math.floor(1000 * seconds + 0.5)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02},{thousandths % 1000:03}"
