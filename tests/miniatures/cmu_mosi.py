from pathlib import Path

from miniatures._segments import table
from miniatures._write import write


def build(root: Path) -> None:
    """Segments as files of a folder and, as in the raw release, beside each other."""
    rows = (
        '_dI--eQ6qVU,1,"A great, great film",2.4,,,,Positive,train',
        "_dI--eQ6qVU,2,,-1.6,,,,Negative,train",
        "0h-zjBukYpk,10,I liked it,0,,,,Neutral,valid",
        "03bSnISJMiM,1,Anyhow it was really good,3,,,,Positive,test",
    )
    files = (
        "Raw/_dI--eQ6qVU/1.mp4",
        "Raw/Video/Segmented/_dI--eQ6qVU_2.mp4",
        "Raw/Audio/WAV_16000/Segmented/_dI--eQ6qVU_2.wav",
        "Raw/03bSnISJMiM$_$1.mp4",
    )
    write(root, {"label.csv": table(*rows)} | dict.fromkeys(files, "clip"))
    said = {"_dI--eQ6qVU": "1_DELIM_A GREAT, GREAT FILM\n2_DELIM_not at all\n"}
    write(root, {f"Raw/Transcript/Segmented/{video}.annotprocessed": text for video, text in said.items()})
