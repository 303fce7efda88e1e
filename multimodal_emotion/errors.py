"""What goes wrong because of what the user gave us."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: the message says in one or two lines what, where, and what would be right.

    The command line prints the message and exits with code 2; anything else that is raised is a defect of ours and keeps
    its traceback.
    """


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that is not one of the known ones; it points at the nearest.

    Args:
        kind: what the name stands for, such as "encoder" or "setting".
        name: what was given.
        known: the names that would have been right.
        where: where it was given, such as "run.yaml" or "corpus dair_emotion".
    """
    choices = sorted(str(choice) for choice in known)
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices) or 'none'}"
    place = f" in {where}" if where else ""
    return InputError(f"unknown {kind} {str(name)!r}{place}; {hint}")
