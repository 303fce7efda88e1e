from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    write(
        root,
        {
            "train.txt": "text;label_name\ni feel fine; really;joy\ni feel low;sadness\n",
            "val.txt": "i feel angry;anger\n",
            "test.txt": "i feel loved;love\n",
        },
    )
