"""Whisper's encoder, on clips as long as they are: nothing is padded to 30 seconds."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor
from transformers.masking_utils import create_bidirectional_mask

from multimodal_emotion.batch import MaskedSequence
from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pretrained import load_backbone, load_config
from multimodal_emotion.encoders._readout import Layers, ReadoutEncoder
from multimodal_emotion.encoders._sound import SoundPreparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio

STRIDE = 2
"""Mel frames for each step of the encoder: the second convolution's stride."""

RANGE = 8.0
"""Powers of ten below the loudest point of the clip that are kept."""


class LogMel(SoundPreparation):
    """Sound -> log-mel frames (time, mels), as Whisper's own feature extractor gives them for the frames of the clip.

    The extractor pads a clip to 30 seconds; here the frames of the padding are never made. Those of the clip are the
    same: silence follows its end, and the loudest point, which sets the floor, is never in the padding.
    """

    def __init__(self, mels: int = 80, window: int = 400, hop: int = 160, **reading: Any) -> None:
        super().__init__(**reading)
        self.mels, self.window, self.hop = mels, window, hop

    def __call__(self, medium: Audio) -> np.ndarray:
        """Log-mel frames (time, mels), 100 a second."""
        frames = math.ceil(len(medium.samples) / self.hop)
        if not frames:
            return np.zeros((0, self.mels), dtype=np.float32)
        samples = nn.functional.pad(
            torch.from_numpy(medium.samples), (0, frames * self.hop + self.window - len(medium.samples))
        )
        spectrum = torch.stft(
            samples, self.window, self.hop, window=torch.hann_window(self.window), return_complex=True
        )
        power = spectrum[:, :frames].abs().square()
        levels = (self._filters @ power).clamp(min=1e-10).log10()
        levels = levels.clamp(min=levels.max() - RANGE)
        return ((levels + 4) / 4).T.contiguous().numpy()

    @cached_property
    def _filters(self) -> Tensor:
        extractor = WhisperFeatureExtractor(feature_size=self.mels, n_fft=self.window, hop_length=self.hop)
        return torch.from_numpy(extractor.mel_filters.T.astype(np.float32))


class Whisper(ReadoutEncoder):
    """The encoder of any Whisper checkpoint; its decoder is not kept. 50 steps a second.

    A clip longer than its positions (30 seconds) is cut into chunks of that length, whose steps are put together.

    Source: Robust Speech Recognition via Large-Scale Weak Supervision, 2022, arXiv 2212.04356.
    """

    medium: ClassVar[str] = "audio"

    def __init__(
        self,
        checkpoint: str = "embedded",
        *,
        weights: bool = True,
        layers: Layers = "all",
        pooling: str = "stats",
        standardise: bool = True,
        max_seconds: float | int | None = None,
    ) -> None:
        """
        Args:
            checkpoint: a hub name, a local folder, or "embedded" (Whisper tiny.en).
            weights: False builds the architecture only.
            layers: "last", "mix", "all", or numbers; 0 is what goes into the first layer.
            pooling: "mean", "stats", "attention", "transformer", "first", or "none", which keeps the sequence.
            standardise: whether features are standardised, as the training split gives it.
            max_seconds: the rest of a longer clip is not read; None reads all of it.

        Raises:
            InputError: the checkpoint is not there, broken, or not a Whisper.
        """
        super().__init__()
        place = resolve(checkpoint, "whisper-tiny.en")
        config = load_config(place)
        if config.model_type != "whisper":
            raise InputError(f"{checkpoint} is a {config.model_type} checkpoint, not a Whisper")
        config.encoder_layerdrop = 0.0
        whole: Any = load_backbone(place, config, weights)
        self.backbone = whole.get_encoder()
        self.config = self.backbone.config
        self.prepare = LogMel(self.config.num_mel_bins, max_seconds=max_seconds)
        self.read_out([self.config.d_model] * (self.config.encoder_layers + 1), layers, pooling, standardise)

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time, mels) -> (batch, time', width)."""
        limit = STRIDE * self.config.max_source_positions
        chunks = [
            (inputs.values[:, start : start + limit], inputs.mask[:, start : start + limit])
            for start in range(0, inputs.values.shape[1], limit)
        ]
        parts = [self._states(values, mask) for values, mask in chunks]
        states = [torch.cat(layer, dim=1) for layer in zip(*parts, strict=True)]
        return self.readout.collect(states, torch.cat([_shorten(mask) for _, mask in chunks], dim=1))

    def blocks(self) -> list[nn.Module]:
        """The convolutions, then the layers."""
        return [nn.ModuleList([self.backbone.conv1, self.backbone.conv2]), *self.backbone.layers]

    def save(self, folder: Path) -> None:
        """Writes config.json."""
        self.config.save_pretrained(folder)

    def _states(
        self, values: Float[Tensor, "batch time mels"], mask: Bool[Tensor, "batch time"]
    ) -> Sequence[Float[Tensor, "batch half dim"]]:
        """The states of every layer for at most 30 seconds; rows may end anywhere, also before they begin."""
        encoder = self.backbone
        # Padding is set to zero before each convolution, which is what a clip alone sees beyond its end.
        heard = _silence(values, mask)
        heard = _silence(nn.functional.gelu(encoder.conv1(heard.transpose(1, 2))).transpose(1, 2), mask)
        hidden = nn.functional.gelu(encoder.conv2(heard.transpose(1, 2))).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training and encoder.training)
        attention = create_bidirectional_mask(self.config, hidden, _shorten(mask) | ~mask.any(dim=1, keepdim=True))
        states = [hidden]
        for layer in encoder.layers:
            hidden = layer(hidden, attention)
            states.append(hidden)
        return [*states[:-1], encoder.layer_norm(hidden)]


def _silence(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask.unsqueeze(-1), 0)


def _shorten(mask: Bool[Tensor, "batch time"]) -> Bool[Tensor, "batch half"]:
    """The mask after the second convolution: a step is real where the frame at its centre is."""
    return mask[:, ::STRIDE]
