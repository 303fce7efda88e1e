from pathlib import Path

from miniatures._write import write

from multimodal_emotion.datasets._media import draw


def build(root: Path) -> None:
    """A clip of a speaker of each split."""
    speakers = [f"SM{number}" for number in range(1, 28)] + [f"SF{number}" for number in range(1, 12)]
    chosen = {draw(speaker): speaker for speaker in speakers}
    clips = zip(("Angry/{}_F1_A01", "Happy/{}_F1_H01", "Sad/{}_F10_S010"), chosen.values(), strict=True)
    write(root, {f"{clip.format(speaker)}.wav": "clip" for clip, speaker in clips})
