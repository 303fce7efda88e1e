"""Files that are never half-written: everything is written beside its place, then renamed into it."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path to write to; what lies there when the block ends becomes `path`, unless the block raises.

    Args:
        path: the file to be; its folder must exist. A file that is there is replaced.
    """
    path = Path(path)
    beside = _beside(path)
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder: str | Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends it becomes `folder`, unless the block raises.

    Args:
        folder: the folder to be; its parents are made. A folder that is there is replaced as a whole.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside, old = _beside(folder), _beside(folder)
    beside.mkdir()
    try:
        yield beside
        # A folder cannot be renamed over one that is not empty: the old one steps aside first.
        if folder.exists():
            os.replace(folder, old)
        os.replace(beside, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file in one step, line ends as given."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file in one step."""
    with atomic_path(path) as beside:
        beside.write_bytes(data)


def cache_folder() -> Path:
    """The user's cache: the environment variable MULTIMODAL_EMOTION_CACHE, by default ~/.cache/multimodal_emotion."""
    return Path(
        os.environ.get("MULTIMODAL_EMOTION_CACHE") or Path.home() / ".cache" / "multimodal_emotion"
    ).expanduser()


def _beside(path: Path) -> Path:
    """A name in the same folder, hence on the same file system, that nothing has yet."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
