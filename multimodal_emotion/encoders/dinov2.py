"""DINOv2, and any other image model that transformers reads: ViT, DeiT, BEiT, Swin, ConvNeXt, ResNet, CLIP's image part."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoImageProcessor

from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pictures import ImageEncoder
from multimodal_emotion.encoders._pretrained import load_backbone, load_config, load_part
from multimodal_emotion.encoders._readout import Layers
from multimodal_emotion.errors import InputError, unknown

TOKENS = ("class", "mean", "both")


class DinoV2(ImageEncoder):
    """Any image checkpoint of transformers. Position embeddings are interpolated to the size of the pictures.

    Source: DINOv2: Learning Robust Visual Features without Supervision, 2023, arXiv 2304.07193.
    """

    def __init__(
        self,
        checkpoint: str = "embedded",
        *,
        weights: bool = True,
        layers: Layers = "all",
        tokens: str = "class",
        size: int = 224,
        **shared: Any,
    ) -> None:
        """
        Args:
            checkpoint: a hub name, a local folder, or "embedded" (DINOv2 small, fine-tuned to saliency: layers 6 to 10
                carry the content).
            weights: False builds the architecture only.
            layers: "last", "mix", "all", or numbers; 0 is what goes into the first layer.
            tokens: what stands for a picture: the "class" token, the "mean" of the patches, or "both" side by side.
            size: height and width of the pictures; half of it is four times cheaper.
            **shared: see `ImageEncoder`.

        Raises:
            InputError: the checkpoint is not there, broken, or not of images; it has no class token; the size is too small.
        """
        super().__init__(**shared)
        if tokens not in TOKENS:
            raise unknown("value of tokens", tokens, TOKENS)
        place = resolve(checkpoint, "dinov2-small")
        self.config = load_config(place)
        whole: Any = load_backbone(place, self.config, weights)
        self.backbone = getattr(whole, "vision_model", whole)
        if self.backbone.main_input_name != "pixel_values":
            raise InputError(f"{checkpoint} is a {self.config.model_type} checkpoint, not of images")
        self._processor = load_part(AutoImageProcessor.from_pretrained, place)
        self.tokens = tokens
        self._options = {"output_hidden_states": True}
        if "interpolate_pos_encoding" in inspect.signature(self.backbone.forward).parameters:
            self._options["interpolate_pos_encoding"] = True
        shown = self._show(checkpoint, size)
        patches = (size // getattr(self.backbone.config, "patch_size", size)) ** 2
        self._extra = shown[0].shape[1] - patches if shown[0].dim() == 3 else 0
        if not self._extra and tokens != "mean":
            raise InputError(f"{checkpoint} ({self.config.model_type}) has no class token; take tokens 'mean'")
        widths = [self._vector(state).shape[-1] for state in shown]
        self.look((size, size), self._processor.image_mean, self._processor.image_std, widths, layers, place)

    def states(self, pictures: Float[Tensor, "pictures channels height width"]) -> Sequence[Tensor]:
        """Normalised pictures -> the vectors (pictures, width) of each layer."""
        return [self._vector(state) for state in self._run(pictures)]

    def blocks(self) -> list[nn.Module]:
        """What makes patches, then the layers (or stages)."""
        below, *above = self.backbone.children()
        stack = next(m for child in above for m in child.modules() if isinstance(m, nn.ModuleList))
        return [below, *stack]

    def save(self, folder: Path) -> None:
        """Writes config.json and preprocessor_config.json."""
        super().save(folder)
        self.config.save_pretrained(folder)
        self._processor.save_pretrained(folder)

    def _run(self, pictures: Tensor) -> Sequence[Tensor]:
        """The states of each layer: (pictures, tokens, width), or (pictures, width, height, width) of convolutions."""
        output = self.backbone(pixel_values=pictures, **self._options)
        return [*output.hidden_states[:-1], output.last_hidden_state]

    @torch.no_grad()
    def _show(self, checkpoint: str, size: int) -> Sequence[Tensor]:
        """The states for an empty picture: how wide they are, and how many tokens there are."""
        self.backbone.eval()
        try:
            return self._run(torch.zeros(1, len(self._processor.image_mean), size, size))
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{checkpoint} cannot take pictures of {size}: {str(error).partition(chr(10))[0]}"
            ) from None

    def _vector(self, state: Tensor) -> Tensor:
        """The state of a layer -> one vector for each picture."""
        if state.dim() == 4:
            return state.mean(dim=(2, 3))
        parts = {"class": [state[:, 0]], "mean": [state[:, self._extra :].mean(dim=1)]}
        parts["both"] = parts["class"] + parts["mean"]
        return torch.cat(parts[self.tokens], dim=-1)

    def extract_settings(self) -> str:
        """Which layers and tokens are read, and the colours that the model expects."""
        return f"{super().extract_settings()} tokens {self.tokens}"
