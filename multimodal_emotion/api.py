"""The Python face of `train`: a corpus and a few words instead of a whole configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from multimodal_emotion import config as configuration
from multimodal_emotion import presets, runs, shipped
from multimodal_emotion.config import Config
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.errors import InputError
from multimodal_emotion.runs import Run


def train(
    corpus: str | Config,
    root: str | Path | None = None,
    *,
    output: str | Path,
    preset: str | None = None,
    encoders: Sequence[str] = (),
    fusion: str | None = None,
    modalities: Sequence[str] | None = None,
    task: str | None = None,
    level: str | None = None,
    context: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    initial: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    progress: bool = True,
) -> Run:
    """Fine-tunes on a corpus and writes a run folder; the test split is never read.

    Args:
        corpus: the name of a corpus, or a whole configuration.
        root: its folder.
        output: a new folder for the run.
        preset: named encoders: "embedded" (packaged, offline), "multilingual", "base", "large". Without a preset and
            without encoders: "base".
        encoders: "text=bert:CHECKPOINT" each.
        fusion: a fusion; default "single" for one modality, else "concat".
        modalities: use these only.
        task: in place of the corpus' own.
        level: which of the corpus' label sets.
        context: utterances of the dialogue read before each one.
        epochs, limit, seed: see `Config`.
        initial: a run or model folder, or "pretrained", to start from; without preset and encoders the model is built as
            that one is, and reads as much context, where it is not stated.
        options: further settings of the corpus.
        settings: further "a.b=value" settings.
        progress: whether to show progress on standard error.

    Raises:
        InputError: anything wrong with corpus, labels, checkpoint, settings or folder; nothing is written then.
    """
    base = corpus if isinstance(corpus, Config) else Config()
    name = base.corpus.name if isinstance(corpus, Config) else corpus
    config = assemble(
        base,
        corpus=name,
        root=None if root is None else str(root),
        preset=preset,
        encoders=encoders,
        fusion=fusion,
        modalities=modalities,
        task=task,
        level=level,
        context=context,
        epochs=epochs,
        limit=limit,
        seed=seed,
        initial=initial,
        options=options or {},
        settings=settings,
    )
    return runs.train(config, output, progress=progress)


def assemble(
    config: Config,
    *,
    corpus: str | None = None,
    root: str | None = None,
    preset: str | None = None,
    encoders: Sequence[str] = (),
    fusion: str | None = None,
    modalities: Sequence[str] | None = None,
    task: str | None = None,
    level: str | None = None,
    context: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    initial: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Config:
    """A configuration with what is given here in place of what it says; `settings` come last. See `train`."""
    place = config.corpus
    place.name, place.root, place.level = corpus or place.name, root or place.root, level or place.level
    place.options = {**place.options, **(options or {})}
    place.modalities = list(modalities) if modalities else place.modalities
    place.context = place.context if context is None else context
    place.limit = place.limit if limit is None else limit
    config.seed = config.seed if seed is None else seed
    config.task.name = task or config.task.name
    named = presets.parse_encoders(encoders)
    config.model.encoders = named or config.model.encoders
    if initial is not None:
        if not (preset or config.model.encoders):
            _build_as(initial, config, context)
        config.model.initial = str(initial)
    if preset or not config.model.encoders:
        wanted = [name for name in _modalities(config) if name not in named]
        config = presets.apply(config, preset or "base", wanted)
    if fusion:
        config.model.fusion = {"type": fusion}
    if epochs is not None:
        config.training.epochs = epochs
    return configuration.with_settings(config, settings)


def _build_as(source: str | Path, config: Config, context: int | None) -> None:
    """Takes over encoders, fusion and head of another model, for the modalities that are wanted, and its context."""
    model, reading = shipped.architecture(source)
    left_out = {"audio", "image", "text"} - set(_modalities(config))
    encoders = {name: given for name, given in model.encoders.items() if name not in left_out}
    if not encoders:
        raise InputError(f"{source} reads {', '.join(model.encoders)}, of which the corpus has nothing")
    config.model = replace(model, encoders=encoders, fusion=model.fusion if len(encoders) > 1 else None)
    config.corpus.context = int(reading.get("context", 0)) if context is None else context


def _modalities(config: Config) -> Sequence[str]:
    """The modalities that are wanted, or all that the corpus has: of a table or a union, those of its columns or parts."""
    place = config.corpus
    return place.modalities or load_corpus(place.name, place.root, level=place.level, **place.options).modalities
