"""One typed configuration for a training: what a YAML file, `--set a.b=value` and the run folder all speak."""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from multimodal_emotion import registry
from multimodal_emotion.errors import InputError, unknown


@dataclass
class CorpusConfig:
    """Which utterances are read.

    Attributes:
        name: a file name of datasets/.
        root: the folder (or file) of the corpus; None only for corpora that the package carries.
        level: which label set of the corpus; None is its default.
        options: further settings of that corpus (columns, split_by, votes, ...).
        modalities: use these only; None uses all that have an encoder.
        context: how many utterances of the dialogue before each one are read with it.
        limit: use only this many training utterances (a seeded draw), and as many of each other split; None uses all.
        on_error: "raise" or "skip" for clips that cannot be decoded.
    """

    name: str = "starter"
    root: str | None = None
    level: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    modalities: list[str] | None = None
    context: int = 0
    limit: int | None = None
    on_error: str = "raise"


@dataclass
class TaskConfig:
    """What is learnt.

    Attributes:
        name: a file name of tasks/; None is the corpus' own.
        options: settings of that task (class_weights, focal_gamma, label_smoothing, primary_metric, loss, ...).
    """

    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class ModelConfig:
    """What learns.

    Attributes:
        encoders: by modality name: {"type": a file name of encoders/, and its settings}. With "adapter": {"type": a file
            name of adapters/, and its settings} its pretrained part is frozen but for what the adapter adds or chooses.
        fusion: {"type": a file name of fusion/, and its settings}; None is "single" for one modality, else "concat".
        dropout: before the head.
        hidden: width of a hidden layer of the head; 0 is a linear head.
        modality_dropout: probability that a present modality is hidden in a training step (never all of them).
        auxiliary: weight of the losses of one additional linear head for each modality (late fusion's own heads, there).
        balance: strength of gradient modulation between modalities (OGM-GE); 0 is none. It compares the auxiliary heads.
        initial: a run or model folder (or "pretrained", the model that ships) that training starts from: its encoders, and
            the rest where the labels are the same.
        dimensions: values read beside the decision: {"modality", "names", "range"}; see `closed_form.fit_dimensions`, which
            sets it.
    """

    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    fusion: dict[str, Any] | None = None
    dropout: float = 0.1
    hidden: int = 0
    modality_dropout: float = 0.0
    auxiliary: float = 0.0
    balance: float = 0.0
    initial: str | None = None
    dimensions: dict[str, Any] | None = None


@dataclass
class TrainingConfig:
    """How it is learnt.

    Attributes:
        solver: "gradient"; or "discriminant", which solves the linear head of frozen encoders in closed form (shrunken
            linear discriminants, chosen by inner folds over speakers): then nothing below matters but `freeze`, `workers`
            and `cache`.
        solved: with the solver "gradient", the heads of late fusion, by name, that are solved so after the others have learnt:
            [audio]. Their encoders are frozen.
        methods: further methods: {a file name of methods/: its settings}, such as {fgm: {epsilon: 0.1}, r_drop: {}}.
        augmentation: changes of training utterances by modality: {text: {word_dropout: {share: 0.1}}, audio: {noise: {}}}; the
            names are file names of augmentation/. Not with an encoder whose features are computed once (`freeze` all and
            `cache`).
        epochs: passes over the training split.
        batch_size: utterances in a step, of all devices together: more devices make the same steps, only faster.
        sampling: "none", each utterance once in an epoch; or what is balanced: "label", "speaker", "dialogue" or a column of
            the corpus ("corpus", of a union). An epoch stays as long; rare ones come several times, frequent ones not all.
        learning_rate: of the pretrained parts.
        head_learning_rate: of everything that starts from scratch (pooling, fusion, head, what adapters add).
        layer_decay: factor on the learning rate from each block of an encoder to the one below it.
        optimizer: "adamw" or "sgd".
        eps, betas: of AdamW.
        momentum: of SGD.
        weight_decay: decoupled; not on biases and norms.
        warmup: share of all steps in which the rates rise from 0.
        schedule: "constant", "linear" or "cosine", after warm-up, to 0.
        clip: largest gradient norm; 0 does not clip.
        freeze: "none", "all" (only pooling, fusion and head learn), or how many bottom blocks of each encoder; or one of
            these for each modality: {audio: all, text: 2}.
        patience: epochs without improvement on validation before stopping; None never stops early.
        keep: "best" or "last": which epoch's weights are kept.
        average: what is evaluated and kept in place of the weights themselves: a number is the decay of their exponential
            moving average, "equal" is the mean of those after each step of the last part of the training (stochastic weight
            averaging); 0 is neither.
        average_start: for "equal", the share of all steps before that part. A constant schedule goes with it.
        precision: "auto" (bfloat16 where the processor multiplies it, with float32 weights), "32" or "bf16".
        padding: "longest" row of the batch, or "max_length" of the encoder.
        buckets: whether batches are made of rows of similar length.
        workers: processes that decode; 0 decodes in the training process.
        devices: how many processes of this machine train together, each on a GPU of its own or on the processor. Within a
            group that torchrun or Ray Train made, it is their number that counts.
        accelerator: "auto", "cpu" or "gpu".
        strategy: what several devices hold: "ddp" (and "auto") the whole model each, "fsdp" each a part of weights,
            gradients and optimiser.
        logger: "tensorboard", "wandb" or "none".
        save_every: seconds between resumable states within an epoch; one is always saved after an epoch.
        cache: whether features of frozen encoders are computed once and kept. They are what would be computed anew but for
            rounding, since sums are ordered otherwise in batches of other sizes.
        calibrate: whether the kept model's probabilities are made honest on the validation split, by one factor for each
            head (temperature scaling); no decision of a head changes. A stacker is honest already, and left alone.
        forgetting: whether the figures on the validation split of the run that `model.initial` names are taken before and
            after: `forgetting` of the report.
    """

    solver: str = "gradient"
    solved: list[str] = field(default_factory=list)
    methods: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    epochs: int = 5
    batch_size: int = 16
    sampling: str = "none"
    learning_rate: float = 5e-5
    head_learning_rate: float = 5e-4
    layer_decay: float = 1.0
    optimizer: str = "adamw"
    eps: float = 1e-6
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    momentum: float = 0.9
    weight_decay: float = 0.01
    warmup: float = 0.06
    schedule: str = "linear"
    clip: float = 1.0
    freeze: str | int | dict = "none"
    patience: int | None = None
    keep: str = "best"
    average: float | str = 0.0
    average_start: float = 0.75
    precision: str = "auto"
    padding: str = "longest"
    buckets: bool = True
    workers: int = 0
    devices: int = 1
    accelerator: str = "auto"
    strategy: str = "auto"
    logger: str = "tensorboard"
    save_every: float = 300.0
    cache: bool = True
    calibrate: bool = False
    forgetting: bool = False


@dataclass
class Config:
    """The whole of a training. `from_dict` and `with_settings` refuse unknown keys by naming the nearest known one."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars."""
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """The YAML text that `train CONFIG.yaml` takes."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)


CHOICES: Mapping[str, tuple[str, ...]] = {
    "corpus.on_error": ("raise", "skip"),
    "training.solver": ("gradient", "discriminant"),
    "training.optimizer": ("adamw", "sgd"),
    "training.schedule": ("constant", "linear", "cosine"),
    "training.keep": ("best", "last"),
    "training.precision": ("auto", "32", "bf16"),
    "training.padding": ("longest", "max_length"),
    "training.accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "training.strategy": ("auto", "ddp", "fsdp"),
    "training.logger": ("tensorboard", "wandb", "none"),
}

POSITIVE = ("training.epochs", "training.batch_size", "training.devices", "corpus.limit", "training.patience")

RANGES: Mapping[str, tuple[float, float]] = {
    "corpus.context": (0, math.inf),
    "model.dropout": (0, 1),
    "model.hidden": (0, math.inf),
    "model.modality_dropout": (0, 1),
    "model.auxiliary": (0, math.inf),
    "model.balance": (0, math.inf),
    "training.learning_rate": (0, math.inf),
    "training.head_learning_rate": (0, math.inf),
    "training.layer_decay": (0, math.inf),
    "training.eps": (0, math.inf),
    "training.momentum": (0, 1),
    "training.weight_decay": (0, math.inf),
    "training.warmup": (0, 1),
    "training.clip": (0, math.inf),
    "training.workers": (0, math.inf),
    "training.save_every": (0, math.inf),
    "seed": (0, 2**32 - 1),
}
"""The least and the largest value of numbers."""

WEIGHTLESS = ("adapters", "methods", "augmentation")
"""Rooms whose things are built from settings alone: building them checks the settings' values."""


def in_range(name: str, value: float | int, low: float | int, high: float | int = math.inf) -> Any:
    """A setting that must be from low to high, both allowed.

    Args:
        name: such as "alpha of adapters/lora".
        value: what was given.
        low, high: the limits.

    Raises:
        InputError: it is not.
    """
    if not low <= value <= high:
        raise InputError(
            f"{name} is {value}; it must be at least {low}" + (f" and at most {high}" if high < math.inf else "")
        )
    return value


def from_dict(data: Mapping[str, Any], where: str = "configuration") -> Config:
    """A configuration from nested mappings; what is not given keeps its default.

    Raises:
        InputError: an unknown key, a value of the wrong type or out of its choices.
    """
    config = _fill(Config, data, where, "")
    check(config, where)
    return config


def read(path: str | Path) -> Config:
    """A configuration from a YAML file. Raises InputError naming the file and what is wrong in it."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; a configuration is a YAML file such as a run's config.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML in UTF-8: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping):
        raise InputError(f"{path}: a configuration is a mapping with the keys {', '.join(vars(Config()))}")
    return from_dict(data, str(path))


def with_settings(config: Config, settings: Sequence[str]) -> Config:
    """The configuration with some values replaced.

    Args:
        config: is not changed.
        settings: "a.b=value" each, the value in YAML ("training.epochs=3", "model.encoders.text.pooling=mean").

    Raises:
        InputError: no "=", an unknown key, or a value that does not fit.
    """
    data = config.to_dict()
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: write it as a.b=value, such as training.epochs=3")
        *parents, last = path.strip().split(".")
        place: Any = data
        for depth, key in enumerate(parents):
            if not isinstance(place, dict):
                raise InputError(f"--set {setting}: {'.'.join(parents[:depth])} has no parts")
            free = depth >= 2 or (depth == 1 and parents[0] == "model")
            if key not in place and not free:
                raise unknown("key", key, place, f"--set {setting}")
            place = place.setdefault(key, {})
            if place is None:
                raise InputError(
                    f"--set {setting}: {'.'.join(parents[: depth + 1])} is not set; set it as a whole first"
                )
        if not isinstance(place, dict):
            raise InputError(f"--set {setting}: {'.'.join(parents)} has no parts")
        try:
            place[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting}: {text!r} is not a YAML value: {' '.join(str(error).split())}") from None
    return from_dict(data, "--set")


def check(config: Config, where: str) -> None:
    """Refuses values out of their choices or ranges, and settings that an encoder or fusion does not take."""
    data = config.to_dict()
    for key, choices in CHOICES.items():
        section, name = key.split(".")
        value = data[section][name]
        if value not in choices:
            raise unknown(f"value of {key}", value, choices, where)
    for key in POSITIVE:
        section, name = key.split(".")
        value = data[section][name]
        if value is not None and value < 1:
            raise InputError(f"{key} is {value} in {where}; it must be at least 1")
    for key, (low, high) in RANGES.items():
        section, _, name = key.rpartition(".")
        in_range(f"{key} in {where}", (data[section] if section else data)[name], low, high)
    betas = config.training.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise InputError(f"training.betas is {betas} in {where}; it must be two numbers from 0 to below 1")
    average = config.training.average
    if average != "equal" and (isinstance(average, str) or not 0 <= average < 1):
        raise InputError(
            f'training.average is {average!r} in {where}; it must be a decay from 0 to below 1, or "equal"'
        )
    if not 0 <= config.training.average_start < 1:
        raise InputError(
            f"training.average_start is {config.training.average_start} in {where}; it must be at least 0 and below 1"
        )
    freeze = config.training.freeze
    for wish in freeze.values() if isinstance(freeze, dict) else [freeze]:
        if wish not in ("none", "all") and not isinstance(wish, int):
            raise InputError(f'training.freeze is {wish!r} in {where}; it must be "none", "all" or a number of blocks')
    methods = config.training.methods
    methods.update({name: built("methods", name, given, "training.methods", where) for name, given in methods.items()})
    for name, given in methods.items():
        if "run" in registry.settings(registry.find("methods", name)) and config.model.initial is not None:
            given.setdefault("run", config.model.initial)
    for modality, steps in config.training.augmentation.items():
        _check_augmentation(modality, steps, config, where)
    if config.training.solver != "gradient":
        for setting in ("methods", "augmentation", "solved"):
            for name in getattr(config.training, setting):
                raise InputError(f"training.{setting}.{name} in {where} needs training.solver gradient")
    for modality, settings in config.model.encoders.items():
        _check_encoder(settings, freeze_of(modality, config), modality, where)
    if config.model.fusion is not None:
        _check_component("fusion", config.model.fusion, f"model.fusion of {where}")
    for name, given in methods.items():
        registry.build("methods", name, **given).check_config(config)


def built(room: str, name: str, given: object, place: str, where: str) -> dict[str, Any]:
    """The settings of something that is built from them alone, each of its own type.

    Args:
        room, name: what is built.
        given: its settings.
        place: where these settings stand, such as "training.methods".
        where: in which file, or flag.

    Raises:
        InputError: no mapping, an unknown setting, or a value of the wrong type or out of its range.
    """
    if given is not None and not isinstance(given, dict):
        raise InputError(f"{place}.{name} in {where} is {given!r}; it must be a mapping of its settings, or {{}}")
    settings = {"type": name, **(given or {})}
    _check_component(room, settings, f"{place}.{name} of {where}")
    return {key: value for key, value in settings.items() if key != "type"}


def _check_augmentation(modality: str, steps: object, config: Config, where: str) -> None:
    place = f"training.augmentation.{modality}"
    if not isinstance(steps, dict):
        raise InputError(f"{place} in {where} is {steps!r}; it must be a mapping such as {{noise: {{snr: [10, 30]}}}}")
    steps.update({name: built("augmentation", name, given, place, where) for name, given in steps.items()})
    if steps and freeze_of(modality, config) == "all" and config.training.cache:
        raise InputError(
            f"{place} in {where}: the features of this frozen encoder are computed once and would never change; "
            "set training.cache=false, or do not freeze all of it"
        )


def freeze_of(modality: str, config: Config) -> object:
    """What of a modality's encoder is frozen, as `training.freeze` says it."""
    freeze = config.training.freeze
    return freeze.get(modality) if isinstance(freeze, dict) else freeze


def _check_encoder(settings: dict[str, Any], freeze: object, modality: str, where: str) -> None:
    place = f"model.encoders.{modality}"
    _check_component("encoders", {key: settings[key] for key in settings if key != "adapter"}, f"{place} of {where}")
    adapter = settings.get("adapter")
    if adapter is None:
        return
    if not isinstance(adapter, dict):
        raise InputError(
            f"{place}.adapter in {where} is {adapter!r}; it must be a mapping such as {{type: lora, rank: 8}}"
        )
    _check_component("adapters", adapter, f"{place}.adapter of {where}")
    if freeze == "all":
        raise InputError(f"{place}.adapter of {where} has nothing to adapt: training.freeze is all for {modality}")


def _check_component(room: str, settings: dict[str, Any], where: str) -> None:
    if "type" not in settings:
        raise InputError(f"{where} has no type; known: {', '.join(registry.names(room))}")
    known = registry.settings(registry.find(room, str(settings["type"])))
    for key in settings:
        if key != "type" and key not in known:
            raise unknown("setting", key, known, where)
    if room in WEIGHTLESS:
        for key in settings.keys() - {"type"}:
            settings[key] = _convert(settings[key], known[key].annotation, key, where)
        registry.build(room, settings["type"], **{key: settings[key] for key in settings if key != "type"})


def _fill(cls: type, data: Mapping[str, Any], where: str, prefix: str) -> Any:
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if key not in hints:
            raise unknown("key", name, [f"{prefix}{known}" for known in hints], where)
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise InputError(f"{name} in {where} is {value!r}; it must be a mapping")
            values[key] = _fill(typing.cast(type, hint), value, where, f"{name}.")
        else:
            values[key] = _convert(value, hint, name, where)
    return cls(**values)


def _convert(value: Any, hint: Any, name: str, where: str) -> Any:
    """Checks a scalar against its type; YAML's 2e-5 (text) and 3 (int) are accepted as floats."""
    accepted = typing.get_args(hint) if typing.get_origin(hint) not in (list, dict) else (hint,)
    accepted = accepted or (hint,)
    for kind in accepted:
        origin = typing.get_origin(kind) or kind
        if value is None and kind is type(None):
            return None
        if origin is float and not isinstance(value, bool):
            try:
                return float(value)
            except (TypeError, ValueError):
                continue
        if origin is str and name == "training.precision" and isinstance(value, int):
            return str(value)
        if isinstance(origin, type) and isinstance(value, origin) and not (origin is int and isinstance(value, bool)):
            return value
    wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in accepted)
    raise InputError(f"{name} in {where} is {value!r}; it must be {wanted}")
