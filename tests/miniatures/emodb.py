from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    """Clips of three speakers, one of each split."""
    names = ("03a01Fa", "03a01Wa", "03b10La", "13a05Nc", "16b09Td", "16b09Ab")
    write(root, {"erkennung.txt": "Satz"} | {f"wav/{name}.wav": "clip" for name in names})
