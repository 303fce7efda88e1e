"""Fine-tune pretrained text, audio and image encoders to understand emotion, from raw files.

The public names are imported when they are first used: `import multimodal_emotion` alone loads neither torch nor
transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Batch": "batch",
    "Config": "config",
    "Corpus": "datasets._base",
    "EmotionClassifier": "estimator",
    "EmotionModel": "model",
    "EmotionRegressor": "estimator",
    "Encoder": "encoders._base",
    "Fusion": "fusion._base",
    "InputError": "errors",
    "MaskedSequence": "batch",
    "Run": "runs",
    "Task": "tasks._base",
    "TrainedModel": "checkpoint",
    "Utterance": "batch",
    "baseline": "baseline",
    "evaluate": "runs",
    "extract": "feature_files",
    "load": "checkpoint",
    "load_corpus": "corpora",
    "merge": "checkpoint",
    "names": "registry",
    "predict": "prediction",
    "pretrained": "shipped",
    "resume": "runs",
    "save": "checkpoint",
    "save_adapter": "checkpoint",
    "train": "api",
    "tune": "tuning",
}

__all__ = [
    "Batch",
    "Config",
    "Corpus",
    "EmotionClassifier",
    "EmotionModel",
    "EmotionRegressor",
    "Encoder",
    "Fusion",
    "InputError",
    "MaskedSequence",
    "Run",
    "Task",
    "TrainedModel",
    "Utterance",
    "__version__",
    "baseline",
    "evaluate",
    "extract",
    "load",
    "load_corpus",
    "merge",
    "names",
    "predict",
    "pretrained",
    "resume",
    "save",
    "save_adapter",
    "train",
    "tune",
]

if TYPE_CHECKING:
    from multimodal_emotion.api import train
    from multimodal_emotion.baseline import baseline
    from multimodal_emotion.batch import Batch, MaskedSequence, Utterance
    from multimodal_emotion.checkpoint import TrainedModel, load, merge, save, save_adapter
    from multimodal_emotion.config import Config
    from multimodal_emotion.corpora import load_corpus
    from multimodal_emotion.datasets._base import Corpus
    from multimodal_emotion.encoders._base import Encoder
    from multimodal_emotion.errors import InputError
    from multimodal_emotion.estimator import EmotionClassifier, EmotionRegressor
    from multimodal_emotion.feature_files import extract
    from multimodal_emotion.fusion._base import Fusion
    from multimodal_emotion.model import EmotionModel
    from multimodal_emotion.prediction import predict
    from multimodal_emotion.registry import names
    from multimodal_emotion.runs import Run, evaluate, resume
    from multimodal_emotion.shipped import pretrained
    from multimodal_emotion.tasks._base import Task
    from multimodal_emotion.tuning import tune


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A module of the same name (baseline, ...) becomes an attribute of the package when it is imported: store over it.
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
