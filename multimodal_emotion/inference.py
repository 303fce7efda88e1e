"""Scores of a trained model for utterances, in order, streaming, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch

from multimodal_emotion import processes
from multimodal_emotion.batch import Batch, MaskedSequence, Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.encoders._onednn import packed_linear
from multimodal_emotion.loading import Rows, collate_for, loader, plan
from multimodal_emotion.model import EmotionModel

CHUNK_CHEAP, CHUNK_MEDIA = 4096, 128
"""Utterances taken at a time: enough to group rows of similar length, few enough to hold."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one utterance.

    Attributes:
        utterance: what was asked.
        scores: (outputs,) after the activation, or (words, outputs); NaN throughout where no modality was there.
        present: the modalities that were there.
        errors: why a modality that the utterance names could not be decoded.
        opinions: the scores of each present modality alone; only where asked for.
        shares: how much each present modality contributes to the decision, adding up to 1; only where asked for.
        dimensions: (names,) values read beside the decision; None where the model reads none, or has nothing to read from.
    """

    utterance: Utterance
    scores: np.ndarray
    present: tuple[str, ...]
    errors: tuple[str, ...] = ()
    opinions: Mapping[str, np.ndarray] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    dimensions: np.ndarray | None = None


def score(
    trained: TrainedModel,
    utterances: Iterable[Utterance],
    *,
    batch_size: int = 32,
    precision: str = "auto",
    device: str | torch.device | None = None,
    workers: int = 0,
    on_error: str = "raise",
    opinions: bool = False,
) -> Iterator[Scored]:
    """Scores utterances in the order given, a chunk at a time.

    Args:
        trained: a loaded or just trained model; it is moved to the device and put in evaluation mode.
        utterances: any iterable; it is read as results are asked for.
        batch_size: rows in a forward pass.
        precision: "32", "bf16", or "auto": bfloat16 where the processor multiplies it.
        device: None takes the first GPU, else the processor.
        workers: processes that decode.
        on_error: "raise", or "skip": what cannot be decoded is absent, with the reason in `Scored.errors`.
        opinions: whether each modality's own opinion and share are wanted too.

    Raises:
        InputError: a file that cannot be decoded (on_error="raise").
    """
    cheap = all(preparation.cheap for preparation in trained.preparations.values())
    source = iter(utterances)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    trained.model.to(place).eval()
    while chunk := list(islice(source, CHUNK_CHEAP if cheap else CHUNK_MEDIA)):
        rows = Rows(chunk, trained.preparations, words=trained.words, on_error=on_error)
        yield from score_rows(
            trained, rows, batch_size=batch_size, precision=precision, device=place, workers=workers, opinions=opinions
        )


def score_rows(
    trained: TrainedModel,
    rows: Rows,
    *,
    batch_size: int = 32,
    precision: str = "auto",
    device: str | torch.device = "cpu",
    workers: int = 0,
    opinions: bool = False,
    shared: bool = False,
) -> list[Scored]:
    """Scores prepared rows, in their order. `rows` may hold features of frozen encoders in place of their inputs.

    With `shared`, each process of a group scores its part of the batches and gets what the others found; all must call it.
    """
    batches = plan([rows.length(index) for index in range(len(rows))], batch_size)
    batches = list(processes.share(batches)) if shared else batches
    found: dict[int, Scored] = {}
    trained.model.eval()
    collate = collate_for(trained.preparations, encoded=rows.encoded)
    source = loader(rows, batches, collate, workers)
    exact = resolve_precision(precision, torch.device(device)) == "32"
    multiplication = packed_linear(device) if exact else nullcontext()
    for numbers, batch in zip(batches, source, strict=True):
        rows.note(batch)
        with multiplication:
            *logits, read = forward(trained.model, batch.to(device), precision, opinions and len(batch.inputs) > 1)
        scores, alone, without = (
            {subset: trained.task.scores(values).cpu().numpy() for subset, values in group.items()} for group in logits
        )
        for position, number in enumerate(numbers):
            utterance = rows.utterances[number]
            here = tuple(name for name, sequence in batch.inputs.items() if bool(sequence.present[position]))
            values = scores[ALL][position]
            values = values[: len(utterance.words or ())] if trained.words else values
            values = values if here else np.full_like(values, np.nan)
            own = {name: alone[name][position] for name in here if name in alone}
            left = {name: without[name][position] for name in here if name in without}
            found[number] = Scored(
                utterance,
                values,
                here,
                batch.errors[position],
                own,
                shares(values, left) if len(here) > 1 else {},
                None if read is None or read[position].isnan().any() else read[position].cpu().numpy(),
            )
    for others, problems in processes.gathered((found, rows.problems)) if shared else ():
        found.update(others)
        rows.problems.update(problems)
    return [found[number] for number in range(len(rows))]


ALL = "all"
Logits = dict[str, torch.Tensor]


@torch.inference_mode()
def forward(
    model: EmotionModel, batch: Batch, precision: str, subsets: bool
) -> tuple[Logits, Logits, Logits, torch.Tensor | None]:
    """Logits of one batch, float32: of all modalities; of each alone; of all but each (the latter two only if wanted).

    Last, the model's `dimensions`, if it has them.
    """
    with autocast(precision, next(iter(batch.inputs.values())).mask.device):
        encoded = model.encode(batch.inputs, batch.encoded)
        whole = {ALL: model.decide(encoded, batch.words).logits.float()}
        alone, without = {}, {}
        for name in encoded if subsets else ():
            others = [other for other in encoded if other != name]
            alone[name] = model.decide(hidden(encoded, others), batch.words).logits.float()
            without[name] = model.decide(hidden(encoded, [name]), batch.words).logits.float()
    return whole, alone, without, None if model.dimensions is None else model.dimensions(encoded)


def hidden(encoded: Mapping[str, MaskedSequence], names: Sequence[str]) -> dict[str, MaskedSequence]:
    """Encoded modalities with some of them absent."""
    return {
        name: MaskedSequence(torch.zeros_like(sequence.values), torch.zeros_like(sequence.mask))
        if name in names
        else sequence
        for name, sequence in encoded.items()
    }


def shares(scores: np.ndarray, without: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How much each modality contributes: how far the scores move when it is taken away, as parts of 1.

    Args:
        scores: (outputs,) of all modalities together.
        without: (outputs,) for each modality, of all but that one.
    """
    moved = {name: float(np.abs(scores - values).sum()) for name, values in without.items()}
    total = sum(moved.values())
    return {name: value / total if total > 0 else 1 / len(moved) for name, value in moved.items()}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a forward pass has this precision."""
    if resolve_precision(precision, device) == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def resolve_precision(precision: str, device: torch.device) -> str:
    """What "auto" means here: "bf16" where the processor multiplies bfloat16 natively, else "32"."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    capable = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if device.type == "cpu" and capable else "32"


def decode(trained: TrainedModel, scored: Sequence[Scored]) -> list[Any]:
    """The predictions of scored utterances; None where nothing was there to predict from."""
    if trained.words:
        return [trained.task.decode(item.scores) if len(item.scores) else [] for item in scored]
    known = [item for item in scored if not np.isnan(item.scores).any()]
    decoded = iter(trained.task.decode(np.stack([item.scores for item in known])) if known else [])
    return [None if np.isnan(item.scores).any() else next(decoded) for item in scored]
