"""Random crops."""

from collections.abc import Callable

from torch import Tensor

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._pictures import OfPictures

AREA: Range = [0.8, 1.0]
PROPORTION: Range = [0.9, 1.1]


class Crop(OfPictures):
    """Cuts out a part and brings it back to the size.

    Label: kept while eyes and mouth stay in: a face fills its picture, so keep most of the area.

    Source: Going Deeper with Convolutions, 2014, arXiv 1409.4842 (there from 0.08 of the area, for objects).
    """

    def __init__(self, *, area: Range = AREA, proportion: Range = PROPORTION, probability: float | int = 0.5) -> None:
        """
        Args:
            area: the least and the greatest share of the area.
            proportion: the least and the greatest change of width to height.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.area = self.span("area", area, 0.01, 1)
        self.proportion = self.span("proportion", proportion, 0.1, 10)

    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The RandomResizedCrop of torchvision."""
        from torchvision.transforms import v2

        return v2.RandomResizedCrop(size, scale=self.area, ratio=self.proportion, antialias=True)
