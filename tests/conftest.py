import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The development corpora; tests that use it are skipped where they are absent."""
    root = Path(os.environ.get("MULTIMODAL_EMOTION_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
    if not root.is_dir():
        pytest.skip(f"development corpora not found at {root} (set MULTIMODAL_EMOTION_CORPORA)")
    return root


@pytest.fixture(scope="session")
def tiny_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT checkpoint written by transformers itself."""
    from tiny import tiny_bert

    return tiny_bert(tmp_path_factory.mktemp("tiny_bert") / "checkpoint")


@pytest.fixture(scope="session")
def sst2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SST-2's layout with generated sentences."""
    from tiny import sst2_tree

    return sst2_tree(tmp_path_factory.mktemp("sst2"))
