"""Releases that hold their pictures packed: they are unpacked once, into the cache."""

import hashlib
import zipfile
from pathlib import Path

from multimodal_emotion.errors import InputError
from multimodal_emotion.files import cache_folder, replacing_folder

LARGEST = 16 << 30
"""Bytes that an archive may unpack to."""


def unpacked_folder(kind: str, source: Path) -> Path:
    """Where the cache keeps what comes out of a file; another folder when the file changes."""
    state = source.stat()
    name = f"{source.resolve()}:{state.st_size}:{state.st_mtime_ns}"
    return cache_folder() / kind / hashlib.sha256(name.encode()).hexdigest()[:16]


def unzip(kind: str, archive: Path) -> Path:
    """The folder with the content of a zip archive, unpacked if it is not yet.

    Args:
        kind: what the archive belongs to; a folder of the cache.
        archive: the file.

    Raises:
        InputError: it is no archive, it is damaged, or it unpacks to more than LARGEST.
    """
    folder = unpacked_folder(kind, archive)
    if folder.is_dir():
        return folder
    try:
        with zipfile.ZipFile(archive) as opened, replacing_folder(folder) as place:
            size = sum(member.file_size for member in opened.infolist())
            if size > LARGEST:
                raise InputError(f"{archive}: unpacks to {size >> 30} GB; at most {LARGEST >> 30} GB are unpacked")
            opened.extractall(place)
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: not a zip archive, or a damaged one ({error}); download it again") from error
    return folder
