from pathlib import Path

from miniatures._segments import table
from miniatures._write import write


def build(root: Path) -> None:
    """Whole videos with the times of their transcripts."""
    rows = (
        "--qXJuDtHPw,5,,1,,,,Positive,train",
        "-3g5yACwYnA,10,Key is part of it,0.6666667,,,,Positive,valid",
        "-6rXp3zJ3kc,0,Not good,-3,,,,Negative,test",
    )
    said = "--qXJuDtHPw___5___23.199___30.325___I see that a writer is somebody_____who has talent\n"
    write(
        root,
        {
            "Labels/label.csv": table(*rows),
            "Raw/Transcript/Segmented/Combined/--qXJuDtHPw.txt": said,
            "Raw/Videos/Full/Combined/--qXJuDtHPw.mp4": "clip",
            "Raw/Videos/Segmented/Combined/-3g5yACwYnA_10.mp4": "clip",
        },
    )
