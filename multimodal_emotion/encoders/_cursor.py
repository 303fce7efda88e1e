"""Reading numbers and text from the bytes of a weight file."""

import struct
from typing import Any

from multimodal_emotion.errors import InputError


class Cursor:
    """A place in bytes, little endian, that moves on as it reads."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        """The next bytes. Raises InputError where there are not that many."""
        part = self.data[self.place : self.place + count]
        if len(part) < count:
            raise InputError(f"the weight file is cut off: {count} bytes were expected at {self.place}")
        self.place += count
        return part

    def numbers(self, code: str, count: int) -> tuple[Any, ...]:
        """The next numbers of one type, given by its letter in the module struct."""
        layout = f"<{count}{code}"
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def number(self, code: str) -> Any:
        """The next number."""
        return self.numbers(code, 1)[0]
