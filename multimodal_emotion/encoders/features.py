"""Ready-made numbers of an utterance as a modality: action units, embeddings of others, columns of a table."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from multimodal_emotion.batch import MaskedSequence, Utterance
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.encoders._readout import ReadoutEncoder
from multimodal_emotion.errors import InputError


class Numbers(Preparation):
    """The numbers of an utterance under a name -> (time, dim)."""

    def __init__(self, name: str, dim: int) -> None:
        self.name = name
        self.dim = dim

    def read(self, utterance: Utterance) -> np.ndarray | None:
        """The numbers as they are: given in the table, or in a .npy or .npz file; None if the utterance has none.

        Raises:
            InputError: the file is not there or holds no array of numbers.
        """
        given = utterance.features.get(self.name)
        return (
            _load(given) if isinstance(given, Path) else None if given is None else np.asarray(given, dtype=np.float32)
        )

    def __call__(self, medium: np.ndarray) -> np.ndarray:
        """(dim,) or (time, dim) -> (time, dim) without steps that are not finite.

        Raises:
            InputError: the width is another one.
        """
        rows = np.atleast_2d(medium)
        if rows.ndim != 2 or (rows.size and rows.shape[1] != self.dim):
            raise InputError(
                f"features {self.name!r} have shape {medium.shape}; ({self.dim},) or (time, {self.dim}) is right"
            )
        return np.ascontiguousarray(rows[np.isfinite(rows).all(axis=1)], dtype=np.float32).reshape(-1, self.dim)


class Features(ReadoutEncoder):
    """Numbers as they are, standardised over the training split; a sequence of them is pooled."""

    medium: ClassVar[str] = "features"

    def __init__(self, name: str, dim: int, *, pooling: str = "mean", standardise: bool = True) -> None:
        """
        Args:
            name: under which an utterance has them in `features`.
            dim: how many numbers a step has.
            pooling: "mean", "stats", "attention", "transformer", "first", or "none", which keeps the sequence.
            standardise: whether they are standardised, as the training split gives it.

        Raises:
            InputError: dim is not positive.
        """
        super().__init__()
        if dim < 1:
            raise InputError(f"features {name!r} have dim {dim}; it must be at least 1")
        self.prepare = Numbers(name, dim)
        self.read_out([dim], "last", pooling, standardise)

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time, dim) -> (batch, time', width)."""
        return self.readout.collect([inputs.values], inputs.mask)

    def save(self, folder: Path) -> None:
        """Writes nothing: the settings say it all."""


def _load(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                if len(found.files) != 1:
                    raise InputError(
                        f"{path} holds {len(found.files)} arrays ({', '.join(found.files[:5])}); one is right"
                    )
                found = found[found.files[0]]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no .npy or .npz file of numbers: {str(error).partition(chr(10))[0]}") from None
    if found.dtype.kind not in "fiub":
        raise InputError(f"{path} holds {found.dtype}, not numbers")
    return found.astype(np.float32)
