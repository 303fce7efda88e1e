"""Features of frozen encoders: computed once, kept by content, memory-mapped.

The key of an entry is a hash of what the features depend on: the bytes of the media file (or the text), its interval, the
preparation's settings, the encoder's settings and weights. Entries are written in shards: a data file first, then its index
by renaming it into place. So a process that is killed leaves at most a data file that no index names, and two processes
never write the same file; whichever index comes last for a key wins, with the same numbers.
"""

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.batch import Utterance
from multimodal_emotion.files import atomic_path

SHARD_BYTES = 64 * 2**20
ALIGNMENT = 64
"""Bytes; where an entry begins, so that it can be computed with in place."""


class FeatureCache(Mapping[str, np.ndarray]):
    """Arrays by key, on disk. Reading maps files into memory; it copies nothing.

    An absent modality is kept as an array of zero steps, so that it is not tried again.
    """

    def __init__(self, folder: str | Path) -> None:
        """
        Args:
            folder: one for each encoder (its fingerprint, say); made when something is kept.
        """
        self.folder = Path(folder)
        self._places: dict[str, tuple[Path, int, tuple[int, ...], str]] = {}
        self._shards: dict[Path, np.memmap] = {}
        self._read: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Learns of shards that other processes have finished since."""
        for index in sorted(self.folder.glob("*.json")):
            if index.name in self._read:
                continue
            self._read.add(index.name)
            data = index.with_suffix(".bin")
            for key, (offset, shape, dtype) in json.loads(index.read_text(encoding="utf-8")).items():
                self._places[key] = (data, offset, tuple(shape), dtype)

    def __getitem__(self, key: str) -> np.ndarray:
        path, offset, shape, dtype = self._places[key]
        if 0 in shape:
            return np.zeros(shape, dtype)
        if path not in self._shards:
            # One map for a whole shard: each holds a file open, and a process may not have many of those.
            # Copy on write: torch warns of arrays that it could not write to, although nobody writes.
            self._shards[path] = np.memmap(path, dtype=np.uint8, mode="c")
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return self._shards[path][offset : offset + size].view(dtype).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def keep(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes one shard; its entries are there for every process once this returns."""
        if not arrays:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        data = self.folder / f"{name}.bin"
        index: dict[str, Any] = {}
        offset = 0
        with data.open("xb") as file:
            for key, array in arrays.items():
                content = np.ascontiguousarray(array)
                file.write(content.tobytes() + bytes(-content.nbytes % ALIGNMENT))
                index[key] = (offset, content.shape, content.dtype.str)
                offset = file.tell()
            file.flush()
            os.fsync(file.fileno())
        with atomic_path(self.folder / f"{name}.json") as place:
            place.write_text(json.dumps(index), encoding="utf-8")
        self.refresh()


class ContentKeys:
    """Keys of utterances for one modality. A file is hashed once, however many utterances lie in it."""

    def __init__(self) -> None:
        self._hashes: dict[Path, str] = {}

    def key(self, utterance: Utterance, medium: str) -> str:
        """A hash of everything of the utterance that the medium is read from."""
        digest = hashlib.sha256(medium.encode())
        parts: Sequence[Any] = {
            "text": (utterance.text, utterance.words, utterance.context),
            "audio": (utterance.audio or utterance.video, utterance.start, utterance.end),
            "image": (utterance.image, utterance.video, utterance.start, utterance.end),
        }.get(medium, tuple(sorted(utterance.features.items())))
        for part in parts:
            digest.update(repr(self._content(part)).encode())
        return digest.hexdigest()

    def _content(self, part: Any) -> Any:
        if isinstance(part, Path):
            if part not in self._hashes:
                self._hashes[part] = file_hash(part)
            return self._hashes[part]
        if isinstance(part, tuple):
            return tuple(self._content(item) for item in part)
        return part


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes; of its name where it cannot be read, so that reading it later gives the error."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        digest.update(str(path).encode())
    return digest.hexdigest()
