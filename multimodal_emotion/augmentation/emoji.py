"""Emoji and emoticons, exchanged for others that mean the same."""

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np

from multimodal_emotion.augmentation._base import Augmentation
from multimodal_emotion.config import in_range
from multimodal_emotion.media import Text

SAME = (
    (":)", ":-)", "🙂", "😊"),
    (":D", ":-D", "😀", "😃", "😄"),
    (":(", ":-(", "🙁", "☹️"),
    (":'(", "😢", "😭"),
    (";)", ";-)", "😉"),
    (":P", ":-P", "😛", "😜"),
    (":O", ":-O", "😮", "😲"),
    (">:(", "😠", "😡"),
    ("<3", "❤️", "💕", "💖"),
    ("XD", "😂", "🤣"),
    (":*", ":-*", "😘", "😗"),
)

NEUTRAL = tuple("📎🕒📍📅📷📝📞🚗🏠📚")

FORMS = {form: group for group in SAME for form in group}

PATTERN = re.compile(
    r"(?<!\S)(?:"
    + "|".join(re.escape(form) for form in sorted(FORMS, key=len, reverse=True) if form.isascii())
    + r")(?!\S)"
    "|" + "|".join(re.escape(form) for form in sorted(FORMS, key=len, reverse=True) if not form.isascii())
)
"""Emoticons that stand alone, and emoji anywhere."""


class Emoji(Augmentation):
    """Exchanges emoticons and emoji for others with the same meaning, and sometimes adds a thing without one.

    Label: kept; a smile stays a smile, and only pictures of things are added, so that the mere presence of an emoji tells
    nothing.
    """

    medium: ClassVar[str] = "text"

    def __init__(self, *, add: float | int = 0.2, probability: float | int = 0.5) -> None:
        """
        Args:
            add: with which probability a thing is added at the end.
            probability: see `Augmentation`.

        Raises:
            InputError: a value out of its range.
        """
        super().__init__(probability=probability)
        self.add = in_range(self.setting("add"), add, 0, 1)

    def __call__(self, value: Text, generator: np.random.Generator) -> Text:
        """The changed utterance."""
        text = PATTERN.sub(lambda found: str(generator.choice(FORMS[found[0]])), value.text)
        if generator.random() < self.add:
            text = f"{text} {generator.choice(NEUTRAL)}"
        return replace(value, text=text, words=None) if text != value.text else value
