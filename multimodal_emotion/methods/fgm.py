"""FGM: adversarial training against one step uphill."""

from multimodal_emotion.methods.pgd import Pgd


class Fgm(Pgd):
    """The fast gradient method: one step, of the whole length.

    Source: Adversarial Training Methods for Semi-Supervised Text Classification, 2016, arXiv 1605.07725.
    """

    name = "fgm"

    def __init__(self, *, epsilon: float | int = 0.02, weight: float | int = 1.0) -> None:
        """
        Args:
            epsilon: length of the perturbation, as a share of the length of what it is added to.
            weight: of the adversarial loss.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(epsilon=epsilon, steps=1, stride=epsilon, weight=weight)
