from pathlib import Path

from miniatures import dair_emotion, ravdess


def build(root: Path) -> None:
    """Two parts, in folders of the name of their corpus; one of text, one of sound and video."""
    dair_emotion.build(root / "dair_emotion")
    ravdess.build(root / "ravdess")
    (root / "elsewhere").mkdir(parents=True)
