"""Values read beside the decision: they are those of ridge regression, and reach every output of a prediction."""

import csv
import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from tiny import sentences

from multimodal_emotion import checkpoint, registry
from multimodal_emotion.annotation import annotate
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.closed_form import PENALTIES, fit_dimensions
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.fusion._base import summary
from multimodal_emotion.inference import score
from multimodal_emotion.loading import Rows, collate_for
from multimodal_emotion.prediction import predict, write

NAMES = ("valence", "arousal")


@pytest.fixture
def trained(tiny_bert_folder):
    """Text and ready-made numbers; it decides for one of two labels."""
    settings = ModelConfig(
        encoders={
            "text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"},
            "face": {"type": "features", "name": "face", "dim": 3},
        }
    )
    task = registry.build("tasks", "binary", labels=["negative", "positive"])
    return TrainedModel(checkpoint.build(settings, task).eval(), task, settings)


def rated(count=60):
    """Sentences whose valence is told by a word, and whose arousal is their length."""
    return [
        Utterance(str(n), text=text, label={"V": 1.0 + 3 * (label == "positive"), "A": 1 + len(text) / 20})
        for n, (text, label) in enumerate(sentences(count))
    ]


def vectors(trained, rows):
    batch = collate_for(trained.preparations)([*map(Rows(rows, trained.preparations).__getitem__, range(len(rows)))])
    return summary(trained.model.encode(batch.inputs)["text"]).detach().double().numpy()


def test_they_are_a_ridge_regression_on_the_encoder_as_it_is(trained):
    rows = rated()
    before = [item.scores for item in score(trained, rows, precision="32")]
    fit_dimensions(trained, rows, NAMES, (1, 5))
    after = list(score(trained, rows, precision="32"))
    np.testing.assert_array_equal(before, [item.scores for item in after])
    read = np.stack([item.dimensions for item in after])
    features = StandardScaler().fit_transform(vectors(trained, rows))
    truth = np.array([[row.label["V"], row.label["A"]] for row in rows])
    for column in range(2):
        candidates = [Ridge(penalty).fit(features, truth[:, column]).predict(features) for penalty in PENALTIES]
        nearest = min(np.abs(read[:, column] - values.clip(1, 5)).max() for values in candidates)
        assert nearest < 1e-3
    assert np.corrcoef(read[:, 0], truth[:, 0])[0, 1] > 0.6


def test_without_the_modality_there_are_none(trained):
    fit_dimensions(trained, rated(), NAMES, (1, 5))
    both = Utterance("both", text="a good day", features={"face": (0.1, 0.2, 0.3)})
    face = Utterance("face", features={"face": (0.1, 0.2, 0.3)})
    found = predict(trained, [both, face])
    assert set(found[0].dimensions) == set(NAMES)
    assert found[1].dimensions == {}
    assert (found[0].scale, found[1].scale) == ((1, 5), None)
    assert {"dimensions", "scale"}.isdisjoint(found[1].to_dict())


def test_they_reach_files_and_survive_saving(trained, tmp_path, capsys):
    fit_dimensions(trained, rated(), NAMES, (1, 5))
    checkpoint.save(trained, tmp_path / "model")
    loaded = checkpoint.load(tmp_path / "model")
    item = predict(loaded, "a good day")
    assert dict(item.dimensions) == dict(predict(trained, "a good day").dimensions)
    write([item], [tmp_path / "out.csv"], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["dimensions"], said["scale"]) == (dict(item.dimensions), [1, 5])
    with (tmp_path / "out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["valence"]) == item.dimensions["valence"]
    (tmp_path / "in.txt").write_text("a good day\nan awful day\n")
    annotate(loaded, tmp_path / "in.txt", tmp_path / "labelled.csv", progress=False)
    with (tmp_path / "labelled.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["emotion.valence"]) == pytest.approx(item.dimensions["valence"], abs=2e-3)


def test_what_cannot_be_fitted_is_refused(trained):
    several = [Utterance("0", text="a day", features={"face": (0.0, 0.0, 0.0)}, label={"V": 1.0})]
    with pytest.raises(InputError, match="read off one modality; the utterances have face, text of the model's"):
        fit_dimensions(trained, several, ["valence"], (1, 5))
    with pytest.raises(InputError, match="the utterances have none of the model's"):
        fit_dimensions(trained, [Utterance("0", label={"V": 1.0})], ["valence"], (1, 5))
    trained.settings.dimensions = {"modality": "audio", "names": ["valence"], "range": [1, 5]}
    with pytest.raises(InputError, match=r"model\.dimensions: no encoder 'audio'; there are face, text"):
        checkpoint.build(trained.settings, trained.task)
