from pathlib import Path

from miniatures._write import write

HEADER = "id,label,subject,actor,fold,split,statement,transcript,audio,AU01_r,AU45_c\n"


def build(root: Path) -> None:
    """A row for each split; the sound of one is there."""
    rows = (
        "01-01-01-01-01-01-01,neutral,ravdess_01,1,4,train,01,Kids are talking by the door.,sound/a.flac,0.5,0.25\n",
        "01-01-05-01-01-01-19,angry,ravdess_19,19,2,val,01,Kids are talking by the door.,sound/b.flac,1.5,0.0\n",
        "01-01-08-01-02-01-22,surprised,ravdess_22,22,4,test,02,Dogs are sitting by the door.,,0.0,1.0\n",
    )
    write(root, {"manifest.csv": HEADER + "".join(rows), "sound/a.flac": "clip"})
