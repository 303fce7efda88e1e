from pathlib import Path

from miniatures._write import write

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def build(root: Path) -> None:
    """A clip of each split; the table knows two of them."""
    rows = (
        "WR0_surprised_64.wav\tsurprised\t„Ród smoka” to serial.\tród smoka\t        WR0\tmale\t23\n"
        "KD0_neutral_2.wav\tneutral\tNie waśńmy się ze sobą.\tnie waśńmy się ze sobą\t        KD0\tfemale\t28\n"
    )
    clips = ("WR0_surprised_64", "KD0_neutral_2", "MP0_sadness_79")
    write(root, {"data.tsv": HEADER + rows} | {f"samples/{clip}.wav": "clip" for clip in clips})
