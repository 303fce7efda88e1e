"""MSP-IMPROV: improvised and natural dialogues of two actors around target sentences, as sound and video.

Size: 8,438 turns; twelve actors in six sessions of a woman and a man; 20 target sentences in four emotions.
Origin: University of Texas at Dallas; at least five raters from a crowd for each turn, checked while they rated (Busso et
    al., 2017).
Language: English.
Elicitation: acted, elicited, natural.
Known defects: labels are unequal (3,477 neutral, 2,644 happy, 792 angry, 885 sad); turns without agreement (X) or with another
    emotion (O) have no label here; what is said is not released.

The published protocol leaves one session out; the split here is sessions 1-4 train, 5 validation, 6 test.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import Collected, by_name, lines_of

CITATION = """@article{busso2017mspimprov,
  title = {{MSP-IMPROV}: An Acted Corpus of Dyadic Interactions to Study Emotion Perception},
  author = {Busso, Carlos and Parthasarathy, Srinivas and Burmania, Alec and AbdelWahab, Mohammed and Sadoughi, Najmeh and
            Mower Provost, Emily},
  journal = {IEEE Transactions on Affective Computing}, volume = {8}, number = {1}, pages = {67--80}, year = {2017}}"""

LICENCE = "by agreement with the University of Texas at Dallas; no redistribution"

LABELS = {
    "four": ("anger", "happiness", "neutral", "sadness"),
    "dimensions": ("activation", "valence", "dominance"),
}

EMOTIONS = dict(zip("AHNS", LABELS["four"], strict=True))

SCENARIOS = {"P": "natural", "R": "target read", "S": "other improvised", "T": "target improvised"}

NUMBER = r"([\d.]+|NaN)"

TURN = re.compile(
    r"UTD-IMPROV-(S\d\d([AHNS])-([FM])(\d\d)-([PRST])-([FM])\w+)\.avi\s*;\s*([A-Z])\s*;"
    rf"\s*A:{NUMBER}\s*;\s*V:{NUMBER}\s*;\s*D:{NUMBER}\s*;.*"
)


class MspImprov(Collected):
    """`Evaluation.txt` (spelled `Evalution.txt` in some copies) and files `MSP-IMPROV-S01A-F01-P-FM01` (.wav, .avi).

    The name says: sentence and its intended emotion, actor in focus and session, scenario (P natural, R read, S and T
    improvised), and who speaks to whom; the speaker is the first letter of that.
    """

    name = "msp_improv"
    title = "MSP-IMPROV"
    size = "8,438 turns, 12 speakers"
    language = "English"
    elicitation = "acted, elicited, natural"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    levels = tuple(LABELS)
    label_sets = LABELS
    modalities = ("audio", "image")
    folds = ("session", "speaker")
    released = 8438
    limits = (1.0, 5.0)

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The rated turns, in the order of the table."""
        path = find(self.root, *(f"{place}{name}.txt" for name in ("Evaluation", "Evalution") for place in ("", "**/")))
        if path is None:
            return
        for line in lines_of(path):
            match = TURN.fullmatch(line)
            if match:
                session = int(match[4])
                yield "train" if session <= 4 else "validation" if session == 5 else "test", self._utterance(match)

    def _utterance(self, match: re.Match[str]) -> Utterance:
        turn, intended, _, session, scenario, speaker = match.groups()[:6]
        return Utterance(
            id=f"MSP-IMPROV-{turn}",
            audio=self.files.get(f"MSP-IMPROV-{turn}.wav"),
            video=self.files.get(f"MSP-IMPROV-{turn}.avi") or self.files.get(f"UTD-IMPROV-{turn}.avi"),
            label=self._label(match),
            speaker=f"{speaker}{session}",
            extra={
                "session": str(int(session)),
                "gender": {"F": "female", "M": "male"}[speaker],
                "scenario": SCENARIOS[scenario],
                "intended": EMOTIONS[intended],
            },
        )

    def _label(self, match: re.Match[str]) -> Label | None:
        if self.level == "four":
            return EMOTIONS.get(match[7])
        values = {
            name: float(value) for name, value in zip(self.label_sets["dimensions"], match.groups()[7:], strict=True)
        }
        return values if all(1 <= value <= 5 for value in values.values()) else None

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Sound and video by file name."""
        return by_name(self.root, (".wav", ".avi"))
