"""What augmentations of pictures share: torchvision changes them, all frames of a clip alike."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from multimodal_emotion.augmentation._base import Augmentation


class OfPictures(Augmentation):
    """Changes the pictures that the encoder gets: of its size, faces cut out, before colours are normalised."""

    medium: ClassVar[str] = "image"
    prepared: ClassVar[bool] = True

    def __call__(
        self, value: UInt8[np.ndarray, "time channels height width"], generator: np.random.Generator
    ) -> UInt8[np.ndarray, "time channels height width"]:
        """The changed pictures."""
        # torchvision draws from torch's own random numbers, which belong to the training step: they are put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(generator.integers(2**62)))
            return self.transform(value.shape[-2:])(torch.from_numpy(np.array(value))).numpy()

    @abstractmethod
    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The transform of (time, channels, height, width) for pictures of this height and width, by torchvision."""
