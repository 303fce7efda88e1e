"""Label sets, and maps from the labels of one corpus to those of another.

A map goes by the name of the label, whatever corpus it comes from. `None` says that nothing in the target set fits: such
utterances are left out rather than given a label that their raters did not choose.
"""

from collections.abc import Mapping

from multimodal_emotion.errors import unknown

SEVEN = ("neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise")
"""Six basic emotions and neutral."""

POLARITIES = ("negative", "neutral", "positive")

EKMAN = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("admiration", "amusement", "approval", "caring", "desire", "excitement"),
        *("gratitude", "joy", "love", "optimism", "pride", "relief"),
    ),
    "neutral": ("neutral",),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
}
"""Which of the 28 labels of GoEmotions make each of its 7 coarser ones.

Source: GoEmotions: A Dataset of Fine-Grained Emotions, 2020, arXiv 2005.00547.
"""

GROUP = {
    "ambiguous": EKMAN["surprise"],
    "negative": (*EKMAN["anger"], *EKMAN["disgust"], *EKMAN["fear"], *EKMAN["sadness"]),
    "neutral": EKMAN["neutral"],
    "positive": EKMAN["joy"],
}
"""Which of the 28 labels of GoEmotions make each of its 4 groups."""

SYNONYMS: Mapping[str, str] = {
    "ang": "anger",
    "angry": "anger",
    "bored": "boredom",
    "calmness": "calm",
    "contemptuous": "contempt",
    "dis": "disgust",
    "disgusted": "disgust",
    "exc": "excitement",
    "excited": "excitement",
    "fea": "fear",
    "fearful": "fear",
    "fru": "frustration",
    "frustrated": "frustration",
    "hap": "joy",
    "happiness": "joy",
    "happy": "joy",
    "neu": "neutral",
    "no emotion": "neutral",
    "none": "neutral",
    "oth": "other",
    "pleasant surprise": "surprise",
    "pleasant surprised": "surprise",
    "ps": "surprise",
    "realisation": "realization",
    "sad": "sadness",
    "sur": "surprise",
    "surprised": "surprise",
    "xxx": "other",
}
"""Names that corpora have for one and the same emotion (dair-ai/emotion, MELD, DailyDialog, RAVDESS, CREMA-D, SAVEE, TESS,
EmoDB, IEMOCAP, MSP-IMPROV, FERPlus, AffectNet): the name that is used here."""

OTHERS: Mapping[str, tuple[str | None, str | None]] = {
    # RAVDESS has calm as a second kind of neutral: likewise no emotion, and as low in arousal.
    "calm": ("neutral", "neutral"),
    # Unpleasant, but neither sad nor disgusted (EmoDB).
    "boredom": (None, "negative"),
    # Near to disgust and to anger, but the raters of FERPlus and AffectNet could have chosen those, and did not.
    "contempt": (None, "negative"),
    # Between anger and sadness (IEMOCAP).
    "frustration": (None, "negative"),
    # What raters could not name.
    "other": (None, None),
    "unknown": (None, None),
    # Sentiment says no emotion, not even where it is neutral; that name, though, is the emotion's too.
    "positive": (None, "positive"),
    "negative": (None, "negative"),
    "very positive": (None, "positive"),
    "very negative": (None, "negative"),
}
"""Labels that GoEmotions lacks: which of the seven, and which group of GoEmotions."""


def _inverted(sets: Mapping[str, tuple[str, ...]]) -> dict[str, str | None]:
    return {label: name for name, labels in sets.items() for label in labels}


_SEVEN = _inverted(EKMAN) | {label: seven for label, (seven, _) in OTHERS.items()}
_GROUP = _inverted(GROUP) | {label: group for label, (_, group) in OTHERS.items()}

MAPS: Mapping[str, Mapping[str, str | None]] = {
    "seven": _SEVEN,
    "group": _GROUP,
    # Surprise, confusion, curiosity and realization may please or not.
    "polarity": {label: None if group == "ambiguous" else group for label, group in _GROUP.items()},
}
"""By target set ("seven", "group" of GoEmotions, "polarity"): from names as `normalise` gives them to labels of the set."""

RANGES: Mapping[str, tuple[float, float]] = {
    "self_assessment": (1.0, 5.0),
    "sentiment": (-3.0, 3.0),
    "centred": (-1.0, 1.0),
    "unit": (0.0, 1.0),
}
"""Scales in which corpora give values: self-assessment manikins of valence, arousal and dominance (EmoBank, IEMOCAP,
MSP-IMPROV), sentiment of CMU-MOSI and MOSEI, of CH-SIMS and AffectNet, and shares."""


def normalise(label: str) -> str:
    """The name that is used here: lower case, words apart, one name for one emotion. Unknown names stay as they are."""
    name = " ".join(label.replace("_", " ").replace("-", " ").casefold().split())
    return SYNONYMS.get(name, name)


def map_label(label: str, to: str = "seven") -> str | None:
    """The label of another set that fits a label of any corpus.

    Args:
        label: such as "Happiness", "fearful" or "no emotion".
        to: "seven" (see `SEVEN`), "group" (of GoEmotions) or "polarity" (see `POLARITIES`).

    Returns:
        None where nothing in the set fits.

    Raises:
        InputError: no such label or set; the nearest is named.
    """
    if to not in MAPS:
        raise unknown("label set", to, MAPS)
    name = normalise(label)
    if name not in MAPS[to]:
        raise unknown("label", label, [*MAPS[to], *SYNONYMS], f"the map to {to}")
    return MAPS[to][name]


def rescale(value: float | int, old: tuple[float | int, float | int], new: tuple[float | int, float | int]) -> float:
    """A value of one range in another: ends go to ends, proportions stay."""
    return new[0] + (value - old[0]) * (new[1] - new[0]) / (old[1] - old[0])
