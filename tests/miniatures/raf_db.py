from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    """Two faces of train, one of test; one of them is not aligned."""
    write(
        root,
        {
            "basic/EmoLabel/list_patition_label.txt": "train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7\n",
            "basic/Image/aligned/train_00001_aligned.jpg": "face",
            "basic/Image/original/train_00001.jpg": "face",
            "basic/Image/original/train_00002.jpg": "face",
            "basic/Image/aligned/test_0001_aligned.jpg": "face",
        },
    )
