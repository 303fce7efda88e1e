from pathlib import Path

from miniatures._write import write

ROWS = """UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.200000; V:3.000000; D:3.100000 ; N:4.100000;
rater_1; Neutral; Neutral; A:3; V:3; D:3; N:4;

UTD-IMPROV-S01A-F01-P-MF01.avi; X; A:3.200000; V:3.000000; D:NaN ; N:4.100000;

UTD-IMPROV-S20S-M05-T-MF11.avi; S; A:2.000000; V:1.500000; D:2.100000 ; N:3.100000;
UTD-IMPROV-S03H-M06-R-M01.avi; H; A:4.000000; V:4.500000; D:3.100000 ; N:3.100000;
"""


def build(root: Path) -> None:
    """Four turns in three sessions."""
    clips = (
        "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav",
        "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.avi",
        "session1/S01A/P/MSP-IMPROV-S01A-F01-P-MF01.wav",
        "session5/S20S/T/MSP-IMPROV-S20S-M05-T-MF11.wav",
        "session6/S03H/R/MSP-IMPROV-S03H-M06-R-M01.wav",
    )
    write(root, {"Evalution.txt": ROWS} | dict.fromkeys(clips, "clip"))
