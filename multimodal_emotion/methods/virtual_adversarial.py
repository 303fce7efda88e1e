"""Virtual adversarial training: what the model says should hold in every direction around an utterance; labels do not matter."""

import torch
from torch import Tensor

from multimodal_emotion.config import in_range
from multimodal_emotion.methods._base import Method, Step
from multimodal_emotion.methods._entrances import adding, entrances, gradients, norm, scaled
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task

NAME = "virtual_adversarial"


class VirtualAdversarial(Method):
    """The divergence under the perturbation that changes the output most is added to the loss.

    Source: Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning, 2017,
        arXiv 1704.03976.
    """

    def __init__(
        self, *, epsilon: float | int = 0.1, probe: float | int = 0.01, steps: int = 1, weight: float | int = 1.0
    ) -> None:
        """
        Args:
            epsilon: length of the perturbation, as a share of the length of what it is added to.
            probe: length at which the direction is sought, likewise.
            steps: of the power iteration that seeks it.
            weight: of the divergence.

        Raises:
            InputError: a value out of its range.
        """
        self.epsilon = in_range(f"training.methods.{NAME}.epsilon", epsilon, 0, 1)
        self.probe = in_range(f"training.methods.{NAME}.probe", probe, 1e-6, 1)
        self.steps = in_range(f"training.methods.{NAME}.steps", steps, 1)
        self.weight = in_range(f"training.methods.{NAME}.weight", weight, 0)

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses a model whose encoders are all frozen."""
        entrances(model, NAME)

    def extra(self, step: Step) -> Tensor:
        """The divergence under the perturbation."""
        said = step.output.logits.detach()
        layers = entrances(step.model, NAME)
        directions: list[Tensor] = []

        def seek(call: int, given: Tensor) -> Tensor:
            direction = directions[call] if directions else self.random(step.seed + call, given)
            return scaled(direction, self.probe * norm(given)).detach().requires_grad_()

        for _ in range(self.steps):
            with adding(layers, seek) as (_, added):
                apart = step.divergence(said, step.again().logits)
            directions = gradients(apart, added)
        with adding(layers, lambda call, given: scaled(directions[call], self.epsilon * norm(given))):
            return self.weight * step.divergence(said, step.again().logits)

    @staticmethod
    def random(seed: int, like: Tensor) -> Tensor:
        """A random direction, from a generator of its own: the dropout of the pass must stay the same."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator).to(like)
