"""Continued pretraining of an encoder on utterances of the domain, without labels: a checkpoint goes in, another comes out."""

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from multimodal_emotion import registry, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import TrainingConfig
from multimodal_emotion.encoders._attention import trained_attention
from multimodal_emotion.encoders._pretraining import Objective, objective
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import replacing_folder
from multimodal_emotion.inference import autocast, resolve_precision
from multimodal_emotion.loading import Row, Rows, loader, plan
from multimodal_emotion.optimisation import rate_factor

HELD_OUT = 0.05
"""The share of utterances that are not learnt from, on which the loss is measured before and after; at most 500 of them."""

NOTE = "pretraining.json"


def pretrain(
    utterances: Sequence[Utterance],
    encoder: Mapping[str, Any],
    output: str | Path,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    learning_rate: float | int = 5e-5,
    seed: int = 0,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains the pretrained part of an encoder further: `bert` on masked words, `wav2vec2` on masked sound.

    Args:
        utterances: labels are not looked at; those without the encoder's medium are left out.
        encoder: {"type": "bert", "checkpoint": "embedded"}, and its settings.
        output: a folder that does not exist yet; it becomes a checkpoint that the encoder takes, whole or not at all.
        epochs, batch_size, learning_rate, seed: of the training (AdamW, linear after a warm-up).
        workers: processes that decode.
        device: None takes the first GPU, else the processor.
        progress: whether to show progress on standard error.

    Returns:
        How many utterances there were, the mean loss of each epoch, and that of the held-out ones before and after; it
        lies in the checkpoint too.

    Raises:
        InputError: no utterance with that medium; an encoder or a checkpoint that cannot learn so.
    """
    runs.refuse_used(Path(output))
    settings = {key: value for key, value in encoder.items() if key != "type"}
    torch.manual_seed(seed)
    built = registry.build("encoders", encoder["type"], **settings)
    known = registry.settings(type(built)).get("checkpoint")
    task = objective(built, encoder["type"], settings.get("checkpoint", known.default if known else ""))
    held_out, rest = _divided(utterances, built, seed)
    schedule = TrainingConfig(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    task.model.to(place).train()
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=learning_rate, weight_decay=schedule.weight_decay)
    precision = resolve_precision("auto", place)
    steps = epochs * len(plan([1] * len(rest), batch_size))
    before, losses, step = _score(task, held_out, batch_size), [], 0
    for epoch in range(epochs):
        found = []
        batches = plan([rest.length(n) for n in range(len(rest))], batch_size, seed=seed + epoch)
        bar = tqdm(
            loader(rest, batches, _arrays, workers), total=len(batches), leave=False, disable=not progress or None
        )
        for arrays in bar:
            # Everything random in a step follows from the seed and the step.
            torch.manual_seed(seed + step)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * rate_factor(step, steps, schedule)
            with autocast(precision, place), trained_attention(place):
                loss = task.loss(arrays, torch.Generator().manual_seed(seed + step))
            step += 1
            if loss is not None:
                loss.backward()
                torch.nn.utils.clip_grad_norm_(task.model.parameters(), schedule.clip)
                optimizer.step()
                optimizer.zero_grad()
                found.append(loss.detach())
        losses.append(float(np.mean(torch.stack(found).tolist())) if found else float("nan"))
        if progress:
            print(f"epoch {epoch + 1}/{epochs}: loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
    after = _score(task, held_out, batch_size)
    report = {
        "utterances": len(rest),
        "loss": losses,
        "held_out": {"n": len(held_out), "before": before, "after": after},
    }
    with replacing_folder(output) as folder:
        task.backbone().save_pretrained(folder)
        built.save(folder)
        (folder / NOTE).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def _divided(utterances: Sequence[Utterance], encoder: Any, seed: int) -> tuple[Rows, Rows]:
    """What is held out, and what is learnt from."""
    medium = {"text": ("text", "words"), "audio": ("audio", "video")}[encoder.medium]
    having = [each for each in utterances if any(getattr(each, name) for name in medium)]
    if len(having) < 2:
        raise InputError(f"pretraining needs at least two utterances with {encoder.medium}; there are {len(having)}")
    random.Random(seed).shuffle(having)
    count = max(1, min(500, round(HELD_OUT * len(having))))
    held_out, rest = (
        Rows(part, {encoder.medium: encoder.prepare}, on_error="skip") for part in (having[:count], having[count:])
    )
    return held_out, rest


def _arrays(rows: Sequence[Row]) -> list[np.ndarray]:
    """What could be decoded."""
    return [array for row in rows for array in row.arrays.values() if array is not None]


@torch.no_grad()
def _score(task: Objective, rows: Rows, batch_size: int) -> float:
    """The mean loss of a batch, with the same masks every time."""
    task.model.eval()
    batches = plan([rows.length(number) for number in range(len(rows))], batch_size)
    losses = [
        task.loss(arrays, torch.Generator().manual_seed(number))
        for number, arrays in enumerate(loader(rows, batches, _arrays))
        if arrays
    ]
    task.model.train()
    return float(np.mean([float(loss) for loss in losses if loss is not None] or [float("nan")]))
