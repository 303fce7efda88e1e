from pathlib import Path

from miniatures._write import write

SENTENCES = (
    "Boot time is fast, screen bad####Boot=T-POS time=T-POS is=O fast=O ,=O screen=T-NEG bad=O\n"
    "Not working = bad####Not=O working=O ==O bad=O\n"
)


def build(root: Path) -> None:
    for level in ("laptop14", "rest14", "rest15", "rest16"):
        write(root, {f"{level}/{split}.txt": SENTENCES for split in ("train", "dev", "test")})
