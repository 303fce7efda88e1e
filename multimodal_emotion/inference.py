"""Scores of a trained model for utterances, in order, streaming, in bounded memory."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from multimodal_emotion.batch import Batch, Utterance
from multimodal_emotion.checkpoint import TrainedModel
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
    """

    utterance: Utterance
    scores: np.ndarray
    present: tuple[str, ...]
    errors: tuple[str, ...] = ()


def score(
    trained: TrainedModel,
    utterances: Iterable[Utterance],
    *,
    batch_size: int = 32,
    precision: str = "auto",
    device: str | torch.device | None = None,
    workers: int = 0,
    on_error: str = "raise",
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

    Raises:
        InputError: a file that cannot be decoded (on_error="raise").
    """
    cheap = all(preparation.cheap for preparation in trained.preparations.values())
    source = iter(utterances)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    trained.model.to(place).eval()
    while chunk := list(islice(source, CHUNK_CHEAP if cheap else CHUNK_MEDIA)):
        rows = Rows(chunk, trained.preparations, words=trained.words, on_error=on_error)
        yield from score_rows(trained, rows, batch_size=batch_size, precision=precision, device=place, workers=workers)


def score_rows(
    trained: TrainedModel,
    rows: Rows,
    *,
    batch_size: int = 32,
    precision: str = "auto",
    device: str | torch.device = "cpu",
    workers: int = 0,
) -> list[Scored]:
    """Scores prepared rows, in their order. `rows` may hold features of frozen encoders in place of their inputs."""
    batches = plan([rows.length(index) for index in range(len(rows))], batch_size)
    found: dict[int, Scored] = {}
    collate = collate_for(trained.preparations, encoded=rows.encoded)
    source = loader(rows, batches, collate, workers)
    for numbers, batch in zip(batches, source, strict=True):
        logits = forward(trained.model, batch.to(device), precision)
        scores = trained.task.scores(logits).cpu().numpy()
        for position, number in enumerate(numbers):
            utterance = rows.utterances[number]
            here = tuple(name for name, sequence in batch.inputs.items() if bool(sequence.present[position]))
            values = scores[position][: len(utterance.words or ())] if trained.words else scores[position]
            values = values if here else np.full_like(values, np.nan)
            found[number] = Scored(utterance, values, here, batch.errors[position])
    return [found[number] for number in range(len(rows))]


@torch.inference_mode()
def forward(model: EmotionModel, batch: Batch, precision: str) -> torch.Tensor:
    """Logits of one batch, float32."""
    with autocast(precision, next(iter(batch.inputs.values())).mask.device):
        return model(batch.inputs, batch.words, batch.encoded).logits.float()


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
