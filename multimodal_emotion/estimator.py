"""scikit-learn's contract around the same training: `clone`, `cross_val_score` with groups, pipelines, `predict_proba`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from multimodal_emotion import config as configuration
from multimodal_emotion import presets, registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.inference import score
from multimodal_emotion.inputs import as_utterance, modalities_of
from multimodal_emotion.runs import assemble, fit


class _Estimator(BaseEstimator):
    """What classifier and regressor share. X: a sequence of sentences, media paths, or `Utterance`s."""

    _task: str

    def __init__(
        self,
        preset: str = "embedded",
        encoders: str | None = None,
        epochs: int = 5,
        seed: int = 0,
        settings: Sequence[str] = (),
        progress: bool = False,
    ) -> None:
        """
        Args:
            preset: named set of encoders.
            encoders: "text=bert:CHECKPOINT,...", in place of the preset's.
            epochs: passes over the training data.
            seed: of everything random.
            settings: further "a.b=value" settings.
            progress: whether to show progress on standard error.
        """
        self.preset = preset
        self.encoders = encoders
        self.epochs = epochs
        self.seed = seed
        self.settings = settings
        self.progress = progress

    def _fit(self, utterances: list[Utterance], labels: Sequence[str], options: dict[str, Any]) -> None:
        config = configuration.Config(seed=self.seed)
        if self.encoders:
            config.model.encoders = presets.parse_encoders([self.encoders])
        else:
            config = presets.apply(config, self.preset, modalities_of(utterances))
        config.training.epochs = self.epochs
        config.training.keep = "last"
        config = configuration.with_settings(config, list(self.settings))
        task = registry.build("tasks", self._task, labels=list(labels), **options)
        self.trained_ = assemble(config, task, utterances)
        self.history_, _ = fit(self.trained_, config, utterances, None, progress=self.progress)
        self.n_features_in_ = 1

    def _scores(self, X: Iterable[Any]) -> np.ndarray:
        check_is_fitted(self, "trained_")
        trained: TrainedModel = self.trained_
        return np.stack([item.scores for item in score(trained, as_utterances(X))])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.non_deterministic = False
        return tags


class EmotionClassifier(ClassifierMixin, _Estimator):
    """Fine-tunes encoders on labelled sentences or clips; one label for each."""

    _task = "multiclass"

    def fit(self, X: Iterable[Any], y: Iterable[Any], groups: object = None) -> "EmotionClassifier":
        """
        Args:
            X: sentences, media paths or `Utterance`s, n of them.
            y: n labels.
            groups: ignored; splitters use it.
        """
        labels = np.asarray(list(y)).astype(str)
        self.classes_ = np.unique(labels)
        rows = [replace(u, label=str(label)) for u, label in zip(as_utterances(X), labels, strict=True)]
        self._fit(rows, [str(label) for label in self.classes_], {})
        return self

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        """(n, classes) probabilities, columns as `classes_`."""
        return self._scores(X)

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """(n,) labels."""
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]


class EmotionRegressor(RegressorMixin, _Estimator):
    """Fine-tunes encoders on one or several numbers for each sentence or clip (valence, arousal, dominance, ...)."""

    _task = "regression"

    def fit(self, X: Iterable[Any], y: Any, groups: object = None) -> "EmotionRegressor":
        """
        Args:
            X: sentences, media paths or `Utterance`s, n of them.
            y: (n,) or (n, dimensions) numbers.
            groups: ignored; splitters use it.
        """
        values = np.asarray(y, dtype=float)
        self.flat_ = values.ndim == 1
        values = values.reshape(len(values), -1)
        names = [f"y{number}" for number in range(values.shape[1])]
        ranges = {
            name: (float(low), float(high)) for name, low, high in zip(names, values.min(0), values.max(0), strict=True)
        }
        rows = [
            replace(u, label=dict(zip(names, map(float, row), strict=True)))
            for u, row in zip(as_utterances(X), values, strict=True)
        ]
        self._fit(rows, names, {"ranges": ranges})
        return self

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """(n,) or (n, dimensions) values, as `fit` was given."""
        values = self._scores(X)
        return values[:, 0] if self.flat_ else values


def as_utterances(items: Iterable[Any]) -> list[Utterance]:
    """Sentences, media paths or `Utterance`s, in a list, tuple, array or table column -> `Utterance`s."""
    flat = items if isinstance(items, list | tuple) else np.asarray(items, dtype=object).ravel()
    return [as_utterance(item, str(number)) for number, item in enumerate(flat)]
