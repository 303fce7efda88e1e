"""A run: a configuration goes in, a folder comes out. Selection sees the validation split only; only `evaluate` reads tests."""

import copy
import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multimodal_emotion import checkpoint, evaluation, parallel, plots, processes, registry, tracking
from multimodal_emotion import config as configuration
from multimodal_emotion.adapters._base import Added
from multimodal_emotion.augmentation._base import Chain, chains
from multimodal_emotion.bases import checkpoint_of
from multimodal_emotion.batch import MaskedSequence, Utterance
from multimodal_emotion.cache import ContentKeys
from multimodal_emotion.card import model_card
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.closed_form import calibrate_heads, encode, solvable_heads, solve
from multimodal_emotion.config import Config
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.datasets._leakage import leakage
from multimodal_emotion.datasets._mapping import counterparts, translated
from multimodal_emotion.discriminants import inner_folds
from multimodal_emotion.encoders._base import Encoder, Preparation
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.evaluation import Outcome
from multimodal_emotion.extraction import extract
from multimodal_emotion.files import cache_folder, write_text
from multimodal_emotion.fusion.late import Late
from multimodal_emotion.inference import score_rows
from multimodal_emotion.loading import Rows, groups_of
from multimodal_emotion.model import EmotionModel
from multimodal_emotion.optimisation import freeze
from multimodal_emotion.robustness import Attack, robust
from multimodal_emotion.shipped import opened
from multimodal_emotion.splits import CONFIG, draw, labelled, read, read_splits, splits_of_run
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.training import Epoch, Fit, History

Problems = dict[str, tuple[str, ...]]
"""By utterance, why something of it could not be decoded."""

REPORT, MODEL, ADAPTER, STATE = "report.json", "model", "adapter", "state"


@dataclass
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        report: the contents of report.json.
        trained: the model, loaded.
        config: what it was made from.
    """

    folder: Path
    report: dict[str, Any]
    trained: TrainedModel
    config: Config


def train(
    config: Config, output: str | Path, *, progress: bool = True, watch: Callable[[Epoch], None] | None = None
) -> Run:
    """Trains as the configuration says and writes a run folder. The test split is never read.

    Args:
        config: a whole configuration.
        output: a folder that does not exist yet, or is empty.
        progress: whether to show progress on standard error.
        watch: is told of each epoch; what it raises ends the training. Not where `training.devices` starts processes.

    Raises:
        InputError: anything wrong with corpus, labels, checkpoint, settings or folder; nothing is written then.
    """
    return _start(config, Path(output), True, progress, watch)


def refuse_used(folder: Path) -> None:
    """Raises InputError if a folder already holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "a run: continue it with `train --resume`" if (folder / CONFIG).is_file() else "it is not empty"
        raise InputError(f"{folder} already holds something ({hint}); give another --output")


def resume(folder: str | Path, *, progress: bool = True) -> Run:
    """Continues a training that was stopped, to the same weights as if it had not been. A finished run is loaded.

    Raises:
        InputError: the folder holds no run.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: no run there (no {CONFIG}); start one with `train --output {folder}`")
    if (folder / REPORT).is_file():
        return _finished(folder)
    return _start(configuration.read(folder / CONFIG), folder, False, progress)


def _finished(folder: Path) -> Run:
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    return Run(folder, report, checkpoint.load(folder), configuration.read(folder / CONFIG))


def _start(
    config: Config, folder: Path, new: bool, progress: bool, watch: Callable[[Epoch], None] | None = None
) -> Run:
    """Trains in as many processes as there are devices."""
    settings = config.training
    if watch is not None and settings.devices > 1:
        raise InputError(f"training.devices is {settings.devices}, but this training must stay in one process")
    gpu = parallel.uses_gpu(settings)
    run = processes.run(_train, config, folder, new, progress, watch, devices=settings.devices, gpu=gpu)
    return run or _finished(folder)


def evaluate(
    model: TrainedModel | str | Path,
    corpus: str | Corpus,
    root: str | Path | None = None,
    *,
    split: str = "test",
    level: str | None = None,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    output: str | Path | None = None,
    precision: str = "auto",
    workers: int = 0,
    on_error: str = "raise",
    modalities: Sequence[str] | None = None,
    every_subset: bool = False,
    attack: str | Sequence[str] = (),
    progress: bool = False,
) -> dict[str, Any]:
    """Scores a trained model on one split.

    Args:
        model: a trained model, the folder of a model or run, or "pretrained".
        corpus: a corpus, or the name of one.
        root: its folder, where it is named.
        split: "train", "validation" or "test".
        level: the corpus' label set; None is the one the model was trained on, if it was on this corpus.
        options: further settings of the corpus.
        limit: score only so many utterances, drawn with seed 0.
        output: where report.json, predictions and pictures go; None writes nothing.
        precision, workers, on_error: see `inference.score`.
        modalities: use these only; the others of the model are absent.
        every_subset: whether every subset of these is scored too, as if the others were missing (`subsets`).
        attack: attacks under which it is scored too (`robust`): "fgm:epsilon=0.1", "pgd:epsilon=0.1,steps=5".
        progress: whether to say what is being done.

    Returns:
        The report: see docs/report.md.

    Raises:
        InputError: no such model, corpus or split; labels that the model has nothing for (see `_mapping.counterparts`).
    """
    attacks = [Attack.parse(text) for text in ([attack] if isinstance(attack, str) else attack)]
    trained = opened(model)
    if isinstance(corpus, str):
        stated = trained.about.get("corpus", {})
        same = stated.get("name") == corpus
        options = {**(stated.get("options") or {} if same else {}), **(options or {})}
        corpus = load_corpus(corpus, root, level=level or (stated.get("level") if same else None), **options)
    utterances = labelled(read(corpus, split, trained.reading.get("context", 0)), corpus, split)
    utterances, mapping = _in_labels_of(trained.task, utterances, corpus)
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; it must be at least 1")
    utterances = draw(utterances, limit, 0)
    if progress:
        print(f"scoring {len(utterances)} {split} utterances of {corpus.name}", file=sys.stderr)
    chosen = _chosen(trained, modalities)
    outcomes: dict[str, Outcome] = {}
    for names in subsets(list(chosen)) if every_subset else [tuple(chosen)]:
        some = {name: chosen[name] for name in names}
        rows = Rows(utterances, some, trained.task, words=trained.words, on_error=on_error)
        outcomes["+".join(names)] = _outcome(trained, rows, precision=precision, workers=workers)
    outcome = outcomes["+".join(chosen)]
    splits: dict[str, Sequence[Utterance]] = {split: utterances}
    if split != "train" and "train" in corpus.splits:
        splits = {"train": corpus.utterances("train"), **splits}
    report = evaluation.report(
        corpus=corpus.name,
        task=trained.task,
        seed=trained.about.get("seed"),
        outcomes={split: outcome},
        train=None,
        leakage=leakage(splits, tuple(chosen)),
        subsets={names: item for names, item in outcomes.items() if len(item)} if every_subset else None,
        skipped={split: rows.problems},
        mapping=mapping,
    )
    if attacks:
        report["robust"] = robust(trained, rows, attacks, workers=workers)
    if output is not None:
        write_results(Path(output), trained.task, report, {split: outcome})
    return report


def assemble(config: Config, task: Task, utterances: Sequence[Utterance]) -> TrainedModel:
    """The untrained model of a configuration; the task looks at the training utterances first.

    Raises:
        InputError: a label that the task does not know; a checkpoint or setting that does not fit.
    """
    configuration.check(config, "the configuration")
    tracking.require(config.training.logger)
    for utterance in utterances:
        task.target(utterance)
    groups_of(utterances, task, config.training.sampling)
    augmenters(config, task)
    for name, given in config.training.methods.items():
        registry.build("methods", name, **given).check_rows(task, utterances)
    task.prepare(utterances)
    torch.manual_seed(config.seed)
    model = checkpoint.build(config.model, task)
    if config.model.initial is not None:
        start_from(model, task, config.model.initial)
    for name, given in config.training.methods.items():
        registry.build("methods", name, **given).check(model, task)
    trained = TrainedModel(
        model,
        task,
        replace(config.model, initial=None),
        reading={"context": config.corpus.context},
        about={"corpus": dict(vars(config.corpus)), "seed": config.seed},
    )
    if config.training.solved:
        freeze(model, config.training.freeze)
        solvable_heads(trained, config.training.solved)
    return trained


def augmenters(config: Config, task: Task) -> dict[str, Chain]:
    """The augmentations of a configuration by modality.

    Raises:
        InputError: a modality that the model has not, an augmentation of another medium, or one of text for a task that
            decides for each word.
    """
    wanted = config.training.augmentation
    media = {name: registry.find("encoders", given["type"]).medium for name, given in config.model.encoders.items()}  # type: ignore[attr-defined]
    for modality in wanted if task.resolution == "word" else ():
        if media.get(modality) == "text":
            raise InputError(
                f"training.augmentation.{modality}: task {task.name} decides for each word, which must stay"
            )
    return chains(wanted, media, config.seed)


def start_from(model: EmotionModel, task: Task, source: str) -> None:
    """Takes over what fits of a trained model: encoders of the same name and shape; the rest where the labels are the same.

    Args:
        model: is changed in place.
        task: what the model is for.
        source: a run or model folder, or "pretrained".

    Raises:
        InputError: no model there, or none of its encoders fits.
    """
    other = opened(source)
    adapted = any(given.get("adapter") for given in other.settings.encoders.values())
    if adapted and not any(isinstance(module, Added) for module in model.modules()):
        other = checkpoint.merge(other)
    own, same = model.state_dict(), other.task.labels == task.labels
    fitting = {
        name: tensor
        for name, tensor in other.model.state_dict().items()
        if name in own and own[name].shape == tensor.shape and (same or name.startswith("encoders."))
    }
    if not any(name.startswith("encoders.") for name in fitting):
        have, want = ", ".join(other.modalities), ", ".join(model.encoders)
        raise InputError(f"model.initial: no encoder of {source} ({have}) fits those of this model ({want})")
    model.load_state_dict({**own, **fitting})


def fit(
    trained: TrainedModel,
    config: Config,
    train_split: Sequence[Utterance],
    validation_split: Sequence[Utterance] | None,
    *,
    state: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    loggers: Mapping[str, Any] | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> tuple[History, dict[str, Outcome]]:
    """Trains an assembled model in place.

    Args:
        trained: from `assemble`.
        config: its training part, seed and `corpus.on_error` count.
        train_split, validation_split: labelled utterances; without validation the last epoch is kept.
        state: a folder for resumable states.
        resume: whether to continue from the state there.
        progress: whether to show progress on standard error.
        loggers: by name, as Lightning has them.
        watch: is told of each epoch.

    Returns:
        What happened, and the outcome on the validation split (empty without one).
    """
    for name, given in config.training.methods.items():
        train_split = registry.build("methods", name, **given).rows(train_split, config.seed)
    make: dict[str, Any] = {"task": trained.task, "words": trained.words, "on_error": config.corpus.on_error}
    freeze(trained.model, config.training.freeze)
    problems: list[Problems] = [{}, {}]
    features = frozen_features(trained, config, [train_split, validation_split or []], problems, progress=progress)
    augment = augmenters(config, trained.task)
    rows = Rows(train_split, trained.preparations, features=features[0], augment=augment, **make)
    held_out = Rows(validation_split, trained.preparations, features=features[1], **make) if validation_split else None
    settings = config.training
    if settings.solver == "discriminant":
        history = solve(trained, rows, settings, config.seed)
    else:
        job = Fit(
            trained,
            rows,
            held_out,
            settings,
            config.seed,
            folder=state,
            progress=progress,
            loggers=loggers,
            watch=watch,
        )
        if resume:
            job.resume()
        history = job.run()
        for head in settings.solved:
            solve_head(trained, config, train_split, features[0], head)
        if getattr(trained.model.fusion, "how", None) == "stacking":
            fit_stacker(trained, config, train_split)
    stacked = getattr(trained.model.fusion, "how", None) == "stacking"  # fitted on the heads as they are
    if settings.calibrate and held_out is not None and not stacked:
        calibrate_heads(trained, held_out, settings.workers, leave=settings.solved)
    history.skipped = {"train": {**problems[0], **rows.problems}}
    if held_out is None:
        return history, {}
    outcome = _outcome(trained, held_out, precision=settings.precision, workers=settings.workers, shared=True)
    history.skipped["validation"] = {**problems[1], **held_out.problems}
    trained.task.tune(outcome.targets, outcome.scores)
    return history, {"validation": outcome}


def solve_head(
    trained: TrainedModel,
    config: Config,
    utterances: Sequence[Utterance],
    features: Mapping[str, Sequence[np.ndarray | None]],
    head: str,
) -> None:
    """Solves one head of late fusion in closed form, from those utterances that it hears something of.

    Args:
        trained: its head is changed in place.
        config: see `training.solved`.
        utterances: of the training split.
        features: of frozen encoders, one for each utterance.
        head: its name.
    """
    heard = getattr(trained.model.fusion, "together", {}).get(head, ())
    known = [features[name] for name in heard if name in features]
    here = [n for n in range(len(utterances)) if not known or any(arrays[n] is not None for arrays in known)]
    rows = Rows(
        [utterances[number] for number in here],
        {name: trained.preparations[name] for name in heard},
        trained.task,
        on_error=config.corpus.on_error,
        features={name: [features[name][number] for number in here] for name in heard if name in features},
    )
    solve(trained, rows, config.training, config.seed, only=[head])


def fit_stacker(trained: TrainedModel, config: Config, train_split: Sequence[Utterance]) -> None:
    """Fits the stacker of late fusion on predictions of models that have not seen the utterance, its speaker or dialogue.

    For that the model is trained again on all but each of five inner folds; validation is not looked at.
    """
    fusion = trained.model.fusion
    assert isinstance(fusion, Late)
    units = [utterance.speaker or utterance.dialogue or utterance.id for utterance in train_split]
    fold = inner_folds(len(units), units, config.seed)
    said = torch.full((len(units), len(fusion.heads), trained.task.outputs), 1 / trained.task.outputs)
    present = torch.zeros(said.shape[:2], dtype=torch.bool)
    alone = copy.deepcopy(config)
    alone.model.fusion = {**(config.model.fusion or {}), "how": "mean"}
    for number in np.unique(fold):
        rest = [utterance for utterance, own in zip(train_split, fold, strict=True) if own != number]
        held = [utterance for utterance, own in zip(train_split, fold, strict=True) if own == number]
        other = assemble(alone, copy.deepcopy(trained.task), rest)
        fit(other, alone, rest, None, progress=False)
        heard, here = encode(other, _rows(other, held, alone), config.training.workers)
        for column, (name, head) in enumerate(other.model.fusion.heads.items()):  # type: ignore[union-attr,operator]
            with torch.inference_mode():
                logits = head(torch.from_numpy(heard[name]))
            said[fold == number, column] = trained.task.scores(logits)
            present[fold == number, column] = torch.from_numpy(here[name])
    targets = torch.tensor([int(trained.task.target(utterance).argmax()) for utterance in train_split])
    fusion.stacker.fit(said, present, targets)


def frozen_features(
    trained: TrainedModel,
    config: Config,
    splits: Sequence[Sequence[Utterance]],
    problems: Sequence[Problems] | None = None,
    *,
    progress: bool = False,
) -> list[dict[str, list[np.ndarray | None]]]:
    """The features of frozen encoders for each split, by modality; encoders that standardise learn from the first split.

    An encoder that is not frozen is only fitted: its features change while it is trained. They are computed anew, since
    those of the cache may differ by rounding (they came from other batches), which training on would magnify. `problems`
    gets, for each split, what could not be decoded.
    """
    found: list[dict[str, list[np.ndarray | None]]] = [{} for _ in splits]
    keys = ContentKeys()
    for name, encoder in trained.model.encoders.items():
        assert isinstance(encoder, Encoder)
        keep = encoder.frozen and config.training.cache
        if not (keep or encoder.wants_fit):
            continue
        how: dict[str, Any] = {
            "cache": cache_folder() / "features" if keep else None,
            "keys": keys,
            "workers": config.training.workers,
            "on_error": config.corpus.on_error,
            "progress": progress and processes.first(),
        }
        for number, split in enumerate(splits if keep else splits[:1]):
            if processes.count() > 1 and keep:
                # Each computes its part; then all of it is in the cache.
                extract(encoder, name, processes.share(split), **how)
                processes.gathered(None)
            found[number][name] = extract(encoder, name, split, problems=problems[number] if problems else None, **how)
        if encoder.wants_fit:
            if all(array is None for array in found[0][name]):
                raise InputError(
                    f"model.encoders.{name}: no training utterance has anything for it; leave it out (see --modalities)"
                )
            encoder.fit(_as_sequences(found[0][name]))
        if not keep:
            del found[0][name]
    return found


def _as_sequences(features: Iterable[np.ndarray | None]) -> Iterator[MaskedSequence]:
    for array in features:
        if array is not None:
            values = torch.from_numpy(np.array(array)).unsqueeze(0)
            yield MaskedSequence(values, torch.ones(values.shape[:2], dtype=torch.bool))


def task_for(config: Config, corpus: Corpus) -> Task:
    """The task of a configuration over the labels of a corpus."""
    name = config.task.name or corpus.task
    options = dict(config.task.options)
    if name == "regression":
        options.setdefault("ranges", dict(corpus.ranges))
    if corpus.primary_metric in registry.find("tasks", name).primary_metrics:  # type: ignore[attr-defined]
        options.setdefault("primary_metric", corpus.primary_metric)
    return registry.build("tasks", name, labels=corpus.labels, **options)


def write_results(folder: Path, task: Task, report: Mapping[str, Any], outcomes: Mapping[str, Any]) -> None:
    """report.json, predictions/SPLIT.csv and confusion.png."""
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    for split, outcome in outcomes.items():
        evaluation.write_predictions(folder / "predictions" / f"{split}.csv", task, outcome)
        plots.confusion(report["splits"][split], folder / "confusion.png", report["labels"])
    evaluation.write_json(folder / REPORT, report)


def _train(
    config: Config, folder: Path, new: bool, progress: bool, watch: Callable[[Epoch], None] | None = None
) -> Run:
    """Trains in this process, with the others of its group; the first one writes."""
    if new:
        processes.once(lambda: refuse_used(folder))
    if config.training.forgetting:
        _initial_run(config)
    splits = read_splits(config)
    task = task_for(config, splits.corpus)
    trained = assemble(config, task, splits.train)
    for utterance in splits.validation:
        task.target(utterance)
    before = former_figures(trained, config) if config.training.forgetting else None
    there = folder.is_dir()
    processes.once(lambda: _begin(config, folder, splits.corpus))
    loggers = tracking.loggers(config, folder) if processes.first() else {}
    with _nothing_left(folder, there) if new else nullcontext():
        history, outcomes = fit(
            trained,
            config,
            splits.train,
            splits.validation,
            state=folder / STATE,
            resume=not new,
            progress=progress,
            loggers=loggers,
            watch=watch,
        )
    report = processes.once(
        lambda: evaluation.report(
            corpus=splits.corpus.name,
            task=task,
            seed=config.seed,
            outcomes=outcomes,
            train=history.summary() | {"parameters": parameter_counts(trained)},
            leakage=leakage({"train": splits.train, "validation": splits.validation}, trained.modalities),
            tuned_on="validation",
            skipped=history.skipped,
        )
    )
    if before is not None:
        report["forgetting"] = evaluation.jsonable({"before": before, "after": former_figures(trained, config)})
    trained.about["validation"] = {
        key: value for key, value in report["splits"]["validation"].items() if isinstance(value, int | float)
    }
    processes.once(lambda: _finish(folder, trained, report, outcomes, history, splits.corpus))
    tracking.close(loggers, folder, report)
    return Run(folder, report, trained, config)


@contextmanager
def _nothing_left(folder: Path, there: bool) -> Iterator[None]:
    """Takes away what a training has written that fails before there is anything to continue from.

    Args:
        folder: of the run.
        there: whether it was there before, empty; then it stays.
    """
    try:
        yield
    except (InputError, OSError):
        if processes.first() and not (folder / STATE).is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            if there:
                folder.mkdir()
        raise


def _finish(
    folder: Path,
    trained: TrainedModel,
    report: dict[str, Any],
    outcomes: Mapping[str, Outcome],
    history: History,
    corpus: Corpus,
) -> None:
    """Writes what adapters added, and the run."""
    if any(given.get("adapter") and checkpoint_of(given) for given in trained.settings.encoders.values()):
        checkpoint.save_adapter(trained, folder / ADAPTER)
        report["train"]["adapter_bytes"] = (folder / ADAPTER / checkpoint.WEIGHTS).stat().st_size
    write_run(folder, trained, report, outcomes, history, corpus)


def _begin(config: Config, folder: Path, corpus: Corpus) -> None:
    """Writes down what is trained, unless it stands there."""
    if not (folder / CONFIG).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG, config.to_yaml())
    assignment = getattr(corpus, "assignment", None)
    if assignment:
        evaluation.write_json(folder / "splits.json", assignment)


def former_figures(trained: TrainedModel, config: Config) -> dict[str, Any]:
    """The figures of a model on the validation split of the run that its training starts from.

    Raises:
        InputError: the training starts from no run, or one with other labels: nothing of what it knew could be asked.
    """
    run = _initial_run(config)
    splits = splits_of_run(run)
    for utterance in splits.validation:
        if not _codable(trained.task, utterance):
            raise InputError(f"training.forgetting: {run} has other labels ({', '.join(splits.corpus.labels)})")
    outcome = score_split(trained, splits.validation, config)
    figures = trained.task.metrics(outcome.targets, outcome.scores)
    return {
        "corpus": splits.corpus.name,
        **{key: value for key, value in figures.items() if isinstance(value, int | float)},
    }


def write_run(
    folder: Path,
    trained: TrainedModel,
    report: Mapping[str, Any],
    outcomes: Mapping[str, Outcome],
    history: History,
    corpus: Corpus,
) -> None:
    """Everything of a finished run but config.yaml; report.json comes last: a folder with it is a finished run."""
    checkpoint.save(trained, folder / MODEL)
    write_text(folder / "MODEL_CARD.md", model_card(trained, report, corpus))
    write_text(folder / "metrics.csv", _metrics_table(history))
    plots.curves([vars(epoch) for epoch in history.epochs], trained.task.primary_metric, folder / "curves.png")
    write_results(folder, trained.task, report, outcomes)
    shutil.rmtree(folder / STATE, ignore_errors=True)


def parameter_counts(trained: TrainedModel) -> dict[str, int]:
    """How many parameters there are, and how many of them were trained."""
    parameters = list(trained.model.parameters())
    return {
        "all": sum(p.numel() for p in parameters),
        "trained": sum(p.numel() for p in parameters if p.requires_grad),
    }


def untrained_report(config: Config) -> dict[str, Any]:
    """The report of a configuration's model on the validation split before any training."""
    splits = read_splits(config)
    task = task_for(config, splits.corpus)
    trained = assemble(config, task, splits.train)
    trained.model.eval()
    rows = Rows(splits.validation, trained.preparations, task, words=trained.words, on_error=config.corpus.on_error)
    outcome = _outcome(trained, rows, precision=config.training.precision, workers=config.training.workers)
    return evaluation.report(
        corpus=splits.corpus.name,
        task=task,
        seed=config.seed,
        outcomes={"validation": outcome},
        train=None,
        leakage=None,
    )


def _initial_run(config: Config) -> str:
    """The run that `training.forgetting` asks about; none is an InputError."""
    if config.model.initial is None:
        raise InputError(
            "training.forgetting needs the run that training starts from: model.initial (train --from RUN)"
        )
    return config.model.initial


def _codable(task: Task, utterance: Utterance) -> bool:
    try:
        task.target(utterance)
    except InputError:
        return False
    return True


def _chosen(trained: TrainedModel, modalities: Sequence[str] | None) -> dict[str, Preparation]:
    """The preparations of these modalities; an unknown one is an InputError."""
    for name in modalities or ():
        if name not in trained.modalities:
            raise unknown("modality", name, trained.modalities, "the model")
    return {name: item for name, item in trained.preparations.items() if modalities is None or name in modalities}


def subsets(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """Every subset of modalities with something in it, small ones first."""
    return [chosen for size in range(1, len(modalities) + 1) for chosen in combinations(modalities, size)]


def score_split(
    trained: TrainedModel, utterances: Sequence[Utterance], config: Config, modalities: Sequence[str] | None = None
) -> Outcome:
    """The outcome of labelled utterances for a model trained with this configuration, through the feature cache.

    Args:
        trained, config: a model and what it was trained with.
        utterances: with labels; those that have none of the modalities are left out.
        modalities: use these only.
    """
    rows = _rows(trained, utterances, config, modalities)
    return _outcome(trained, rows, precision=config.training.precision, workers=config.training.workers)


def _rows(
    trained: TrainedModel, utterances: Sequence[Utterance], config: Config, modalities: Sequence[str] | None = None
) -> Rows:
    (features,) = frozen_features(trained, config, [utterances])
    chosen = _chosen(trained, modalities)
    return Rows(
        utterances,
        chosen,
        trained.task,
        words=trained.words,
        on_error=config.corpus.on_error,
        features={name: arrays for name, arrays in features.items() if name in chosen},
    )


def _in_labels_of(
    task: Task, utterances: list[Utterance], corpus: Corpus
) -> tuple[list[Utterance], dict[str, Any] | None]:
    """Utterances in the labels of a model, without those that it has no label for; and what was done, None if nothing."""
    found = counterparts(corpus, task.name, task.labels)
    if found is None:
        return utterances, None
    rows = [translated(utterance, found, task.name) for utterance in utterances]
    kept = [row for row in rows if row.label is not None]
    return kept, {"labels": found, "left_out": len(rows) - len(kept)}


def _outcome(trained: TrainedModel, rows: Rows, *, precision: str, workers: int, shared: bool = False) -> Outcome:
    scored = score_rows(trained, rows, precision=precision, workers=workers, shared=shared)
    known = [number for number, item in enumerate(scored) if item.present]
    assert rows.targets is not None
    return Outcome.of(
        [scored[number].utterance for number in known],
        [rows.targets[number] for number in known],
        [scored[number].scores for number in known],
    )


def _metrics_table(history: History) -> str:
    """metrics.csv: one row for each epoch."""
    rows = [
        {"epoch": epoch.epoch + 1, "loss": epoch.loss, "seconds": round(epoch.seconds, 3)}
        | {name: value for name, value in epoch.metrics.items() if isinstance(value, int | float)}
        for epoch in history.epochs
    ]
    text = io.StringIO()
    # A figure may be undefined in some epochs.
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
