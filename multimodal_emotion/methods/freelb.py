"""FreeLB: adversarial training in which every step uphill also teaches."""

from functools import partial

import torch
from torch import Tensor

from multimodal_emotion.methods._base import Step
from multimodal_emotion.methods._entrances import adding, norm, taken
from multimodal_emotion.methods.pgd import Pgd


class FreeLb(Pgd):
    """The mean of the losses under the perturbations on the way uphill takes the place of the plain loss.

    One backward pass gives the gradient of the weights and that of the perturbation, so that `steps` cost as many passes, and
    not one more. The way begins at a random place within the ball; dropout stays the same on it.

    Source: FreeLB: Enhanced Adversarial Training for Natural Language Understanding, 2019, arXiv 1909.11764.
    """

    name = "freelb"
    replaces = True

    def __init__(self, *, epsilon: float | int = 0.02, steps: int = 3, stride: float | int = 0.01) -> None:
        """
        Args:
            epsilon: longest perturbation, as a share of the length of what it is added to.
            steps: losses whose gradients are averaged; with one of them, the perturbation is random.
            stride: length of a step uphill, likewise as a share.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(epsilon=epsilon, steps=steps, stride=stride)

    def extra(self, step: Step) -> Tensor:
        """The mean loss, whose gradient is taken already."""
        found: list[Tensor] = []
        total = torch.zeros(())
        for _ in range(self.steps):
            with adding(step.entrances, partial(self.place, found, step.seed)) as (given, added):
                loss = step.measure(step.again(), step.target) / self.steps
            step.learn(loss)
            total = total.to(loss.device) + loss.detach()
            found = self.climbed(given, added, [taken(delta) for delta in added])
        return total

    def place(self, found: list[Tensor], seed: int, call: int, given: Tensor) -> Tensor:
        """Where the way has led so far, or where it begins, as a leaf that gets a gradient."""
        delta = found[call] if found else random_start(seed + call, given, self.epsilon)
        return delta.detach().requires_grad_()


def random_start(seed: int, given: Tensor, epsilon: float | int) -> Tensor:
    """Uniform noise within the ball around each row: between -1 and 1 times epsilon x length of the row / root of its size."""
    generator = torch.Generator().manual_seed(seed)
    noise = 2 * torch.rand(given.shape, generator=generator).to(given) - 1
    return noise * (epsilon * norm(given) / given[0].numel() ** 0.5)
