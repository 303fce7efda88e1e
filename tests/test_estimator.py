import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tiny import sentences

from multimodal_emotion import EmotionClassifier, EmotionRegressor
from multimodal_emotion.errors import InputError

FAST = ("training.learning_rate=1e-2", "training.head_learning_rate=1e-2", "training.precision=32")


@pytest.fixture
def classifier(tiny_bert_folder):
    return EmotionClassifier(encoders=f"text=bert:{tiny_bert_folder}", epochs=3, settings=FAST)


@pytest.fixture(scope="module")
def data():
    texts, labels = zip(*sentences(192, 5), strict=True)
    return list(texts), list(labels)


def test_it_fits_and_predicts(classifier, data):
    texts, labels = data
    assert classifier.fit(texts, labels) is classifier
    assert classifier.classes_.tolist() == ["negative", "positive"]
    probabilities = classifier.predict_proba(texts[:5])
    assert probabilities.shape == (5, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert classifier.score(texts, labels) > 0.8


def test_constructors_store_and_clone(classifier):
    other = clone(classifier)
    assert other.get_params() == classifier.get_params()
    assert other.set_params(epochs=1).epochs == 1
    assert not hasattr(other, "trained_")
    with pytest.raises(NotFittedError):
        other.predict(["a"])


def test_cross_validation_with_groups_and_pipelines(classifier, data):
    texts, labels = data
    groups = np.arange(len(texts)) % 6
    scores = cross_val_score(
        make_pipeline(FunctionTransformer(), classifier.set_params(epochs=8)),
        np.array(texts, dtype=object),
        labels,
        groups=groups,
        cv=GroupKFold(2),
    )
    assert scores.mean() > 0.7


@pytest.mark.parametrize("dimensions", [1, 2])
def test_regression(tiny_bert_folder, data, dimensions):
    texts, labels = data
    values = np.array([[5.0, 1.0] if label == "positive" else [1.0, 3.0] for label in labels])[:, :dimensions]
    target = values[:, 0] if dimensions == 1 else values
    model = EmotionRegressor(encoders=f"text=bert:{tiny_bert_folder}", epochs=3, settings=FAST).fit(texts, target)
    found = model.predict(texts)
    assert found.shape == target.shape
    assert model.score(texts, target) > 0.3


def test_what_cannot_be_read_is_named(classifier):
    with pytest.raises(InputError, match="input 1 is int"):
        classifier.fit(["a", 3], ["x", "y"])
    with pytest.raises(InputError, match=r"none\.wav: no such file"):
        classifier.fit(["a", "none.wav"], ["x", "y"])
