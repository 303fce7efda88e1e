"""PGD: adversarial training against several small steps uphill."""

from collections.abc import Sequence

from torch import Tensor

from multimodal_emotion.config import Config, in_range
from multimodal_emotion.methods._base import Method, Step, refuse_frozen
from multimodal_emotion.methods._entrances import adding, entrances, gradients, norm, scaled, those, within
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task


class Pgd(Method):
    """The loss under a perturbation that raises it, found by projected gradient ascent, is added to the loss.

    The perturbation of a row is at most epsilon times as long as what the first layer gives for that row, so that words,
    sound and pictures need no scale of their own.

    Source: Towards Deep Learning Models Resistant to Adversarial Attacks, 2017, arXiv 1706.06083.
    """

    name = "pgd"
    perturbs = True

    def __init__(
        self, *, epsilon: float | int = 0.02, steps: int = 3, stride: float | int = 0.01, weight: float | int = 1.0
    ) -> None:
        """
        Args:
            epsilon: longest perturbation, as a share of the length of what it is added to.
            steps: uphill.
            stride: length of a step, likewise as a share.
            weight: of the adversarial loss.

        Raises:
            InputError: a value out of its range.
        """
        self.epsilon = in_range(f"training.methods.{self.name}.epsilon", epsilon, 0, 1)
        self.steps = in_range(f"training.methods.{self.name}.steps", steps, 1)
        self.stride = in_range(f"training.methods.{self.name}.stride", stride, 0, 1)
        self.weight = in_range(f"training.methods.{self.name}.weight", weight, 0)

    def check_config(self, config: Config) -> None:
        """Refuses encoders that are all frozen."""
        refuse_frozen(config, self.name, "perturb")

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses a model whose encoders are all frozen."""
        entrances(model, self.name)

    def extra(self, step: Step) -> Tensor:
        """The loss under the perturbation."""
        with adding(step.entrances, those(self.attack(step))):
            return self.weight * step.measure(step.again(), step.target)

    def attack(self, step: Step) -> list[Tensor]:
        """The perturbation of each call of the step's entrances."""
        # The first step uphill is from the plain pass.
        found = self.climbed(step.seen.given, step.seen.added, step.slope)
        for _ in range(self.steps - 1):
            leaves = [delta.requires_grad_() for delta in found]
            with adding(step.entrances, those(leaves)) as (given, added):
                loss = step.measure(step.again(), step.target)
            found = self.climbed(given, added, gradients(loss, added))
        return found

    def climbed(self, given: Sequence[Tensor], added: Sequence[Tensor], uphill: Sequence[Tensor]) -> list[Tensor]:
        """Perturbations a stride further uphill, brought back into the ball.

        Args:
            given: what the layers gave.
            added: the perturbations so far.
            uphill: the gradient of the loss for each.
        """
        return [
            within(delta.detach() + scaled(gradient, self.stride * norm(state)), self.epsilon * norm(state))
            for delta, gradient, state in zip(added, uphill, given, strict=True)
        ]
