"""The file behind a decoder."""

import io
import os
import struct
from pathlib import Path

from multimodal_emotion.errors import InputError
from multimodal_emotion.media._limits import Patience


def existing(path: str | Path) -> Path:
    """The path of a file that is there.

    Raises:
        InputError: it is not there, is no file, or may not be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: " + ("not a file" if path.exists() else "no such file"))
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read")
    return path


class PatientFile(io.BufferedReader):
    """A file that ends when patience does: some readers look through endless zeros for something to decode.

    Decoders are given this file and not its path, so that they judge it by its content, not by its name.
    """

    name = "<media>"

    def __init__(self, path: Path, patience: Patience) -> None:
        """
        Args:
            path: of the file.
            patience: where it is over, the file seems to end.
        """
        super().__init__(io.FileIO(path))
        self.patience = patience

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, as any file gives them."""
        if self.patience.over:
            return b""
        content = super().read(size)
        self.patience.spend(len(content))
        return content


def check_riff(file: PatientFile) -> None:
    """Refuses a wav or avi file that states more descriptive text than it has.

    ffmpeg reserves and clears memory of the stated length, up to 2 GiB, before it reads the text.

    Raises:
        InputError: it does.
    """
    size = os.fstat(file.fileno()).st_size
    position = 12 if file.read(4) == b"RIFF" else size
    while position < size:
        file.seek(position)
        name, length, kind = struct.unpack("<4sI4s", file.read(12).ljust(12))
        if (name, kind) == (b"LIST", b"INFO") and position + 8 + length > size:
            raise InputError(f"{file.patience.path}: states {length} bytes of description, which it does not have")
        inside = name == b"LIST" and kind not in (b"INFO", b"movi")
        position += 12 if inside else 8 + length + length % 2
        if file.patience.over:
            break
    file.seek(0)
