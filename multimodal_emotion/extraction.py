"""Features of frozen encoders for many utterances, through the cache."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from multimodal_emotion.batch import Utterance
from multimodal_emotion.cache import SHARD_BYTES, ContentKeys, FeatureCache
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.encoders._onednn import packed_linear
from multimodal_emotion.loading import Rows, collate_for, loader, plan


def extract(
    encoder: Encoder,
    name: str,
    utterances: Sequence[Utterance],
    *,
    cache: Path | None = None,
    keys: ContentKeys | None = None,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    workers: int = 0,
    on_error: str = "raise",
    progress: bool = False,
    problems: dict[str, tuple[str, ...]] | None = None,
) -> list[np.ndarray | None]:
    """What the frozen part of an encoder gives for utterances (`Encoder.features`), float32.

    Args:
        encoder: is put in evaluation mode.
        name: of its modality.
        utterances: in any order.
        cache: the folder of all caches; features that it has are not computed again, new ones are kept. None keeps nothing.
        keys: shares hashes of files between calls.
        batch_size: utterances in a forward pass.
        device: where to compute.
        workers: processes that decode.
        on_error: "raise", or "skip": what cannot be decoded is None, and is tried again next time.
        progress: whether to show progress on standard error.
        problems: gets, by utterance, why it could not be decoded.

    Returns:
        For each utterance (time', width), memory-mapped where there is a cache; None where the modality is absent.
    """
    keys = keys or ContentKeys()
    store = FeatureCache(cache / encoder.fingerprint()) if cache is not None else None
    addresses = [keys.key(utterance, encoder.medium) for utterance in utterances] if store is not None else []
    missing = [number for number in range(len(utterances)) if store is None or addresses[number] not in store]
    found: dict[int, np.ndarray | None] = {}
    if missing:
        chosen = [utterances[number] for number in missing]
        rows = Rows(chosen, {name: encoder.prepare}, on_error=on_error)
        encoder.to(device).eval()
        batches = plan([rows.length(index) for index in range(len(rows))], batch_size)
        collate = collate_for({name: encoder.prepare})
        bar = tqdm(
            total=len(rows),
            desc=f"features of {name}",
            unit=" clips",
            leave=False,
            disable=not progress or not sys.stderr.isatty(),
        )
        waiting: dict[str, np.ndarray] = {}
        multiplication = packed_linear(device)
        for numbers, batch in zip(batches, loader(rows, batches, collate, workers), strict=True):
            rows.note(batch)
            with torch.inference_mode(), multiplication:
                features = encoder.features(batch.inputs[name].to(device))
            for position, number in enumerate(numbers):
                array = features.values[position][features.mask[position]].float().cpu().numpy()
                if store is not None and not batch.errors[position]:
                    waiting[addresses[missing[number]]] = array
                else:
                    found[missing[number]] = array if len(array) else None
            if store is not None and sum(array.nbytes for array in waiting.values()) > SHARD_BYTES:
                store.keep(waiting)
                waiting = {}
            bar.update(len(numbers))
        bar.close()
        if problems is not None:
            problems.update(rows.problems)
        if store is not None:
            store.keep(waiting)
    return [found[number] if number in found else _kept(store, addresses[number]) for number in range(len(utterances))]


def _kept(store: FeatureCache | None, address: str) -> np.ndarray | None:
    assert store is not None
    array = store[address]
    return array if len(array) else None
