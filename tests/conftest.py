import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The development corpora; tests that use it are skipped where they are absent."""
    root = Path(os.environ.get("MULTIMODAL_EMOTION_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
    if not root.is_dir():
        pytest.skip(f"development corpora not found at {root} (set MULTIMODAL_EMOTION_CORPORA)")
    return root
