"""Checks of what a user may set."""

from collections.abc import Iterable, Mapping

from multimodal_emotion.errors import InputError, unknown


def number(name: str, value: object, where: str, low: float = 0.0, high: float = float("inf")) -> float:
    """The value of a setting as a number.

    Raises:
        InputError: it is no number, or not within low..high.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        bounds = f"at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise InputError(f"{where}: {name} is {value!r}; it must be a number {bounds}")
    return float(value)


def choice(name: str, value: object, choices: Iterable[str], where: str) -> str:
    """The value of a setting that is one of a few words; another one is an InputError."""
    if not isinstance(value, str) or value not in choices:
        raise unknown(name, value, choices, where)
    return value


def numbers_by_label(name: str, value: object, labels: Iterable[str], where: str) -> dict[str, float]:
    """The value of a setting that gives labels numbers from 0 on.

    Raises:
        InputError: it is no mapping, names a label that there is not, or holds something else than numbers from 0 on.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: {name} is {value!r}; give each label a number, such as {{joy: 2.0}}")
    for label in value:
        if label not in labels:
            raise unknown(f"label of {name}", label, labels, where)
    return {label: number(f"{name} of {label!r}", each, where) for label, each in value.items()}
