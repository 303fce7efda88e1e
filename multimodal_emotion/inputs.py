"""What users hand over - a sentence, a path, an `Utterance` - as `Utterance`s."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError

AUDIO = ".wav .flac .mp3 .ogg .oga .opus .m4a .aac .wma .aif .aiff .aifc .au .amr .caf"
IMAGE = ".jpg .jpeg .png .webp .gif .tif .tiff .avif .bmp .ico .pgm .ppm"
VIDEO = ".mp4 .m4v .mkv .webm .avi .flv .mpg .mpeg .mov .wmv .ts .3gp .ogv"
SUFFIXES = {
    suffix: medium
    for medium, suffixes in (("audio", AUDIO), ("image", IMAGE), ("video", VIDEO))
    for suffix in suffixes.split()
}
"""Which medium a file of this suffix is: a string that ends so is taken for a path, any other for a sentence."""

LONGEST_PATH = 4096


def medium_of(item: str | Path) -> str | None:
    """ "audio", "image" or "video" by the suffix; None if it is no media path."""
    return SUFFIXES.get(Path(item).suffix.lower()) if len(str(item)) < LONGEST_PATH else None


def as_utterance(item: Any, id: str) -> Utterance:
    """A sentence, a media path or an `Utterance` as an `Utterance`.

    Args:
        item: what the user handed over.
        id: of a sentence; a file's is its name.

    Raises:
        InputError: another type; a path without a media suffix; a file that is not there.
    """
    if isinstance(item, Utterance):
        return item
    if not isinstance(item, str | Path):
        raise InputError(f"input {id} is {type(item).__name__}; give sentences, media paths or Utterances")
    medium = medium_of(item)
    if medium is None:
        if isinstance(item, Path):
            raise InputError(f"{item}: not a media file; known suffixes: {' '.join(sorted(SUFFIXES))}")
        return Utterance(id=id, text=item)
    if not Path(item).is_file():
        raise InputError(f"{item}: no such file")
    given: dict[str, Any] = {medium: Path(item)}
    return Utterance(id=Path(item).name, **given)


def modalities_of(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """Which of "audio", "image" and "text" some utterance has, sorted."""
    found = set()
    for utterance in utterances:
        found |= {"text"} if utterance.text else set()
        found |= {"audio"} if utterance.audio or utterance.video else set()
        found |= {"image"} if utterance.image or utterance.video else set()
    return tuple(sorted(found))
