"""SAVEE: phonetically balanced sentences spoken by four men in seven emotions, as sound and video.

Size: 480 clips: for each speaker 15 in each of six emotions and 30 neutral ones.
Origin: postgraduates and researchers of the University of Surrey, recorded with markers on their faces; TIMIT sentences
    (Haq and Jackson, 2009).
Language: English (British).
Elicitation: acted, prompted by films and pictures.
Known defects: men only; neutral has twice as many clips as the others; ten of fifteen sentences differ between emotions, so
    that what is said tells something of how; blue markers are painted on the faces.

There is no official split: DC and JE train, JK validation, KL test; published results leave one speaker out.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._media import Recordings

CITATION = """@inproceedings{haq2009savee,
  title = {Speaker-dependent audio-visual emotion recognition},
  author = {Haq, Sanaul and Jackson, Philip J. B.},
  booktitle = {Proceedings of AVSP}, pages = {53--58}, year = {2009}}"""

LICENCE = "free for research after registration; no redistribution"

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")

EMOTIONS = dict(zip(("a", "d", "f", "h", "n", "sa", "su"), LABELS, strict=True))

SPLITS_OF = {"DC": "train", "JE": "train", "JK": "validation", "KL": "test"}


class Savee(Recordings):
    """Files `SPEAKER/EMOTIONnn` (AudioData, AudioVisualClip), or `SPEAKER_EMOTIONnn` in flat copies."""

    name = "savee"
    title = "Surrey Audio-Visual Expressed Emotion"
    size = "480 clips, 4 speakers"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("audio", "image")
    folds = ("speaker",)
    released = 480

    def parse(self, path: Path) -> Utterance | None:
        """What the name of a file and of its folder say."""
        match = re.fullmatch(r"(?:(DC|JE|JK|KL)_?)?(a|d|f|h|n|sa|su)(\d{1,2})", path.stem)
        speaker = match and (match[1] or path.parent.name)
        if match is None or speaker not in SPLITS_OF:
            return None
        emotion, number = match[2], int(match[3])
        return Utterance(
            id=f"{speaker}_{emotion}{number:02}", label=EMOTIONS[emotion], speaker=speaker, extra={"gender": "male"}
        )

    def split_of(self, utterance: Utterance) -> str:
        """By speaker."""
        return SPLITS_OF[str(utterance.speaker)]
