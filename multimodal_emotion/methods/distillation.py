"""Knowledge distillation: a student learns what a teacher says, not the labels alone."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from multimodal_emotion import checkpoint, shipped
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import Config, in_range
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows, collate_for, loader, plan
from multimodal_emotion.methods._base import Method, Step, decides_for_words, divergence, refuse_words, watching
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.tasks._base import Task


class Distillation(Method):
    """Mixes the loss of the labels with the divergence from a teacher, both at a temperature.

    The teacher may be any model with the same labels: a larger one, or one that hears and sees where the student only reads.
    It decides once, before the training, about each utterance as it is (with the student's context, without augmentation), so
    that a step costs no more than without it. With `hidden`, the student's fused vector, projected linearly, also learns to be
    the teacher's; layers between are not compared, since the two may have different words, or modalities.

    Source: Distilling the Knowledge in a Neural Network, 2015, arXiv 1503.02531; hidden states through a projection that is
        learnt: TinyBERT: Distilling BERT for Natural Language Understanding, 2019, arXiv 1909.10351.
    """

    replaces = True

    def __init__(
        self,
        *,
        teacher: str | None = None,
        temperature: float | int = 2.0,
        alpha: float | int = 0.5,
        hidden: float | int = 0.0,
    ) -> None:
        """
        Args:
            teacher: the folder of a run or model, or "pretrained".
            temperature: what both models' logits are divided by; the divergence is multiplied by its square.
            alpha: share of the divergence; the rest is the loss of the labels.
            hidden: weight of the mean squared distance of the fused vectors; 0 leaves it out.

        Raises:
            InputError: no teacher, or a value out of its range.
        """
        if teacher is None:
            raise InputError("training.methods.distillation needs a teacher: the folder of a run, or pretrained")
        self.teacher = teacher
        self.temperature = in_range("training.methods.distillation.temperature", temperature, 0.01)
        self.alpha = in_range("training.methods.distillation.alpha", alpha, 0, 1)
        self.hidden = in_range("training.methods.distillation.hidden", hidden, 0)
        self.said: dict[str, Tensor] = {}
        self.vectors: dict[str, Tensor] = {}

    def check_config(self, config: Config) -> None:
        """Refuses a task that decides for each word, and hidden states of late fusion."""
        refuse_words(config, "distillation")
        if self.hidden and (config.model.fusion or {}).get("type") == "late":
            raise self.without_vector()

    def check_rows(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """Refuses a teacher with other labels, before any weights are loaded."""
        other = checkpoint.load_task(shipped.FOLDER if self.teacher == "pretrained" else Path(self.teacher))
        if task.resolution == "word":
            raise decides_for_words("distillation")
        if sorted(other.labels) != sorted(task.labels) or other.space != task.space:
            raise InputError(
                f"training.methods.distillation: the teacher {self.teacher} knows {', '.join(other.labels)} "
                f"({other.name}), the task is {', '.join(task.labels)} ({task.name})"
            )

    def prepare(self, model: EmotionModel, task: Task, utterances: Sequence[Utterance]) -> None:
        """Asks the teacher about the training utterances."""
        teacher = shipped.opened(self.teacher)
        if self.hidden and (teacher.model.fusion.is_head or model.fusion.is_head):
            raise self.without_vector()
        self.said, self.vectors = ask(teacher, utterances, task.labels)
        if self.hidden:
            self.module = projection(model.fusion.dim, teacher.model.fusion.dim)

    def extra(self, step: Step) -> Tensor:
        """The mixed loss."""
        with watching(step.model.head) as seen:
            output = step.again()
        known = torch.tensor([name in self.said for name in step.batch.ids], device=output.logits.device)
        wanted = self.of(self.said, step.batch.ids, output.logits)
        apart = divergence(step.task.space, wanted / self.temperature, output.logits / self.temperature)
        learnt = self.alpha * self.temperature**2 * apart
        if self.module is not None:
            found = self.module(seen[0].float())
            learnt = learnt + self.hidden * (found - self.of(self.vectors, step.batch.ids, found)).square().mean(dim=1)
        # Of an utterance that the teacher cannot read there is nothing to be learnt from it.
        taught = (learnt * known).sum() / known.sum().clamp(min=1)
        return (1 - self.alpha) * step.measure(output, step.target) + taught

    @staticmethod
    def without_vector() -> InputError:
        """The error for a model without a fused vector."""
        return InputError("training.methods.distillation.hidden compares fused vectors, which late fusion has not")

    @staticmethod
    def of(known: dict[str, Tensor], ids: Sequence[str], like: Tensor) -> Tensor:
        """What the teacher says of utterances, in rows; zeros of which it says nothing."""
        nothing = torch.zeros(like.shape[1])
        return torch.stack([known.get(name, nothing) for name in ids]).to(like.device)


def ask(
    teacher: TrainedModel, utterances: Sequence[Utterance], labels: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a model says of utterances: logits in the order of these labels, and what goes into its head, by id."""
    rows = Rows(utterances, teacher.preparations, on_error="skip")
    order = [teacher.task.labels.index(label) for label in labels]
    said: dict[str, Tensor] = {}
    vectors: dict[str, Tensor] = {}
    batches = plan([rows.length(number) for number in range(len(rows))], 32)
    teacher.model.eval()
    for batch in loader(rows, batches, collate_for(teacher.preparations)):
        with torch.inference_mode(), watching(teacher.model.head) as seen:
            logits = teacher.model(batch.inputs).logits
        present = torch.stack([sequence.present for sequence in batch.inputs.values()]).any(dim=0)
        for number in present.nonzero().flatten().tolist():
            said[batch.ids[number]] = logits[number, order].float().clone()
            vectors[batch.ids[number]] = seen[0][number].float().clone()
    return said, vectors


def projection(width: int, wanted: int) -> nn.Linear:
    """From a student's vectors to a teacher's; the same every time, and no change where the widths are equal."""
    linear = nn.Linear(width, wanted)
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
