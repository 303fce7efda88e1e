"""One of two labels for each utterance, as `BertForSequenceClassification` with two labels has it: two logits, softmax."""

from collections.abc import Sequence
from typing import Any

from multimodal_emotion.errors import InputError
from multimodal_emotion.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """`multiclass` with exactly two labels."""

    name = "binary"

    def __init__(self, labels: Sequence[str], **settings: Any) -> None:
        """
        Args:
            labels: the two names.
            settings: see `Multiclass`.

        Raises:
            InputError: not two labels, or a value out of its range.
        """
        if len(labels) != 2:
            raise InputError(f"task binary needs two labels, not {len(labels)}: {', '.join(labels)}; take multiclass")
        super().__init__(labels, **settings)
