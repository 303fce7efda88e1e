from pathlib import Path

from miniatures._write import write

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"


def build(root: Path) -> None:
    """Tables with a face of an expression, an uncertain one and one whose picture is not there."""
    train = "1/a.jpg,1,2,3,4,0;0,1,0.8,0.1\n1/b.jpg,1,2,3,4,0;0,9,-2,-2\n2/c.jpg,1,2,3,4,0;0,7,-0.5,0.5\n"
    validation = "3/d.JPG,1,2,3,4,0;0,0,0,0\n"
    write(
        root,
        {
            "Manually_Annotated_file_lists/training.csv": HEADER + train,
            "Manually_Annotated_file_lists/validation.csv": HEADER + validation,
            **{f"Manually_Annotated_Images/{name}": "face" for name in ("1/a.jpg", "1/b.jpg", "3/d.JPG")},
        },
    )
