"""How time and memory grow: with the number of utterances, and with the number of processes that decode."""

import time
from collections.abc import Iterable
from typing import Any

from _measure import Row, alone, corpus, main, share
from _work import settings_of_sound

from multimodal_emotion import runs
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.extraction import extract


def rows() -> Iterable[Row]:
    """An epoch of training text; features of sound. Every row is measured once."""
    corpus("meld"), corpus("ravdess")
    for count in (1_000, 10_000, 100_000):
        found = alone("memory", "trained", share(count))
        work = f"an epoch of training text on {found['done']} utterances"
        details = {"utterances a second": round(found["done"] / found["epoch"], 1)}
        yield Row(work, "", found["epoch"], unit="s", details=details)
        yield Row(f"peak memory of {work}", "", found["peak_mb"], unit="MB")
    for workers in (0, 1, 2, 4):
        found = alone("growth", "extracted", share(300), workers)
        named = "no worker" if not workers else "1 worker" if workers == 1 else f"{workers} workers"
        work = f"extracting features of {found['done']} clips, {named}"
        yield Row(work, "", found["took"], unit="s")
        yield Row(f"peak memory of {work}", "", found["peak_mb"], unit="MB", details={"of": "the process that encodes"})


def extracted(count: str, workers: str) -> dict[str, Any]:
    """Extracts features of so many clips of RAVDESS, decoded by so many processes; starting those counts."""
    config = settings_of_sound(str(corpus("ravdess")))
    found = load_corpus("ravdess", config.corpus.root)
    utterances = list(found.utterances("train"))[: int(count)]
    encoder = runs.assemble(config, runs.task_for(config, found), utterances).model.encoder("audio")
    began = time.perf_counter()
    done = len(extract(encoder, "audio", utterances, workers=int(workers)))
    return {"done": done, "took": time.perf_counter() - began}


if __name__ == "__main__":
    main(rows)
