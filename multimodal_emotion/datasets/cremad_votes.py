"""The votes of CREMA-D without its clips: what raters heard and saw apart, and what they said of both together.

Size: 7,442 clips of 91 actors, mostly with 7 to 12 votes for each of sound alone, face alone and both.
Origin: 2,443 people on the web rated each clip of CREMA-D in one of three ways (Cao et al., 2014).
Language: English.
Elicitation: acted.
Known defects: clips are rated by few people each, so that a share of votes is coarse; of a twentieth of the clips no label
    has more votes than all others; the sentence tells nothing.

Splits are those of a `manifest.csv`, where there is one; there is no official split: else actors are drawn, by a hash of
their number, into about 80 % train, 10 % validation, 10 % test.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets import crema_d
from multimodal_emotion.datasets._files import find
from multimodal_emotion.datasets._media import Collected, draw
from multimodal_emotion.datasets._table import Row, Table, read_table
from multimodal_emotion.datasets.manifest import SPLIT_NAMES
from multimodal_emotion.errors import InputError, unknown

CITATION = crema_d.CITATION

LICENCE = crema_d.LICENCE

LABELS = crema_d.LABELS

RATINGS = {"voice": "voice", "face": "face", "both": "av"}


class CremaDVotes(Collected):
    """`tabulatedVotes.csv` of the release, or a `manifest.csv` with the same votes in a row for each clip.

    The modalities are `voice` and `face`: of each, six numbers, the shares of the votes of those who only heard, or only saw,
    the clip. The label is the votes of those who did both; the task's option `soft_labels: false` takes the plurality.
    """

    name = "cremad_votes"
    title = "Votes of the Crowd-sourced Emotional Multimodal Actors Dataset"
    size = "7,442 clips, 91 actors, three kinds of votes"
    language = "English"
    elicitation = "acted"
    citation = CITATION
    licence = LICENCE
    task = "multiclass"
    labels = LABELS
    modalities = ("text",)
    folds = ("speaker",)
    released = 7442

    def collect(self) -> Iterator[tuple[str, Utterance]]:
        """The clips that there are votes of, in the order of the table."""
        listed = find(self.root, "manifest.csv", "**/manifest.csv")
        released = find(self.root, "processedResults/tabulatedVotes.csv", "**/tabulatedVotes.csv")
        if listed is not None:
            yield from self._listed(read_table(listed))
        elif released is not None:
            yield from self._released(read_table(released))

    @cached_property
    def actors(self) -> Mapping[str, dict[str, str]]:
        """Age, sex and ethnicity of each actor; {} if they are not here."""
        return crema_d.actors_below(self.root)

    def _listed(self, table: Table) -> Iterator[tuple[str, Utterance]]:
        columns = [f"{rated}_{letter}" for rated in RATINGS.values() for letter in crema_d.VOTES]
        table.require("file", "split", *columns)
        for row in table.rows:
            split = SPLIT_NAMES.get(row.text("split"))
            if split is None:
                raise unknown("split", row.text("split"), SPLIT_NAMES, row.place)
            votes = {kind: _votes(row, f"{column}_") for kind, column in RATINGS.items()}
            yield split, self._utterance(row.text("file"), votes, row.place)

    def _released(self, table: Table) -> Iterator[tuple[str, Utterance]]:
        number, kinds = table.columns[0], {digit: kind for kind, digit in crema_d.RATED.items()}
        table.require(*crema_d.VOTES, "fileName")
        found: dict[str, dict[str, dict[str, float]]] = {}
        places: dict[str, str] = {}
        for row in table.rows:
            kind = kinds.get(row.text(number)[:1])
            if kind is None:
                raise InputError(f"{row.place}: row {row.text(number)!r}; numbers begin with {', '.join(kinds)}")
            found.setdefault(row.text("fileName"), {})[kind] = _votes(row, "")
            places.setdefault(row.text("fileName"), row.place)
        for name, votes in found.items():
            utterance = self._utterance(name, votes, places[name])
            yield draw(str(utterance.speaker)), utterance

    def _utterance(self, name: str, votes: Mapping[str, Mapping[str, float]], place: str) -> Utterance:
        parts = name.split("_")
        if len(parts) != 4 or parts[1] not in crema_d.SENTENCES or parts[2] not in crema_d.EMOTIONS:
            raise InputError(f"{place}: {name!r} is no clip of CREMA-D, such as 1001_DFA_ANG_XX")
        actor, sentence, emotion, intensity = parts
        both = votes.get("both", {})
        return Utterance(
            id=name,
            text=crema_d.SENTENCES[sentence],
            label=dict(both) if sum(both.values()) else None,
            speaker=actor,
            features={kind: _shares(votes[kind]) for kind in ("voice", "face") if sum(votes.get(kind, {}).values())},
            extra={
                "intensity": intensity,
                "intended": crema_d.EMOTIONS[emotion],
                **self.actors.get(actor, {}),
            },
        )


def _votes(row: Row, prefix: str) -> dict[str, float]:
    return {label: row.number(f"{prefix}{letter}") for letter, label in crema_d.VOTES.items()}


def _shares(votes: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(votes[label] / sum(votes.values()) for label in LABELS)
