from pathlib import Path

from miniatures._write import write

FILES = ("OAF_angry/OAF_back_angry.wav", "OAF_neutral/OA_bite_neutral.wav", "YAF_pleasant_surprised/YAF_dog_ps.wav")


def build(root: Path) -> None:
    """Three clips, twice."""
    write(root, {f"{folder}{name}": "clip" for folder in ("TESS data/", "TESS data/TESS data/") for name in FILES})
