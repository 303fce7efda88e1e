from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    write(
        root, {f"stsa.fine.{split}": "4 stirring and funny\n0 a gob of drivel\n" for split in ("train", "dev", "test")}
    )
    write(root, {f"stsa.binary.{split}": "1 stirring and funny\n0 drivel\n" for split in ("train", "dev", "test")})
