from pathlib import Path

from miniatures._write import write

from multimodal_emotion.datasets._media import draw


def build(root: Path) -> None:
    """A labelled sequence of one person in each split, and a sequence without a label."""
    people = {draw(f"S{number:03}"): f"S{number:03}" for number in range(5, 60)}
    for label, person in zip((3, 7, 1), people.values(), strict=True):
        place, name = f"{person}/001", f"{person}_001_000000"
        write(
            root,
            {
                **{f"cohn-kanade-images/{place}/{name}{number:02}.png": "face" for number in (1, 2, 11)},
                f"Emotion/{place}/{name}11_emotion.txt": f"   {label}.0000000e+00\n",
                f"FACS/{place}/{name}11_facs.txt": "   4.0000000e+00   2.0000000e+00\n   7.0000000e+00   0.0\n",
                f"cohn-kanade-images/{person}/002/{person}_002_00000001.png": "face",
            },
        )
