"""wav2vec 2.0 and its kin, from raw sound: HuBERT, WavLM, data2vec-audio, UniSpeech."""

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, PretrainedConfig, Wav2Vec2FeatureExtractor

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pretrained import load_backbone, load_config, load_part
from multimodal_emotion.encoders._readout import Layers, ReadoutEncoder
from multimodal_emotion.encoders._sound import SoundPreparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio

PROCESSOR = "preprocessor_config.json"

MASKED = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat")
"""Architectures whose layers above the convolutions see no padding. data2vec-audio stacks convolutions over positions,
each of which carries its bias from the padding into the clip."""


class Waveform(SoundPreparation):
    """Sound -> samples (time,), with zero mean and unit variance over the clip where the checkpoint wants it so."""

    def __init__(self, rate: int, normalise: bool, shortest: int, max_seconds: float | int | None) -> None:
        super().__init__(rate, max_seconds)
        self.normalise = normalise
        self.shortest = shortest

    def __call__(self, medium: Audio) -> np.ndarray:
        """Samples (time,); a clip too short for a single frame is followed by silence."""
        samples = medium.samples
        if not len(samples):
            return samples
        if self.normalise:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return np.pad(samples, (0, max(0, self.shortest - len(samples)))).astype(np.float32)


class Wav2Vec2(ReadoutEncoder):
    """Any checkpoint of the wav2vec 2.0 family. 50 steps a second.

    Where the convolutions normalise over the whole padded length ("group", as the base checkpoints do), a padded clip
    would not come out as it does alone; such a checkpoint is not `padding_invariant`, and runs clips by equal length.

    Source: wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations, 2020, arXiv 2006.11477.
    """

    medium: ClassVar[str] = "audio"

    def __init__(
        self,
        checkpoint: str = "facebook/wav2vec2-base",
        *,
        weights: bool = True,
        layers: Layers = "mix",
        pooling: str = "stats",
        standardise: bool = False,
        max_seconds: float | int | None = 30.0,
    ) -> None:
        """
        Args:
            checkpoint: a hub name or a local folder.
            weights: False builds the architecture only.
            layers: "last", "mix", "all", or numbers; 0 is what goes into the first layer.
            pooling: "mean", "stats", "attention", "transformer", "first", or "none", which keeps the sequence.
            standardise: whether features are standardised, as the training split gives it.
            max_seconds: the rest of a longer clip is not read (attention needs memory with the square of the length);
                None reads all of it.

        Raises:
            InputError: the checkpoint is not there, broken, or of another family.
        """
        super().__init__()
        place = resolve(checkpoint, None)
        config = load_config(place)
        if not hasattr(config, "conv_kernel") or not hasattr(config, "conv_stride"):
            raise InputError(f"{checkpoint} is a {config.model_type} checkpoint, not of the wav2vec2 family")
        # Masking spans of time would be augmentation that nobody asked for, and fails on clips shorter than a span.
        config.apply_spec_augment = False
        config.layerdrop = 0.0
        config.add_adapter = False
        self.backbone = load_backbone(place, config, weights, allowed=("masked_spec_embed",))
        self.config = config
        self.padding_invariant = (
            config.model_type in MASKED
            and config.feat_extract_norm == "layer"
            and not getattr(config, "conv_pos_batch_norm", False)
        )
        processor = processor_of(place)
        self.prepare = Waveform(processor.sampling_rate, processor.do_normalize, shortest(config), max_seconds)
        self.read_out([config.hidden_size] * (config.num_hidden_layers + 1), layers, pooling, standardise)

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time) samples -> (batch, time', width)."""
        whole = bool(inputs.mask.all())
        with warnings.catch_warnings():
            # torch warns that WavLM mixes two types of mask.
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            output = self.backbone(
                inputs.values, attention_mask=None if whole else inputs.mask.long(), output_hidden_states=True
            )
        states = [*output.hidden_states[:-1], output.last_hidden_state]
        return self.readout.collect(states, self._frames(inputs.mask, states[0].shape[1]))

    def blocks(self) -> list[nn.Module]:
        """The convolutions with the projection and positions, then the layers."""
        encoder = self.backbone.encoder
        below = [self.backbone.feature_extractor, self.backbone.feature_projection, encoder.pos_conv_embed]
        return [nn.ModuleList(below), *encoder.layers]

    def save(self, folder: Path) -> None:
        """Writes config.json and preprocessor_config.json."""
        self.config.save_pretrained(folder)
        assert isinstance(self.prepare, Waveform)
        Wav2Vec2FeatureExtractor(
            sampling_rate=self.prepare.rate, do_normalize=self.prepare.normalise, return_attention_mask=True
        ).save_pretrained(folder)

    def _frames(self, mask: Bool[Tensor, "batch time"], steps: int) -> Bool[Tensor, "batch frames"]:
        lengths = mask.sum(dim=1)
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            lengths = (lengths - kernel).div(stride, rounding_mode="floor") + 1
        return torch.arange(steps, device=mask.device) < lengths.unsqueeze(1)


def shortest(config: PretrainedConfig) -> int:
    """How many samples the convolutions need for one frame."""
    samples = 1
    for kernel, stride in reversed(list(zip(config.conv_kernel, config.conv_stride, strict=True))):
        samples = (samples - 1) * stride + kernel
    return samples


def processor_of(place: str) -> Any:
    """The checkpoint's feature extractor; without one, that of the family: 16 kHz, normalised."""
    if Path(place).is_dir() and not (Path(place) / PROCESSOR).is_file():
        return Wav2Vec2FeatureExtractor()
    return load_part(AutoFeatureExtractor.from_pretrained, place)
