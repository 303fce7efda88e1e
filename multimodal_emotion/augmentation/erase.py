"""Random erasing."""

from collections.abc import Callable

from torch import Tensor

from multimodal_emotion.augmentation._base import Range
from multimodal_emotion.augmentation._pictures import OfPictures

AREA: Range = [0.02, 0.15]


class Erase(OfPictures):
    """Blackens a rectangle.

    Label: kept mostly; what hides a mouth or both eyes can hide the expression, so keep the area small.

    Source: Random Erasing Data Augmentation, 2017, arXiv 1708.04896.
    """

    def __init__(self, *, area: Range = AREA, probability: float | int = 0.5) -> None:
        """
        Args:
            area: the least and the greatest share of the area.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.area = self.span("area", area, 0.001, 1)

    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The RandomErasing of torchvision."""
        from torchvision.transforms import v2

        return v2.RandomErasing(p=1.0, scale=self.area)
