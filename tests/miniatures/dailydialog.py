import zipfile
from pathlib import Path

TEXTS = "Say , Jim ? __eou__ All right . __eou__\nHow much ? __eou__ It\u2019s £ 330 . __eou__\n"
EMOTIONS = "0 4 \n0 6 \n"
ACTS = "3 4 \n2 1 \n"


def build(root: Path) -> None:
    for split in ("train", "validation", "test"):
        odd = split == "train"
        with zipfile.ZipFile(root / f"{split}.zip", "w") as archive:
            archive.writestr(f"{split}/dialogues_{split}.txt", "Go . __eou__ No . __eou__\n" * odd + TEXTS)
            archive.writestr(f"{split}/dialogues_emotion_{split}.txt", "0 \n" * odd + EMOTIONS)
            archive.writestr(f"{split}/dialogues_act_{split}.txt", "3 1 \n" * odd + ACTS)
