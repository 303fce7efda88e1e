from pathlib import Path

from miniatures._write import write

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def build(root: Path) -> None:
    """Faces with a majority, without one, and without a picture."""
    rows = (
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n",
        "Training,fer0000001.png,6,0,1,1,0,0,0,0,2,0\n",
        "Training,,0,0,0,0,0,0,0,0,0,10\n",
        "PublicTest,fer0028638.png,0,10,0,0,0,0,0,0,0,0\n",
        "PrivateTest,fer0032220.png,0,0,0,0,0,0,5,5,0,0\n",
        "PrivateTest,fer0032221.png,0,0,0,9,0,1,0,0,0,0\n",
    )
    pictures = (
        "FER2013Train/fer0000000",
        "FER2013Train/fer0000001",
        "FER2013Valid/fer0028638",
        "FER2013Test/fer0032220",
        "FER2013Test/fer0032221",
    )
    write(root, {"fer2013new.csv": HEADER + "".join(rows)} | {f"data/{name}.png": "face" for name in pictures})
