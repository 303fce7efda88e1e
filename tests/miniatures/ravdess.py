from pathlib import Path

from miniatures._write import write

TAKES = ("01-01-01-01-{:02}", "03-02-02-01-{:02}", "08-01-01-02-{:02}")


def build(root: Path) -> None:
    """Sound of three actors, video of one, songs of all."""
    files = [
        f"Audio_Speech_Actors_01-24/Actor_{actor:02}/03-01-{take.format(actor)}.wav"
        for actor in (1, 20, 24)
        for take in TAKES
    ]
    files += [f"Video_Speech_Actor_01/Actor_01/{kind}-01-{TAKES[0].format(1)}.mp4" for kind in ("02", "01")]
    files += [f"Audio_Song_Actors_01-24/Actor_{actor:02}/03-02-{TAKES[1].format(actor)}.wav" for actor in (1, 20, 24)]
    files += ["Audio_Speech_Actors_01-24/Actor_01/._03-01-05-01-01-01-01.wav", "Actor_01/notes.wav"]
    write(root, dict.fromkeys(files, "clip"))
