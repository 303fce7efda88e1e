"""A trained model on disk: config.json, labels, safetensors, tokeniser files. No pickle, no code, no path out of the folder."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import multimodal_emotion
from multimodal_emotion import registry
from multimodal_emotion.adapters._base import adapt
from multimodal_emotion.adapters._base import merge as fold
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.encoders._base import Encoder, Preparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import replacing_folder
from multimodal_emotion.model import Dimensions, EmotionModel
from multimodal_emotion.tasks._base import Task

FORMAT = 1
CONFIG, WEIGHTS, ENCODERS = "config.json", "model.safetensors", "encoders"


@dataclass
class TrainedModel:
    """A model with all that using it takes.

    Attributes:
        model: the network, in evaluation mode.
        task: labels, activation, decoding.
        settings: what the network was built from.
        reading: how utterances must be read for it: {"context": turns of dialogue before each}.
        about: corpus, seed, figures, versions: for the model card; nothing computes with it.
    """

    model: EmotionModel
    task: Task
    settings: ModelConfig
    reading: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def preparations(self) -> dict[str, Preparation]:
        """How each modality is prepared, by name."""
        return {name: encoder.prepare for name, encoder in self.model.encoders.items()}  # type: ignore[misc]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return tuple(self.model.encoders)

    @property
    def words(self) -> bool:
        """Whether it decides for each word."""
        return self.task.resolution == "word"


def build(settings: ModelConfig, task: Task, *, folder: Path | None = None) -> EmotionModel:
    """The network of a configuration.

    Args:
        settings: encoders by modality, fusion, head.
        task: gives the number of outputs and the resolution.
        folder: a saved model's folder: encoders are built from their files there, without pretrained weights, and only
            from this package's own code. None loads pretrained weights.

    Raises:
        InputError: an unknown encoder, fusion or setting; a checkpoint that is not there.
    """
    if not settings.encoders:
        raise InputError("no encoder is set; give --preset embedded, or --encoders text=bert:CHECKPOINT")
    own_code = folder is None
    encoders = {}
    for name, given in sorted(settings.encoders.items()):
        options = {key: value for key, value in given.items() if key != "type"}
        if folder is not None:
            options |= {"checkpoint": str(folder / ENCODERS / name), "weights": False}
        adapter = options.pop("adapter", None)
        known = registry.settings(registry.find("encoders", given["type"], own_code=own_code))
        options = {key: value for key, value in options.items() if key in known or folder is None}
        if task.resolution == "word" and "pooling" in known:
            options["pooling"] = "none"
        where = f"model.encoders.{name}"
        if adapter and folder is None:
            # An adapter that does not fit is refused before any weights are loaded.
            with torch.device("meta"):
                bare = registry.build("encoders", given["type"], **_without_weights(options, known))
            adapt(bare, adapter, where)
        encoders[name] = registry.build("encoders", given["type"], own_code=own_code, **options)
        if adapter:
            adapt(encoders[name], adapter, where, own_code=own_code)
    if settings.balance and not settings.auxiliary:
        raise InputError("model.balance compares the modalities' own heads: set model.auxiliary too, to 1, say")
    fusion_settings = dict(settings.fusion or {"type": "single" if len(encoders) == 1 else "concat"})
    kind = fusion_settings.pop("type")
    if "space" in registry.settings(registry.find("fusion", kind, own_code=own_code)):
        fusion_settings.setdefault("space", task.space)
    fusion = registry.build(
        "fusion",
        kind,
        {name: encoder.dim for name, encoder in encoders.items()},
        task.outputs,
        own_code=own_code,
        **fusion_settings,
    )
    return EmotionModel(
        encoders,
        fusion,
        task.outputs,
        dropout=settings.dropout,
        hidden=settings.hidden,
        modality_dropout=settings.modality_dropout,
        auxiliary=settings.auxiliary > 0,
        dimensions=_dimensions(settings, encoders),
    )


def _dimensions(settings: ModelConfig, encoders: Mapping[str, Encoder]) -> Dimensions | None:
    given = settings.dimensions
    if given is None:
        return None
    if given.get("modality") not in encoders:
        raise InputError(f"model.dimensions: no encoder {given.get('modality')!r}; there are {', '.join(encoders)}")
    return Dimensions(encoders[given["modality"]].dim, **given)


def save(trained: TrainedModel, folder: str | Path) -> None:
    """Writes a model folder that loads anywhere; an older one of the same name is replaced in one step.

    The folder holds config.json, model.safetensors and, under encoders/MODALITY, configuration and tokeniser files.
    """
    with replacing_folder(Path(folder)) as place:
        for name, encoder in trained.model.encoders.items():
            target = place / ENCODERS / name
            target.mkdir(parents=True)
            encoder.save(target)  # type: ignore[operator]  # nn.ModuleDict hands out nn.Module
        data = {
            "format": FORMAT,
            "task": {"name": trained.task.name, **trained.task.state()},
            "model": {**vars(trained.settings), "encoders": _portable(trained.settings.encoders)},
            "reading": trained.reading,
            "about": trained.about,
            "versions": versions(),
        }
        (place / CONFIG).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.model.state_dict().items()}
        save_file(tensors, place / WEIGHTS)


def load(folder: str | Path) -> TrainedModel:
    """Loads a model folder, or the model of a run folder.

    Nothing in the folder can run code or name a file outside it: only JSON, safetensors and tokeniser files are read, and
    only encoders, fusions and tasks of this package are built.

    Raises:
        InputError: no such folder, or a file in it is missing, truncated, or not what it should be.
    """
    place = _model_folder(folder)
    _refuse_escapes(place)
    data = _described(place)
    with _of_this_package(place):
        settings, task = ModelConfig(**data["model"]), _task(data)
    _refuse_paths(settings, place)
    model = build(settings, task, folder=place)
    _load_weights(model, place / WEIGHTS)
    model.eval()
    return TrainedModel(model, task, settings, data.get("reading", {}), data.get("about", {}))


def load_task(folder: str | Path) -> Task:
    """The task alone of a model folder, or of a run's; no weights are read.

    Raises:
        InputError: no such folder, or its config.json is not what it should be.
    """
    place = _model_folder(folder)
    data = _described(place)
    with _of_this_package(place):
        return _task(data)


def architecture(folder: str | Path) -> tuple[ModelConfig, dict[str, Any]]:
    """What a model folder, or a run's model, is built from, without its weights; and how utterances are read for it.

    Raises:
        InputError: no such folder, or its config.json is not what it should be.
    """
    place = _model_folder(folder)
    data = _described(place)
    with _of_this_package(place):
        settings = ModelConfig(**data["model"])
        for name, given in settings.encoders.items():
            known = registry.settings(registry.find("encoders", given["type"], own_code=False))
            own = {"checkpoint": str(place / ENCODERS / name), "weights": False}
            given.update({key: value for key, value in own.items() if key in known})
    return settings, dict(data.get("reading", {}))


def merge(trained: TrainedModel) -> TrainedModel:
    """The model with its adapters folded into the weights: a plain one, with outputs that are equal but for rounding.

    Args:
        trained: is changed too: the network is the same.

    Raises:
        InputError: it has no adapter, or one that cannot be merged.
    """
    adapted = [name for name, given in trained.settings.encoders.items() if given.get("adapter")]
    if not adapted:
        raise InputError("nothing to merge: the model has no adapter")
    for name in adapted:
        fold(trained.model.encoder(name))
    encoders = {
        name: {key: value for key, value in given.items() if key != "adapter"}
        for name, given in trained.settings.encoders.items()
    }
    return replace(trained, settings=replace(trained.settings, encoders=encoders))


def versions() -> dict[str, str]:
    """Versions of what decides what a model computes."""
    packages = {name: version(name) for name in ("torch", "transformers", "timm")}
    return {"multimodal_emotion": multimodal_emotion.__version__, **packages}


def _model_folder(folder: str | Path) -> Path:
    """The model folder itself, of a run or of a model."""
    place = Path(folder)
    if (place / "model" / CONFIG).is_file():
        place = place / "model"
    if not (place / CONFIG).is_file():
        raise InputError(
            f"{folder}: no model there; a model folder has {CONFIG} and {WEIGHTS}, a run has them in model/"
        )
    return place


def _described(place: Path) -> dict[str, Any]:
    with _of_this_package(place):
        return dict(json.loads((place / CONFIG).read_text(encoding="utf-8")))


def _task(data: Mapping[str, Any]) -> Task:
    stated = dict(data["task"])
    return registry.find("tasks", stated.pop("name"), own_code=False).from_state(stated)  # type: ignore[attr-defined]


@contextmanager
def _of_this_package(place: Path) -> Iterator[None]:
    """What goes wrong in a strange config.json, as one line."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{place / CONFIG}: not a model of this package: {' '.join(str(error).split())[:200]}"
        ) from None


def _without_weights(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The settings of an encoder's architecture alone."""
    return {**options, "weights": False} if "weights" in known else dict(options)


def _portable(encoders: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Encoder settings without what only the training machine has: the checkpoint lies in the folder itself."""
    return {
        name: {key: value for key, value in given.items() if key not in ("checkpoint", "weights")}
        for name, given in encoders.items()
    }


def _load_weights(model: EmotionModel, path: Path) -> None:
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the model folder is incomplete") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or not safetensors ({error}); copy the model folder again") from None
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors)) or [
        name for name, tensor in tensors.items() if tensor.shape != wanted[name].shape
    ]
    if wrong:
        raise InputError(f"{path}: does not fit {CONFIG} beside it, at {wrong[0]!r} and {len(wrong) - 1} more")
    with torch.no_grad():
        model.load_state_dict(tensors)


def _refuse_escapes(place: Path) -> None:
    home = place.resolve()
    for path in place.rglob("*"):
        if not path.resolve().is_relative_to(home):
            raise InputError(f"{path}: points out of the model folder; a model folder holds its own files only")


def _refuse_paths(settings: ModelConfig, place: Path) -> None:
    for name in settings.encoders:
        if not re.fullmatch(r"\w[\w-]*", name):
            raise InputError(f"{place / CONFIG}: {name!r} is not the name of a modality")
    values = [(name, given) for name, given in settings.encoders.items()] + [("fusion", settings.fusion or {})]
    for name, given in values:
        for key, value in given.items():
            if isinstance(value, str) and re.search(r"[/\\]|\.\.", value):
                raise InputError(f"{place / CONFIG}: {name}.{key} is {value!r}; a model folder may not name paths")
