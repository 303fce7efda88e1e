"""A trained model on disk: config.json, labels, safetensors, tokeniser files. No pickle, no code, no path out of the folder."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import multimodal_emotion
from multimodal_emotion import registry
from multimodal_emotion.adapters._base import adapt
from multimodal_emotion.adapters._base import merge as fold
from multimodal_emotion.bases import Base, checkpoint_of, find_base, stated_bases
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.encoders._base import Encoder, Preparation
from multimodal_emotion.errors import InputError, unknown
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
        bases: by modality, what it was put on, where it was loaded without its base.
    """

    model: EmotionModel
    task: Task
    settings: ModelConfig
    reading: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    bases: dict[str, Base] = field(default_factory=dict)

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


def build(
    settings: ModelConfig,
    task: Task,
    *,
    own_code: bool = True,
    look: Callable[[str, Encoder], None] = lambda name, encoder: None,
) -> EmotionModel:
    """The network of a configuration, with pretrained weights where its encoders do not say otherwise.

    Args:
        settings: encoders by modality, fusion, head.
        task: gives the number of outputs and the resolution.
        own_code: see `registry.find`.
        look: is shown each encoder before an adapter is put into it.

    Raises:
        InputError: an unknown encoder, fusion or setting; a checkpoint that is not there; an adapter that does not apply.
    """
    if not settings.encoders:
        raise InputError("no encoder is set; give --preset embedded, or --encoders text=bert:CHECKPOINT")
    encoders = {
        name: _encoder(name, given, task, own_code=own_code, look=look)
        for name, given in sorted(settings.encoders.items())
    }
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


def _encoder(
    name: str,
    given: Mapping[str, Any],
    task: Task,
    *,
    own_code: bool = True,
    look: Callable[[str, Encoder], None] = lambda name, encoder: None,
) -> Encoder:
    kind, adapter, where = given["type"], given.get("adapter"), f"model.encoders.{name}"
    options = {key: value for key, value in given.items() if key not in ("type", "adapter")}
    known = registry.settings(registry.find("encoders", kind, own_code=own_code))
    if task.resolution == "word" and "pooling" in known:
        options["pooling"] = "none"
    if adapter and options.get("weights", True):
        # An adapter that does not fit is refused before any weights are loaded.
        with torch.device("meta"):
            bare = registry.build("encoders", kind, own_code=own_code, **_without_weights(options, known))
        adapt(bare, adapter, where, own_code=own_code)
    encoder = registry.build("encoders", kind, own_code=own_code, **options)
    look(name, encoder)
    if adapter:
        adapt(encoder, adapter, where, own_code=own_code)
    return encoder


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
    _write(trained, Path(folder), trained.model.state_dict(), {})


def save_adapter(
    trained: TrainedModel,
    folder: str | Path,
    *,
    base: Mapping[str, str] | None = None,
    precision: torch.dtype | None = None,
) -> None:
    """Writes only what was trained: adapters, heads, and whatever else differs from the weights that encoders began with.

    The folder names those checkpoints and their hashes; `load` puts what was trained on them again.

    Args:
        trained: the model of a training, or one that `load` put on its base.
        folder: is replaced in one step.
        base: the checkpoint of each modality, where the model does not know it (one loaded from a whole model folder).
        precision: of the written numbers; None leaves it.

    Raises:
        InputError: a checkpoint is not known or not there.
    """
    bases = trained.bases or _bases(trained, base or {})
    before = _named(bases)
    after = trained.model.state_dict()
    for name, tensor in before.items():
        if name not in after or after[name].shape != tensor.shape:
            modality = name.split(".")[1]
            raise InputError(
                f"{modality} was not trained on {bases[modality].checkpoint}; name its base: {modality}=CHECKPOINT"
            )
    tensors = {
        name: tensor.to(precision) if precision and tensor.is_floating_point() else tensor
        for name, tensor in after.items()
        if name not in before or not tensor.cpu().equal(before[name].cpu())
    }
    _write(trained, Path(folder), tensors, bases)


def _write(trained: TrainedModel, folder: Path, tensors: Mapping[str, Tensor], bases: Mapping[str, Base]) -> None:
    """A model folder. What has a base is built from the files of that again, all else from files that are written here."""
    with replacing_folder(folder) as place:
        for name, encoder in trained.model.encoders.items():
            if name not in bases:
                target = place / ENCODERS / name
                target.mkdir(parents=True)
                encoder.save(target)  # type: ignore[operator]  # nn.ModuleDict hands out nn.Module
        data = {
            "format": FORMAT,
            "task": {"name": trained.task.name, **trained.task.state()},
            "model": {**vars(trained.settings), "encoders": _portable(trained.settings.encoders)},
            **({"bases": {name: base.stated() for name, base in bases.items()}} if bases else {}),
            "reading": trained.reading,
            "about": trained.about,
            "versions": versions(),
        }
        (place / CONFIG).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, place / WEIGHTS)


def load(folder: str | Path, *, base: TrainedModel | Mapping[str, str] | None = None) -> TrainedModel:
    """Loads a model folder, or the model of a run folder.

    Nothing in the folder can run code or name a file outside it: only JSON, safetensors and tokeniser files are read, and
    only encoders, fusions and tasks of this package are built. A folder that `save_adapter` wrote names checkpoints of the
    hub or of packages, whose weights are what they were or are refused.

    Args:
        folder: of a model, a run, or what `save_adapter` wrote.
        base: for the latter: the checkpoint of a modality, where that is a folder or to be another than it names; or a
            model that was loaded on the same base, whose weights are then shared, not read again.

    Raises:
        InputError: no such folder, or a file in it is missing, truncated, or not what it should be; another base.
    """
    place = _model_folder(folder)
    _refuse_escapes(place)
    data = _described(place)
    with _of_this_package(place):
        settings, task, stated = ModelConfig(**data["model"]), _task(data), stated_bases(data)
    _refuse_paths(settings, place)
    shared = base.bases if isinstance(base, TrainedModel) else {}
    named = {} if base is None or isinstance(base, TrainedModel) else dict(base)
    for name in named:
        if name not in stated:
            raise unknown("base", name, stated, str(folder))
    named |= {name: each.checkpoint for name, each in shared.items()}
    with _of_this_package(place):
        placed = _placed(settings, place, stated, named, without=shared)
    bases: dict[str, Base] = {}

    def look(name: str, encoder: Encoder) -> None:
        if name in stated:
            bases[name] = shared.get(name) or Base.of(encoder, placed.encoders[name]["checkpoint"])
            bases[name].refuse_other(stated[name], f"{folder}: {name}")

    model = build(placed, task, own_code=False, look=look)
    _load_weights(model, place / WEIGHTS, _named(bases))
    model.eval()
    for name, each in bases.items():
        settings.encoders[name]["checkpoint"] = each.checkpoint
    return TrainedModel(model, task, settings, data.get("reading", {}), data.get("about", {}), bases)


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
        settings = _placed(ModelConfig(**data["model"]), place, stated_bases(data))
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
    return replace(trained, settings=replace(trained.settings, encoders=encoders), bases={})


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
        reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise InputError(f"{place / CONFIG}: not a model of this package: {reason}") from None


def _placed(
    settings: ModelConfig,
    place: Path,
    stated: Mapping[str, Mapping[str, Any]],
    named: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> ModelConfig:
    """The settings with where the encoders' files lie: in the model folder, or at their base.

    Args:
        settings: of a model folder.
        place: the folder.
        stated: the bases that it names.
        named: checkpoints that the user names.
        without: encoders whose base is not to be read.
    """
    encoders = {}
    for name, given in settings.encoders.items():
        known = registry.settings(registry.find("encoders", given["type"], own_code=False))
        own: dict[str, Any] = {"checkpoint": str(place / ENCODERS / name), "weights": False}
        if name in stated:
            checkpoint = find_base(stated[name], (named or {}).get(name), f"{place}: {name}")
            own = {"checkpoint": checkpoint, "weights": name not in without}
        encoders[name] = {key: value for key, value in (given | own).items() if key in (*known, "type", "adapter")}
    return replace(settings, encoders=encoders)


def _bases(trained: TrainedModel, named: Mapping[str, str]) -> dict[str, Base]:
    """The bases of a model's encoders, read again."""
    bases = {}
    for name, given in trained.settings.encoders.items():
        plain = {key: value for key, value in given.items() if key != "adapter"}
        if name in named:
            plain |= {"checkpoint": named[name], "weights": True}
        checkpoint = checkpoint_of(plain)
        if checkpoint is not None:
            bases[name] = Base.of(_encoder(name, plain, trained.task), checkpoint)
    return bases


def _named(bases: Mapping[str, Base]) -> dict[str, Tensor]:
    """The tensors of bases by their names in the model."""
    return {f"encoders.{name}.{key}": tensor for name, base in bases.items() for key, tensor in base.tensors.items()}


def _without_weights(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The settings of an encoder's architecture alone."""
    return {**options, "weights": False} if "weights" in known else dict(options)


def _portable(encoders: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Encoder settings without what only the training machine has: the checkpoint lies in the folder itself."""
    return {
        name: {key: value for key, value in given.items() if key not in ("checkpoint", "weights")}
        for name, given in encoders.items()
    }


def _load_weights(model: EmotionModel, path: Path, before: Mapping[str, Tensor]) -> None:
    """Gives a model the weights of a file, and of those that it lacks the ones from before."""
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the model folder is incomplete") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or not safetensors ({error}); copy the model folder again") from None
    wanted = model.state_dict()
    tensors = {**before, **tensors}
    wrong = sorted(set(wanted) ^ set(tensors)) or [
        name for name, tensor in tensors.items() if tensor.shape != wanted[name].shape
    ]
    if wrong:
        raise InputError(f"{path}: does not fit {CONFIG} beside it, at {wrong[0]!r} and {len(wrong) - 1} more")
    # Not copied: models on one base share its tensors.
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()}, assign=True)


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
