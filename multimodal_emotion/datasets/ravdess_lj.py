"""RAVDESS with action units: 35 means over each clip of what OpenFace saw in the face, beside the sound.

Size: 1,440 spoken takes of 24 actors.
Origin: features of a published model of voice and face (Luna-Jimenez et al., 2022), made from the videos of RAVDESS.
Language: English (North American).
Elicitation: acted.
Known defects: those of RAVDESS, text tells nothing; a mean over the clip has lost all movement of the face.

The published protocol is the five folds of the column `fold`, by actor. The splits are those of `ravdess`, by actor: 1-18
train, 19-20 validation, 21-24 test.
"""

from collections.abc import Iterator
from pathlib import Path

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import Collected
from multimodal_emotion.datasets._table import Row, read_table
from multimodal_emotion.datasets.manifest import SPLIT_NAMES
from multimodal_emotion.errors import unknown

CITATION = """@article{lunajimenez2022,
  title = {A Proposal for Multimodal Emotion Recognition Using Aural Transformers and Action Units on {RAVDESS} Dataset},
  author = {Luna-Jim{\\'e}nez, Cristina and Kleinlein, Ricardo and Griol, David and Callejas, Zoraida and
            Montero, Juan M. and Fern{\\'a}ndez-Mart{\\'\\i}nez, Fernando},
  journal = {Applied Sciences}, volume = {12}, number = {1}, pages = {327}, year = {2022}}"""

LICENCE = "MIT (features); RAVDESS itself is CC BY-NC-SA 4.0"

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

FEATURES = "action_units"


class RavdessLJ(Collected):
    """A `manifest.csv` with a row for each take; the modality `action_units` is one vector of its AU columns.

    The sound is looked for where the column `audio` says, from the folder of the table; where it is not there, the take has
    action units and text only.
    """

    name = "ravdess_lj"
    title = "RAVDESS action units of Luna-Jimenez et al."
    size = "1,440 takes, 24 actors, 35 action units"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("audio", "text")
    folds = ("fold", "speaker")
    released = 1440

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The rows of the table, in its order."""
        path = find(self.root, "manifest.csv", "**/manifest.csv")
        if path is None:
            return
        table = read_table(path)
        table.require("id", "label", "actor", "fold", "split", "transcript", "audio")
        units = [column for column in table.columns if column.startswith("AU")]
        for row in table.rows:
            split = SPLIT_NAMES.get(row.text("split"))
            if split is None:
                raise unknown("split", row.text("split"), SPLIT_NAMES, row.place)
            yield split, _utterance(row, units, path.parent)

    def missing(self) -> list[str]:
        """Also how many takes have no sound here."""
        lines = super().missing()
        silent = [utterance.id for rows in self.rows.values() for utterance in rows if utterance.audio is None]
        return [*lines, f"sound of {len(silent):,} takes, such as {silent[0]}"] if silent else lines


def _utterance(row: Row, units: list[str], folder: Path) -> Utterance:
    label, audio = row.text("label"), folder / row.text("audio")
    if label not in LABELS:
        raise unknown("label", label, LABELS, row.place)
    return Utterance(
        id=row.text("id"),
        text=row.text("transcript") or None,
        audio=audio if row.text("audio") and audio.is_file() else None,
        label=label,
        speaker=row.text("actor").zfill(2),
        features={FEATURES: tuple(row.number(unit) for unit in units)},
        extra={"fold": row.text("fold")},
    )
