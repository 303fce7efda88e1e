"""Mirror images."""

from collections.abc import Callable

from torch import Tensor

from multimodal_emotion.augmentation._pictures import OfPictures


class Flip(OfPictures):
    """Exchanges left and right.

    Label: kept; a face in the mirror has the same expression.
    """

    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The horizontal flip of torchvision."""
        from torchvision.transforms import v2

        return v2.RandomHorizontalFlip(p=1.0)
