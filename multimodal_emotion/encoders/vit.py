"""Any image model of timm by name: ViT, DeiT, Swin, ConvNeXt, EfficientNet, ..."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from multimodal_emotion.encoders._embedded import check_folder, fetch
from multimodal_emotion.encoders._pictures import ImageEncoder
from multimodal_emotion.errors import InputError, unknown

CONFIG, WEIGHTS = "config.json", "model.safetensors"
DATA = ("input_size", "fixed_input_size", "mean", "std")
"""What is kept of timm's knowledge of the pictures that a model was trained on."""

EXPRESSIONS = Path(__file__).parent / "_expressions"
"""The package's own weights, of faces."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a checkpoint's name leads to.

    Attributes:
        architecture: timm's name of it.
        arguments: for its constructor.
        data: what timm knows of the pictures it was trained on ("input_size", "mean", "std", ...).
        weights: a safetensors file; None where there is none (yet).
        hub: the repository that has the weights; None where they are local.
    """

    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    hub: str | None = None


class Vit(ImageEncoder):
    """The body of any timm model, with its own pooling over the picture and without its classifier.

    Source: An Image is Worth 16x16 Words, 2020, arXiv 2010.11929; models and weights by timm.
    """

    def __init__(
        self,
        checkpoint: str = "vit_base_patch16_224",
        *,
        weights: bool = True,
        size: int | None = None,
        arguments: Mapping[str, Any] | None = None,
        **shared: Any,
    ) -> None:
        """
        Args:
            checkpoint: timm's name of a model, a repository of the hub ("timm/..."), or a local folder with timm's
                config.json and model.safetensors.
            weights: False builds the architecture only, to be trained from the start.
            size: height and width of the pictures; None takes what the model was trained on.
            arguments: further arguments of timm's constructor, such as {"patch_size": 8, "drop_path_rate": 0.1}.
            **shared: see `ImageEncoder`.

        Raises:
            InputError: there is no such model, its weights cannot be had or do not fit, or an argument is not taken.
        """
        super().__init__(**shared)
        source = find(checkpoint)
        self.architecture = source.architecture
        self.arguments = {**source.arguments, **(arguments or {})}
        channels, *trained = source.data.get("input_size", (3, 224, 224))
        height, width = _pair(size or self.arguments.get("img_size") or trained)
        if source.data.get("fixed_input_size") and [height, width] != trained:
            self.arguments["img_size"] = [height, width]
        self.backbone = build(checkpoint, source, self.arguments, weights)
        mean, deviation = source.data.get("mean", (0.5,) * channels), source.data.get("std", (0.5,) * channels)
        self.data = {**source.data, "input_size": [channels, height, width], "mean": mean, "std": deviation}
        self.look((height, width), mean, deviation, [self.backbone.num_features], place=checkpoint)

    def states(self, pictures: Float[Tensor, "pictures channels height width"]) -> Sequence[Tensor]:
        """Normalised pictures -> one vector for each, (pictures, width)."""
        return [self.backbone(pictures)]

    def blocks(self) -> list[nn.Module]:
        """Groups of parameters from the input upwards, as timm divides the model for layer-wise rates."""
        from timm.models import group_parameters

        groups = group_parameters(self.backbone, self.backbone.group_matcher(coarse=False))
        parameters = dict(self.backbone.named_parameters())
        return [nn.ParameterList([parameters[name] for name in groups[number]]) for number in sorted(groups)]

    def save(self, folder: Path) -> None:
        """Writes timm's config.json."""
        super().save(folder)
        content = {"architecture": self.architecture, "model_args": self.arguments, "pretrained_cfg": self.data}
        (folder / CONFIG).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def find(checkpoint: str) -> Source:
    """What a checkpoint's name leads to; weights of the hub are not fetched yet.

    Raises:
        InputError: there is no such model, or the folder is not timm's.
    """
    import timm

    folder = EXPRESSIONS if checkpoint == "embedded" else Path(checkpoint).expanduser()
    if folder.is_dir():
        check_folder(folder)
        file = folder / WEIGHTS
        return _described(folder / CONFIG, weights=file if file.is_file() else None)
    if timm.is_model(checkpoint):
        known = timm.get_pretrained_cfg(checkpoint, allow_unregistered=False)
        data = known.to_dict() if known is not None else {}
        return Source(checkpoint, {}, {key: data[key] for key in DATA if key in data}, hub=data.get("hf_hub_id"))
    if "/" in checkpoint:
        return _described(fetch(checkpoint, CONFIG), hub=checkpoint)
    raise unknown("timm model", checkpoint, timm.list_models(), "encoders/vit")


def build(checkpoint: str, source: Source, arguments: Mapping[str, Any], weights: bool) -> Any:
    """The model without its classifier, with weights from safetensors alone.

    Raises:
        InputError: the weights cannot be had or do not fit, or an argument is not taken.
    """
    import timm

    file = None
    if weights:
        file = source.weights or (fetch(source.hub, WEIGHTS) if source.hub else None)
        if file is None:
            raise InputError(f"{checkpoint}: timm has no weights of it as {WEIGHTS}; take another, or weights: false")
    given: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}} if file else {}
    try:
        model = timm.create_model(source.architecture, num_classes=0, **given, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{checkpoint} cannot be built with {dict(arguments)}: {reason}") from error
    if source.weights is not None and weights:
        _refuse_gaps(model, source.weights)
    return model


def _refuse_gaps(model: nn.Module, file: Path) -> None:
    """Refuses a file that lacks parameters: timm would leave them at their random start."""
    with safe_open(file, framework="pt") as content:
        missing = sorted(set(model.state_dict()) - set(content.keys()))
    if missing:
        raise InputError(f"{file} has no weights for {missing[0]!r} and {len(missing) - 1} more")


def _described(config: Path, **where: Any) -> Source:
    import timm

    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        architecture = content["architecture"]
        arguments, data = content.get("model_args") or {}, content.get("pretrained_cfg") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{config} names no architecture of timm; encoder dinov2 reads those of transformers"
        ) from None
    if not timm.is_model(architecture):
        raise unknown("timm model", architecture, timm.list_models(), str(config))
    return Source(architecture, arguments, {key: data[key] for key in DATA if key in data}, **where)


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)
