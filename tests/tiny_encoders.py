"""Tiny real checkpoints of sound and image encoders, written by the libraries that write the big ones."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from transformers import (
    BitImageProcessorPil,
    ConvNextConfig,
    ConvNextModel,
    Data2VecAudioConfig,
    Data2VecAudioModel,
    Dinov2Config,
    Dinov2Model,
    HubertConfig,
    HubertModel,
    PretrainedConfig,
    PreTrainedModel,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from multimodal_emotion.encoders._pretrained import quietly
from multimodal_emotion.media import Audio, Frames, Text

LAYERS: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (5, 4, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
CLIP_ARGUMENTS = {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}


def write(folder: Path, kind: type[PreTrainedModel], config: PretrainedConfig) -> Path:
    """A model with weights everywhere, so that what should not reach a row would show."""
    torch.manual_seed(0)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    with quietly():
        model.save_pretrained(folder)
    return folder


def speech(kind: type[PreTrainedModel], config: type[PretrainedConfig], **settings: Any) -> Callable[[Path], Path]:
    """Writes a checkpoint of the wav2vec2 family, with its feature extractor."""

    def build(folder: Path) -> Path:
        write(folder, kind, config(**LAYERS, **CONVOLUTIONS, **settings))
        Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
        return folder

    return build


def tiny_whisper(folder: Path) -> Path:
    """A Whisper that hears half a second at once."""
    config = WhisperConfig(
        vocab_size=64,
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_mel_bins=80,
        max_source_positions=25,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    write(folder, WhisperModel, config)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def pictures(kind: type[PreTrainedModel], config: PretrainedConfig) -> Callable[[Path], Path]:
    """Writes an image checkpoint of transformers, with its image processor."""

    def build(folder: Path) -> Path:
        write(folder, kind, config)
        BitImageProcessorPil(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]).save_pretrained(folder)
        return folder

    return build


def tiny_timm(folder: Path, architecture: str = "vit_tiny_patch16_224", size: int = 16, **arguments: Any) -> Path:
    """A model in the layout that timm uploads to the hub."""
    torch.manual_seed(0)
    arguments = arguments or CLIP_ARGUMENTS
    model = timm.create_model(architecture, num_classes=3, **arguments)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {
        "architecture": architecture,
        "num_classes": 3,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [3, size, size],
            "fixed_input_size": architecture.startswith("vit"),
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "num_classes": 3,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@dataclass(frozen=True)
class Case:
    """One way to build an encoder for the contract suite.

    Attributes:
        name: of the encoder.
        settings: for its constructor.
        checkpoint: writes the checkpoint; None where it has none.
    """

    name: str
    settings: Mapping[str, Any]
    checkpoint: Callable[[Path], Path] | None = None


CASES = {
    "wav2vec2 group": Case("wav2vec2", {"layers": "mix"}, speech(Wav2Vec2Model, Wav2Vec2Config)),
    "wav2vec2 layer": Case(
        "wav2vec2",
        {"layers": "all", "pooling": "none"},
        speech(Wav2Vec2Model, Wav2Vec2Config, feat_extract_norm="layer", do_stable_layer_norm=True),
    ),
    "hubert group": Case("wav2vec2", {"layers": "last", "pooling": "attention"}, speech(HubertModel, HubertConfig)),
    "hubert layer": Case(
        "wav2vec2",
        {"layers": [0, -1], "pooling": "stats", "standardise": True},
        speech(HubertModel, HubertConfig, feat_extract_norm="layer", do_stable_layer_norm=True),
    ),
    "wavlm": Case(
        "wav2vec2",
        {"layers": 1, "pooling": "mean"},
        speech(WavLMModel, WavLMConfig, feat_extract_norm="layer", do_stable_layer_norm=True),
    ),
    "data2vec-audio": Case(
        "wav2vec2", {"layers": "mix", "pooling": "transformer"}, speech(Data2VecAudioModel, Data2VecAudioConfig)
    ),
    "whisper all": Case("whisper", {}, tiny_whisper),
    "whisper mix": Case("whisper", {"layers": "mix", "pooling": "none", "standardise": False}, tiny_whisper),
    "timm vit": Case("vit", {"pooling": "transformer"}, tiny_timm),
    "timm convnext": Case(
        "vit",
        {"pooling": "stats"},
        lambda folder: tiny_timm(folder, "convnext_atto", 32, depths=(1, 1, 1, 1), dims=(8, 8, 8, 16)),
    ),
    "dinov2": Case(
        "dinov2",
        {"size": 28, "layers": [0, 2]},
        pictures(Dinov2Model, Dinov2Config(**LAYERS, image_size=56, patch_size=14)),
    ),
    "transformers vit": Case(
        "dinov2",
        {"size": 16, "layers": "mix", "tokens": "both", "pooling": "attention"},
        pictures(ViTModel, ViTConfig(**LAYERS, image_size=32, patch_size=8)),
    ),
    "transformers convnext": Case(
        "dinov2",
        {"size": 16, "tokens": "mean", "layers": "all"},
        pictures(ConvNextModel, ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)),
    ),
    "prosody": Case("prosody", {}),
    "features": Case("features", {"name": "units", "dim": 5, "pooling": "stats"}),
    "features sequence": Case("features", {"name": "units", "dim": 5, "pooling": "none", "standardise": False}),
}


def media(medium: str) -> list[Any]:
    """Three media of different lengths, as `Preparation.read` gives them."""
    generator = np.random.default_rng(0)
    if medium == "audio":
        times = [np.arange(length) / 16000 for length in (6000, 2001, 12000)]
        return [
            Audio(
                (0.2 * np.sin(2 * np.pi * (180 + 80 * t) * t) + generator.normal(0, 0.02, len(t))).astype("f4"), 16000
            )
            for t in times
        ]
    if medium == "image":
        return [
            Frames(generator.integers(0, 256, (count, 20, 30, 3), dtype=np.uint8), np.arange(count) / 5)
            for count in (3, 1, 4)
        ]
    if medium == "text":
        return [Text("a good day"), Text("bad"), Text("the film was sad, and very dull in the end")]
    return [generator.normal(size=(steps, 5)).astype("f4") for steps in (4, 1, 6)]
