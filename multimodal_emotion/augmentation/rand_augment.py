"""RandAugment."""

from collections.abc import Callable

from torch import Tensor

from multimodal_emotion.augmentation._pictures import OfPictures
from multimodal_emotion.config import in_range

LARGEST = 30


class RandAugment(OfPictures):
    """Some changes out of fourteen, drawn at random: turns, shears, shifts, light, contrast, sharpness, solarising.

    Label: kept at small magnitudes; shears and turns bend a mouth, so that beyond about 9 of 30 the expression suffers.

    Source: RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, 2019, arXiv 1909.13719.
    """

    def __init__(self, *, count: int = 2, magnitude: int = 5, probability: float | int = 0.5) -> None:
        """
        Args:
            count: changes one after the other.
            magnitude: of each, up to 30.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.count = in_range(self.setting("count"), count, 1)
        self.magnitude = in_range(self.setting("magnitude"), magnitude, 0, LARGEST)

    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The RandAugment of torchvision."""
        from torchvision.transforms import v2

        return v2.RandAugment(self.count, self.magnitude, LARGEST + 1)
