"""How much one call may decode: a hostile file ends in an error, not in an exhausted machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multimodal_emotion.errors import InputError

MAX_SAMPLES = 2**25
"""Samples that one call returns: 35 minutes at 16 kHz, 128 MiB."""
MAX_SOURCE_SAMPLES = 2**28
"""Samples of all channels that one call decodes to get there: 46 minutes of 48 kHz stereo."""
MAX_FRAME_PIXELS = 2**25
"""Pixels of a stored frame: one of 8K has 33 million."""
MAX_IMAGE_PIXELS = 50_000_000
"""Pixels of a still image: what the cameras of telephones give."""
MAX_FRAME_BYTES = 2**28
"""Bytes of pictures that one call returns: 256 MiB, 97 frames of 1280 x 720."""
RATES = (100, 768_000)
"""Sample rates, in hertz, that are taken for true."""
LOUDEST = 1e6
"""Samples are floats around -1 to 1; some files hold integers as floats. Anything beyond is damage."""
MAX_BYTES = 2**27
"""Bytes that a decoder may read without giving a packet or an image: it may have to hold them all."""
PATIENCE = 6.0
"""Processor seconds that a decoder may work without a result: 250 frames of 4K between two key frames take five."""


class Patience:
    """Ends a decoder that works, or reads, without giving anything.

    It counts processor time of this thread, not time of day: a busy machine or a slow disk does not make a file broken.
    """

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: of the file, for the message.
        """
        self.path = path
        self._start = time.thread_time()
        self._read = 0

    @property
    def over(self) -> bool:
        """Whether too much has been spent."""
        return self._read > MAX_BYTES or time.thread_time() - self._start > PATIENCE

    def spend(self, read: int) -> None:
        """So many bytes have been read."""
        self._read += read

    def renew(self, result: bool = True) -> None:
        """The decoder gave a result, or at least (False) a packet of the file: the time, the bytes count anew."""
        self._read = 0
        if result:
            self._start = time.thread_time()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """What is done meanwhile is not the decoder's work, but that of whoever takes what it gave."""
        began = time.thread_time()
        try:
            yield
        finally:
            self._start += time.thread_time() - max(began, self._start)

    def check(self) -> None:
        """
        Raises:
            InputError: too much has been spent since the last result.
        """
        if self.over:
            raise InputError(
                f"{self.path}: gave up after {PATIENCE:g} s, or {MAX_BYTES >> 20} MiB, that gave nothing; is it damaged?"
            )


def check_interval(path: Path, start: float | int | None, end: float | int | None) -> tuple[float, float]:
    """The interval with its open ends filled in: 0 and infinity.

    Raises:
        InputError: it is not one, such as an end before the start.
    """
    first = 0.0 if start is None else float(start)
    last = float("inf") if end is None else float(end)
    if not 0 <= first < last:
        raise InputError(
            f"{path}: the interval from {first:g} s to {last:g} s is empty; give 0 <= start < end, in seconds"
        )
    return first, last
