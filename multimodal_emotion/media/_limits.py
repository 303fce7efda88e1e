"""How much one call may decode: a hostile file ends in an error, not in an exhausted machine."""

import time
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
PATIENCE = 8.0
"""Processor seconds that a decoder may work without a result: 250 frames of 4K between two key frames take six."""


class Patience:
    """Ends a decoder that works without giving anything.

    It counts processor time of this thread, not time of day: a busy machine or a slow disk does not make a file broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.renew()

    def renew(self) -> None:
        """A result has been given: the count starts again."""
        self._start = time.thread_time()

    @property
    def over(self) -> bool:
        """Whether too much time has gone since the last result."""
        return time.thread_time() - self._start > PATIENCE

    def check(self) -> None:
        """
        Raises:
            InputError: too much time has gone since the last result.
        """
        if self.over:
            raise InputError(f"{self.path}: gave up after {PATIENCE:g} s of decoding without a result; is it damaged?")


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
