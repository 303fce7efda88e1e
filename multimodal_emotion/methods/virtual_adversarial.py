"""Virtual adversarial training: what the model says should hold in every direction around an utterance; labels do not matter."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, in_range
from multimodal_emotion.methods._base import Method, Step, decides_for_words, refuse_frozen
from multimodal_emotion.methods._entrances import adding, entrances, gradients, norm, scaled
from multimodal_emotion.methods._unlabelled import Draws, read_unlabelled
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task

NAME = "virtual_adversarial"

UNLABELLED = f"training.methods.{NAME}.unlabelled"


class VirtualAdversarial(Method):
    """The divergence under the perturbation that changes the output most is added to the loss.

    With `unlabelled`, each step also takes as many utterances as its batch has from there; the divergence is the mean over
    both.

    Source: Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning, 2017,
        arXiv 1704.03976.
    """

    perturbs = True

    def __init__(
        self,
        *,
        epsilon: float | int = 0.1,
        probe: float | int = 0.01,
        steps: int = 1,
        weight: float | int = 1.0,
        unlabelled: str | dict | None = None,
    ) -> None:
        """
        Args:
            epsilon: length of the perturbation, as a share of the length of what it is added to.
            probe: length at which the direction is sought, likewise.
            steps: of the power iteration that seeks it.
            weight: of the divergence.
            unlabelled: further utterances, see `read_unlabelled`: a path, or {corpus: NAME, root: DIR, split: train}.

        Raises:
            InputError: a value out of its range.
        """
        self.epsilon = in_range(f"training.methods.{NAME}.epsilon", epsilon, 0, 1)
        self.probe = in_range(f"training.methods.{NAME}.probe", probe, 1e-6, 1)
        self.steps = in_range(f"training.methods.{NAME}.steps", steps, 1)
        self.weight = in_range(f"training.methods.{NAME}.weight", weight, 0)
        self.unlabelled: str | dict[str, Any] | None = unlabelled
        self.draws: Draws | None = None

    def check_config(self, config: Config) -> None:
        """Refuses encoders that are all frozen."""
        refuse_frozen(config, NAME, "perturb")

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Refuses unlabelled utterances that are not there, and those of a task for words."""
        if self.unlabelled is not None:
            if task.resolution == "word":
                raise decides_for_words(f"{NAME}.unlabelled")
            read_unlabelled(self.unlabelled, UNLABELLED)

    def check(self, model: EmotionModel, task: Task) -> None:
        """Refuses a model whose encoders are all frozen."""
        entrances(model, NAME)

    def prepare(self, model: EmotionModel, task: Task, utterances: Sequence[Utterance]) -> None:
        """Reads the unlabelled utterances."""
        if self.unlabelled is not None:
            self.draws = Draws(read_unlabelled(self.unlabelled, UNLABELLED), model)

    def extra(self, step: Step) -> Tensor:
        """The divergence under the perturbation, of the batch and of as many unlabelled utterances."""
        found, count = self.apart(step), step.counted.sum()
        if self.draws is not None:
            device = next(step.model.parameters()).device
            other = step.on(self.draws.batch(len(step.batch), step.seed, device))
            further = other.counted.sum()
            found = (count * found + further * self.apart(other)) / (count + further).clamp(min=1)
        return self.weight * found

    def apart(self, step: Step) -> Tensor:
        """The divergence under the perturbation that changes the output of a batch most."""
        said = step.output.logits.detach()
        directions: list[Tensor] = []

        def seek(call: int, given: Tensor) -> Tensor:
            direction = directions[call] if directions else self.random(step.seed + call, given)
            return scaled(direction, self.probe * norm(given)).detach().requires_grad_()

        for _ in range(self.steps):
            with adding(step.entrances, seek) as (_, added):
                apart = step.divergence(said, step.again().logits)
            directions = gradients(apart, added)
        with adding(step.entrances, lambda call, given: scaled(directions[call], self.epsilon * norm(given))):
            return step.divergence(said, step.again().logits)

    @staticmethod
    def random(seed: int, like: Tensor) -> Tensor:
        """A random direction, from a generator of its own: the dropout of the pass must stay the same."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator).to(like)
