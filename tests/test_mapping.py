"""A model scored on a corpus with other labels than its own."""

import json

import pytest
import torch
from miniatures import dair_emotion, emobank, emodb, goemotions, meld, ravdess

from multimodal_emotion import checkpoint, cli, registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.datasets._mapping import counterparts, translated
from multimodal_emotion.errors import InputError
from multimodal_emotion.labels import SEVEN


def opened(miniature, root, level=None):
    miniature.build(root)
    return load_corpus(miniature.__name__.split(".")[-1], root, level=level)


def test_names_of_one_emotion_stand_for_each_other(tmp_path):
    found = counterparts(opened(ravdess, tmp_path), "multiclass", SEVEN)
    assert found == {
        "neutral": "neutral", "calm": "neutral", "happy": "joy", "sad": "sadness", "angry": "anger", "fearful": "fear",
        "disgust": "disgust", "surprised": "surprise",
    }  # fmt: skip
    assert translated(Utterance("a", label="happy"), found, "multiclass").label == "joy"
    assert translated(Utterance("a", label={"calm": 3.0, "neutral": 1.0}), found, "multiclass").label == "neutral"


def test_what_a_whole_set_has_nothing_for_is_left_out(tmp_path):
    found = counterparts(opened(emodb, tmp_path), "multiclass", SEVEN)
    assert found["boredom"] is None
    assert translated(Utterance("a", label="boredom"), found, "multiclass").label is None


def test_several_labels_become_votes_for_one_and_one_becomes_several(tmp_path):
    found = counterparts(opened(goemotions, tmp_path / "g", "ekman"), "multiclass", SEVEN)
    assert translated(Utterance("a", label=("joy", "anger")), found, "multiclass").label == {"joy": 1.0, "anger": 1.0}
    found = counterparts(opened(meld, tmp_path / "m"), "multilabel", SEVEN)
    assert translated(Utterance("a", label="joy"), found, "multilabel").label == ("joy",)


def test_the_same_labels_are_not_touched(tmp_path):
    assert counterparts(opened(meld, tmp_path), "multiclass", SEVEN) is None


@pytest.mark.parametrize(
    ("miniature", "level", "own", "message"),
    [
        (meld, None, ("joy", "sadness", "anger"), "the model .joy, sadness, anger. has no label for neutral"),
        (meld, "sentiment", SEVEN, "has no label for positive, negative\ngive another --level .emotion, sentiment."),
        (goemotions, "group", SEVEN, "has no label for ambiguous"),
        (emobank, None, SEVEN, "is for regression .V, A, D., the model for multiclass"),
    ],
)
def test_a_model_is_not_excused_from_what_it_does_not_know(miniature, level, own, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        counterparts(opened(miniature, tmp_path, level), "multiclass", own)
    assert len(str(caught.value).splitlines()) == 2


def test_evaluate_says_which_label_was_read_as_which(tmp_path, tiny_bert_folder, capsys):
    torch.manual_seed(0)
    settings = ModelConfig(encoders={"text": {"type": "bert", "checkpoint": str(tiny_bert_folder)}})
    task = registry.build("tasks", "multiclass", labels=list(SEVEN))
    checkpoint.save(TrainedModel(checkpoint.build(settings, task), task, settings), tmp_path / "model")
    dair_emotion.build(tmp_path / "corpus")
    command = ["evaluate", str(tmp_path / "model"), "--corpus", "dair_emotion", "--root", str(tmp_path / "corpus")]
    assert cli.main([*command, "--split", "validation", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["mapping"]["labels"]["love"] == "joy"
    assert report["mapping"]["left_out"] == 0
    assert report["labels"] == list(SEVEN)
    assert cli.main([*command, "--split", "validation", "--quiet"]) == 0
    assert "labels of the corpus are read in those of the model: love as joy" in capsys.readouterr().out
