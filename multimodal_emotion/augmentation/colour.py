"""Light and colours."""

from collections.abc import Callable

from torch import Tensor

from multimodal_emotion.augmentation._pictures import OfPictures
from multimodal_emotion.config import in_range


class Colour(OfPictures):
    """Changes brightness, contrast, saturation and hue.

    Label: kept; hue is changed little, since a face that blushes or turns pale tells something.
    """

    def __init__(
        self,
        *,
        brightness: float | int = 0.3,
        contrast: float | int = 0.3,
        saturation: float | int = 0.3,
        hue: float | int = 0.02,
        probability: float | int = 0.5,
    ) -> None:
        """
        Args:
            brightness, contrast, saturation: largest change, as a share.
            hue: largest turn, as a share of the circle; at most 0.5.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.brightness = in_range(self.setting("brightness"), brightness, 0, 1)
        self.contrast = in_range(self.setting("contrast"), contrast, 0, 1)
        self.saturation = in_range(self.setting("saturation"), saturation, 0, 1)
        self.hue = in_range(self.setting("hue"), hue, 0, 0.5)

    def transform(self, size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """The ColorJitter of torchvision."""
        from torchvision.transforms import v2

        return v2.ColorJitter(self.brightness, self.contrast, self.saturation, self.hue)
