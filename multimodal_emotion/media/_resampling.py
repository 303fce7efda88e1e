"""Sample rate conversion of a stream of blocks; the result does not depend on how the stream is cut."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32
from torchaudio.transforms import Resample

from multimodal_emotion.errors import InputError

ZERO_CROSSINGS = 64
"""Length of the filter. torchaudio's default of 6 lets a 9 kHz tone into 16 kHz sound at -17 dB; with 64 it is at
-87 dB, and the pass band is flat to 7.7 kHz."""
ROLLOFF = 0.99
KERNEL_SIZE = 2**20
"""Weights in a kernel of torchaudio's; for 22,222 to 16,000 Hz it would have 90 million, most of them zero."""
TABLE_SIZE = 2**23
"""Weights in our own table for such rates; whatever needs more is no rate of a recording (above 60 kHz and odd)."""
OUTPUTS_AT_ONCE = 2**14


class Resampler:
    """Converts blocks of mono sound from one sample rate to another, as if they were one.

    Windowed-sinc interpolation as in `torchaudio.transforms.Resample`, with a Hann window over 64 zero crossings.

    Source: Smith, "Digital Audio Resampling Home Page", 2002 (bandlimited interpolation).
    """

    def __init__(self, source: int, target: int) -> None:
        """
        Args:
            source: sample rate of the blocks, in hertz.
            target: sample rate wanted, in hertz.

        Raises:
            InputError: the rates have too little in common.
        """
        divisor = math.gcd(source, target)
        self.source, self.target = source, target
        # each period of `inputs` samples gives `outputs` samples
        self.inputs, self.outputs = source // divisor, target // divisor
        self.reach = _reach(self.inputs, self.outputs)
        if self.outputs * (2 * self.reach + 1) > TABLE_SIZE:
            raise InputError(
                f"cannot convert a sample rate of {source} Hz to {target} Hz; resample the file by other means"
            )
        self._buffer = np.zeros(self.reach, dtype=np.float32)
        self._taken = self._given = 0

    def push(self, block: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " time2"]:
        """The converted samples that this block completes."""
        self._taken += len(block)
        self._buffer = np.concatenate([self._buffer, block])
        periods = (len(self._buffer) - 2 * self.reach) // self.inputs
        if periods <= 0:
            return np.zeros(0, dtype=np.float32)
        converted = self._convert(self._buffer[: periods * self.inputs + 2 * self.reach], periods)
        self._buffer = self._buffer[periods * self.inputs :]
        self._given += len(converted)
        return converted

    def flush(self) -> Float32[np.ndarray, " time"]:
        """The last samples, as if silence followed."""
        missing = math.ceil(self._taken * self.outputs / self.inputs) - self._given
        return self.push(np.zeros(self.reach + self.inputs, dtype=np.float32))[:missing]

    def _convert(self, samples: Float32[np.ndarray, " time"], periods: int) -> Float32[np.ndarray, " time2"]:
        """Whole periods; the samples reach `reach` beyond them on either side."""
        if self.outputs * (2 * self.reach + self.inputs) <= KERNEL_SIZE:
            kernel = _kernel(self.inputs, self.outputs)
            filtered = torch.nn.functional.conv1d(torch.from_numpy(samples)[None, None], kernel, stride=self.inputs)
            return filtered[0].T.reshape(-1).numpy()
        weights = _phases(self.inputs, self.outputs)
        windows = np.lib.stride_tricks.sliding_window_view(samples, 2 * self.reach + 1)
        converted = np.empty(periods * self.outputs, dtype=np.float32)
        for first in range(0, len(converted), OUTPUTS_AT_ONCE):
            number = np.arange(first, min(first + OUTPUTS_AT_ONCE, len(converted)))
            whole, phase = np.divmod(number * self.inputs, self.outputs)
            converted[number] = np.einsum("nk,nk->n", windows[whole], weights[phase])
        return converted


def _reach(inputs: int, outputs: int) -> int:
    """How many input samples the filter reaches to either side."""
    return math.ceil(ZERO_CROSSINGS * inputs / (min(inputs, outputs) * ROLLOFF))


@lru_cache(maxsize=16)
def _kernel(inputs: int, outputs: int) -> torch.Tensor:
    # in double precision: torchaudio would round the phases
    kernel = Resample(inputs, outputs, lowpass_filter_width=ZERO_CROSSINGS, rolloff=ROLLOFF, dtype=torch.float64).kernel
    return kernel.float()


@lru_cache(maxsize=2)
def _phases(inputs: int, outputs: int) -> Float32[np.ndarray, "phases taps"]:
    """The weights of the samples around a position, for each fraction of a sample that positions can have."""
    reach = _reach(inputs, outputs)
    taps = np.arange(-reach, reach + 1)
    table = np.empty((outputs, len(taps)), dtype=np.float32)
    cutoff = ROLLOFF * min(1, outputs / inputs)
    for rows in np.array_split(np.arange(outputs), 1 + outputs // 1000):
        crossings = (taps - rows[:, None] / outputs) * cutoff
        crossings = np.clip(crossings, -ZERO_CROSSINGS, ZERO_CROSSINGS)
        table[rows] = cutoff * np.sinc(crossings) * np.cos(crossings * (np.pi / 2 / ZERO_CROSSINGS)) ** 2
    return table
