"""Each figure says where it is made whether more of it is better."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

HIGHER_IS_BETTER: dict[str, bool] = {}
"""The direction of every figure by name, which is the name of its function and its key in a report."""

Figure = TypeVar("Figure", bound=Callable[..., np.ndarray])


def higher_is_better(figure: Figure) -> Figure:
    """Declares a figure of which more is better."""
    HIGHER_IS_BETTER[figure.__name__] = True
    return figure


def lower_is_better(figure: Figure) -> Figure:
    """Declares a figure of which less is better."""
    HIGHER_IS_BETTER[figure.__name__] = False
    return figure


def ratio(part: ArrayLike, whole: ArrayLike, undefined: float = np.nan) -> np.ndarray:
    """The quotient, and `undefined` where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=float), np.asarray(whole, dtype=float))
    return np.divide(part, whole, out=np.full(part.shape, undefined), where=whole != 0)
