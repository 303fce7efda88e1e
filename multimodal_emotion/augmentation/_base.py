"""The contract of an augmentation: it changes what a training utterance says, sounds or looks like, not what it is labelled."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from multimodal_emotion import registry
from multimodal_emotion.config import in_range
from multimodal_emotion.errors import InputError

Range = list[float | int]
"""The least and the greatest value that is drawn, all between them being equally likely."""


class Augmentation(ABC):
    """One kind of change. Built from settings alone; picklable, for worker processes.

    The docstring of each says under "Label:" what it does to the label.

    Attributes:
        medium: what it changes: "text", "audio" or "image".
        prepared: whether it changes the array that the encoder gets, else the medium as it was decoded. Pictures are changed
            when faces are cut out already, so that no face is lost.
    """

    medium: ClassVar[str]
    prepared: ClassVar[bool] = False

    def __init__(self, *, probability: float | int = 0.5) -> None:
        """
        Args:
            probability: with which an utterance is changed at all, 0 to 1.

        Raises:
            InputError: a value out of its range.
        """
        self.probability = in_range(self.setting("probability"), probability, 0, 1)

    @classmethod
    def setting(cls, name: str) -> str:
        """How a setting is called in messages."""
        return f"{name} of augmentation/{cls.__module__.rpartition('.')[2]}"

    @classmethod
    def span(cls, name: str, values: Sequence[float | int], low: float | int, high: float | int) -> tuple[float, float]:
        """A setting that is a range.

        Raises:
            InputError: it is not two numbers, the lower one first, from low to high.
        """
        where = cls.setting(name)
        if len(values) != 2 or not all(isinstance(value, int | float) for value in values) or values[0] > values[1]:
            raise InputError(f"{where} is {list(values)}; it must be two numbers, the lower one first")
        return float(in_range(where, values[0], low, high)), float(in_range(where, values[1], low, high))

    @abstractmethod
    def __call__(self, value: Any, generator: np.random.Generator) -> Any:
        """The changed medium or array.

        Args:
            value: `Text`, `Audio`, or pictures (time, channels, height, width) of 0 to 255; is not changed itself.
            generator: all random numbers come from it.
        """


class Chain:
    """The augmentations of one modality, one after the other. Picklable.

    What happens to an utterance in an epoch follows from the seed, the epoch and the utterance's id, whichever process reads
    it and whatever was read before.
    """

    def __init__(self, modality: str, steps: Mapping[str, Augmentation], seed: int) -> None:
        self.modality, self.steps, self.seed = modality, dict(steps), seed

    def __call__(self, value: Any, epoch: int, utterance: str, *, prepared: bool) -> Any:
        """Runs the augmentations of prepared arrays, or those of decoded media."""
        for name, step in self.steps.items():
            if step.prepared == prepared:
                key = repr((self.seed, self.modality, name, epoch, utterance)).encode()
                generator = np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "little"))
                if generator.random() < step.probability:
                    value = step(value, generator)
        return value


def chains(
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]], media: Mapping[str, str], seed: int
) -> dict[str, Chain]:
    """The augmentations of a configuration by modality.

    Args:
        settings: `training.augmentation`.
        media: what each modality of the model reads, by its name.
        seed: of the training.

    Raises:
        InputError: a modality that the model has not, or an augmentation of another medium.
    """
    found = {}
    for modality, wanted in settings.items():
        if modality not in media:
            raise InputError(f"training.augmentation: the model has no {modality!r}; it has {', '.join(media)}")
        steps = {name: registry.build("augmentation", name, **given) for name, given in wanted.items()}
        for name, step in steps.items():
            if step.medium != media[modality]:
                raise InputError(
                    f"training.augmentation.{modality}.{name} changes {step.medium}; {modality} is {media[modality]}"
                )
        found[modality] = Chain(modality, steps, seed)
    return found
