"""Named sets of encoders with the training settings that suit them."""

import copy
from collections.abc import Iterable
from typing import Any

from multimodal_emotion.config import Config
from multimodal_emotion.errors import InputError, unknown

ENCODERS: dict[str, dict[str, dict[str, Any]]] = {
    "embedded": {
        "audio": {
            "type": "whisper",
            "checkpoint": "embedded",
            "layers": "all",
            "pooling": "stats",
            "standardise": True,
        },
        "image": {"type": "vit", "checkpoint": "embedded", "faces": "crop", "standardise": True},
        "text": {"type": "bert", "checkpoint": "embedded", "pooling": "mean"},
    },
    "multilingual": {
        "text": {
            "type": "bert",
            "checkpoint": "embedded:multilingual-e5-small",
            "pooling": "mean",
            "prefix": "query: ",
        },
    },
    "base": {
        "audio": {"type": "wav2vec2", "checkpoint": "facebook/wav2vec2-base", "layers": "mix", "pooling": "stats"},
        "image": {"type": "vit", "checkpoint": "vit_base_patch16_224"},
        "text": {"type": "bert", "checkpoint": "bert-base-cased", "pooling": "pooler"},
    },
    "large": {
        "audio": {"type": "wav2vec2", "checkpoint": "facebook/wav2vec2-large", "layers": "mix", "pooling": "stats"},
        "image": {"type": "vit", "checkpoint": "vit_large_patch16_224"},
        "text": {"type": "bert", "checkpoint": "bert-large-cased", "pooling": "pooler"},
    },
}

TRAINING: dict[str, dict[str, Any]] = {
    "embedded": {"learning_rate": 1e-4, "head_learning_rate": 1e-3, "batch_size": 32, "epochs": 5},
    "multilingual": {"learning_rate": 1e-4, "head_learning_rate": 1e-3, "batch_size": 32, "epochs": 4},
    "base": {"learning_rate": 2e-5, "head_learning_rate": 1e-3, "batch_size": 16, "epochs": 4},
    "large": {"learning_rate": 1e-5, "head_learning_rate": 5e-4, "batch_size": 16, "epochs": 4},
}

FROZEN: dict[str, tuple[str, ...]] = {"embedded": ("audio", "image")}
"""Encoders whose pretrained part stays as it is: their features are computed once, and little data spoils them."""

HEAD_EPOCHS = 60
"""Epochs where only pooling, fusion and head learn: each costs next to nothing."""


def apply(config: Config, preset: str, modalities: Iterable[str]) -> Config:
    """The configuration with a preset's encoders for these modalities and its training settings.

    Raises:
        InputError: an unknown preset, or one without an encoder for any of the modalities.
    """
    if preset not in ENCODERS:
        raise unknown("preset", preset, ENCODERS)
    config = copy.deepcopy(config)
    found = {name: dict(ENCODERS[preset][name]) for name in modalities if name in ENCODERS[preset]}
    if not found:
        have = ", ".join(ENCODERS[preset])
        raise InputError(f"preset {preset!r} has encoders for {have} only; name others with --encoders")
    config.model.encoders = found | config.model.encoders
    for key, value in TRAINING[preset].items():
        setattr(config.training, key, value)
    frozen = [name for name in found if name in FROZEN.get(preset, ())]
    if frozen:
        config.training.freeze = dict.fromkeys(frozen, "all")
    if len(frozen) == len(config.model.encoders):
        config.training.epochs = HEAD_EPOCHS
    return config


def parse_encoders(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """ "text=bert:CHECKPOINT" each -> {"text": {"type": "bert", "checkpoint": CHECKPOINT}}; the checkpoint may be left out."""
    encoders: dict[str, dict[str, Any]] = {}
    for text in texts:
        for part in text.split(","):
            name, equals, rest = part.partition("=")
            kind, _, checkpoint = rest.partition(":")
            if not (name and equals and kind):
                raise InputError(f"--encoders {part}: write it as MODALITY=TYPE:CHECKPOINT, such as text=bert:embedded")
            encoders[name] = {"type": kind} | ({"checkpoint": checkpoint} if checkpoint else {})
    return encoders
