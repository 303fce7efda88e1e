from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    """Two clips of each speaker, video of one, and one file of a flat copy."""
    files = [f"AudioData/{speaker}/{clip}.wav" for speaker in ("DC", "JE", "JK", "KL") for clip in ("sa01", "n30")]
    write(root, dict.fromkeys([*files, "AudioVisualClip/DC/sa1.avi", "ALL/JE_a02.wav", "AudioData/Info.txt"], "clip"))
