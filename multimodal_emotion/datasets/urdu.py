"""URDU: utterances of talk shows in four emotions; spontaneous speech of 38 speakers.

Size: 400 clips, a hundred of each emotion; 38 speakers (27 men, 11 women).
Origin: Pakistani talk shows, labelled by four raters who also saw the picture (Latif et al., 2018).
Language: Urdu.
Elicitation: natural.
Known defects: some speakers have one clip, others more than forty, and many appear with one emotion only: splits by speaker
    are uneven, and splits within speakers are far too easy; what is said is not released.

There is no official split: speakers are drawn, by a hash of their name, into about 80 % train, 10 % validation, 10 % test.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._media import Recordings, draw

CITATION = """@inproceedings{latif2018urdu,
  title = {Cross Lingual Speech Emotion Recognition: {U}rdu vs. {W}estern Languages},
  author = {Latif, Siddique and Qayyum, Adnan and Usman, Muhammad and Qadir, Junaid},
  booktitle = {Proceedings of FIT}, pages = {88--93}, year = {2018}}"""

LICENCE = "none stated; published for research"

LABELS = ("anger", "happiness", "neutral", "sadness")

EMOTIONS = dict(zip("AHNS", LABELS, strict=True))


class Urdu(Recordings):
    """Files `SPEAKER_NUMBER_EMOTION`, such as SM1_F10_A010, in a folder for each emotion; SM is a man, SF a woman."""

    name = "urdu"
    title = "URDU Dataset"
    size = "400 clips, 38 speakers"
    language = "Urdu"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("audio",)
    folds = ("speaker",)
    released = 400

    def parse(self, path: Path) -> Utterance | None:
        """What the three parts of a file's name say."""
        match = re.fullmatch(r"(S([MF])\d+)_F\d+_([AHNS])\d+", path.stem)
        if match is None:
            return None
        gender = {"M": "male", "F": "female"}[match[2]]
        return Utterance(id=path.stem, label=EMOTIONS[match[3]], speaker=match[1], extra={"gender": gender})

    def split_of(self, utterance: Utterance) -> str:
        """Drawn by speaker."""
        return draw(str(utterance.speaker))
