from pathlib import Path

from miniatures._segments import table
from miniatures._write import write


def build(root: Path) -> None:
    """One segment of each split; a spreadsheet has eaten the zeros of one."""
    rows = (
        "video_0001,0001,我不想嫁给李茶,-0.6,-0.8,0.0,-0.4,Negative,train",
        "video_0001,2,你好,0.2,0.4,0.0,0.0,Positive,valid",
        "video_0002,0003,再见,1.0,1.0,0.8,0.6,Positive,test",
    )
    files = ("Raw/video_0001/0001.mp4", "Raw/video_0001/0002.mp4", "Raw/video_0002/0003.mp4")
    write(root, {"label.csv": table(*rows)} | dict.fromkeys(files, "clip"))
