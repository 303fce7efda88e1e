import pytest

from multimodal_emotion import labels
from multimodal_emotion.datasets import goemotions
from multimodal_emotion.errors import InputError

CORPORA = {
    "dair_emotion": {
        "sadness": "sadness",
        "joy": "joy",
        "love": "joy",
        "anger": "anger",
        "fear": "fear",
        "surprise": "surprise",
    },
    "dailydialog": {"no emotion": "neutral", "happiness": "joy", "sadness": "sadness", "disgust": "disgust"},
    "ravdess": {
        "neutral": "neutral",
        "calm": "neutral",
        "happy": "joy",
        "sad": "sadness",
        "angry": "anger",
        "fearful": "fear",
        "disgust": "disgust",
        "surprised": "surprise",
    },
    "emodb": {"boredom": None, "happiness": "joy", "anger": "anger"},
    "ferplus": {"contempt": None, "happiness": "joy", "unknown": None},
    "crema_d": {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "joy", "NEU": "neutral", "SAD": "sadness"},
    "iemocap": {"exc": "joy", "fru": None, "xxx": None, "Excited": "joy", "frustration": None, "sur": "surprise"},
    "tess": {"pleasant_surprise": "surprise", "ps": "surprise"},
}


def test_goemotions_goes_to_its_published_coarser_labels() -> None:
    for to, level in (("seven", "ekman"), ("group", "group")):
        sets = {"ekman": labels.EKMAN, "group": labels.GROUP}[level]
        assert tuple(sets) == goemotions.LABELS[level]
        for coarse, fine in sets.items():
            assert {labels.map_label(label, to) for label in fine} == {coarse}
        assert {label for fine in sets.values() for label in fine} == set(goemotions.LABELS["full"])
    assert set(labels.EKMAN) == set(labels.SEVEN)


@pytest.mark.parametrize("corpus", CORPORA)
def test_labels_of_corpora_go_to_the_seven(corpus: str) -> None:
    for label, expected in CORPORA[corpus].items():
        assert labels.map_label(label) == expected


def test_maps_lead_into_their_sets() -> None:
    sets = {"seven": labels.SEVEN, "group": tuple(labels.GROUP), "polarity": labels.POLARITIES}
    for to, found in labels.MAPS.items():
        assert set(found.values()) <= {*sets[to], None}
        assert set(found) == set(labels.MAPS["seven"])
    for synonym, name in labels.SYNONYMS.items():
        assert labels.normalise(synonym) == name
        assert name in labels.MAPS["seven"]


def test_polarity() -> None:
    found = {
        label: labels.map_label(label, "polarity")
        for label in ("Happy", "boredom", "surprised", "calm", "very-positive")
    }
    assert found == {
        "Happy": "positive",
        "boredom": "negative",
        "surprised": None,
        "calm": "neutral",
        "very-positive": "positive",
    }
    assert {labels.map_label(label, "polarity") for label in labels.SEVEN} == {"neutral", "positive", "negative", None}


def test_unknown_labels_and_sets_name_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown label 'sadnes' in the map to seven; did you mean 'sadness'"):
        labels.map_label("sadnes")
    with pytest.raises(InputError, match="unknown label set 'polarities'; did you mean 'polarity'"):
        labels.map_label("joy", "polarities")


def test_rescale_keeps_ends_and_proportions() -> None:
    scale = labels.RANGES["self_assessment"]
    assert [labels.rescale(value, scale, (-1, 1)) for value in (1, 3, 5)] == [-1, 0, 1]
    assert labels.rescale(labels.rescale(2.2, scale, labels.RANGES["unit"]), labels.RANGES["unit"], scale) == 2.2
