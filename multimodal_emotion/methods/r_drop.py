"""R-Drop: two passes with different dropout should say the same."""

from torch import Tensor

from multimodal_emotion.config import in_range
from multimodal_emotion.methods._base import Method, Step


class RDrop(Method):
    """A second pass adds its own loss, and alpha times how far the two are from each other.

    Source: R-Drop: Regularized Dropout for Neural Networks, 2021, arXiv 2106.14448.
    """

    shares = True

    def __init__(self, *, alpha: float | int = 1.0) -> None:
        """
        Args:
            alpha: weight of the symmetric divergence.

        Raises:
            InputError: a value out of its range.
        """
        self.alpha = in_range("training.methods.r_drop.alpha", alpha, 0)

    def extra(self, step: Step) -> Tensor:
        """The second loss and the divergence."""
        first = step.output.logits
        # The next random numbers, not the same again.
        output = step.run()
        apart = 0.5 * (step.divergence(first, output.logits) + step.divergence(output.logits, first))
        return step.measure(output, step.target) + self.alpha * apart
