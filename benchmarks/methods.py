"""Ways to fine-tune MiniLM on 64 sentences of each label of dair-ai/emotion: the rows of docs/methods.md.

Three seeds, which also draw the sentences; the same epochs, batches and rates for every row. Nothing is selected: the last
epoch is kept, and 1,000 validation sentences are scored once. A row that is there already is not measured again.

    python benchmarks/methods.py CORPUS RESULTS.jsonl [NAME ...]
"""

import csv
import json
import random
import resource
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import multimodal_emotion as me
from multimodal_emotion import config as configuration
from multimodal_emotion import presets, runs
from multimodal_emotion.config import Config, CorpusConfig

EACH, SCORED, EPOCHS = 64, 1000, 12
ADAPTER, METHODS = "model.encoders.text.adapter", "training.methods"

ROWS: dict[str, list[str]] = {
    "full": [],
    "lora": [f"{ADAPTER}={{type: lora, rank: 8}}"],
    "fgm": [f"{METHODS}={{fgm: {{}}}}"],
    "mixup": [f"{METHODS}={{mixup: {{}}}}"],
    "r_drop": [f"{METHODS}={{r_drop: {{}}}}"],
    "houlsby": [f"{ADAPTER}={{type: bottleneck, size: 32}}"],
    "pfeiffer": [f"{ADAPTER}={{type: bottleneck, size: 32, placement: feed_forward}}"],
    "bitfit": [f"{ADAPTER}={{type: bitfit}}", "training.learning_rate=1e-3"],
    "head": ["training.freeze=all"],
    "gradual": [f"{METHODS}={{gradual: {{}}}}"],
    "layer_decay": ["training.layer_decay=0.8"],
    "average": ["training.average=0.99"],
    "label_smoothing": ["task.options.label_smoothing=0.1"],
    "virtual_adversarial": [f"{METHODS}={{virtual_adversarial: {{}}}}"],
    "pgd": [f"{METHODS}={{pgd: {{}}}}"],
}


def few(corpus: Any, path: Path, seed: int) -> None:
    """A table of so many training sentences of each label, and a few to validate on."""
    by_label = defaultdict(list)
    for utterance in corpus.utterances("train"):
        by_label[utterance.label].append(utterance)
    rows = [(it, "train") for label in corpus.labels for it in random.Random(seed).sample(by_label[label], EACH)]
    rows += [(it, "validation") for it in corpus.utterances("validation")[:32]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "split"])
        writer.writerows([it.id, it.text, it.label, split] for it, split in rows)


def measure(root: str, row: str, seed: int) -> dict[str, Any]:
    """One training and its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few(me.load_corpus("dair_emotion", root), folder / "few.csv", seed)
        base = Config(corpus=CorpusConfig("manifest", str(folder / "few.csv")), seed=seed)
        fixed = [f"training.epochs={EPOCHS}", "training.keep=last", "training.logger=none"]
        config = configuration.with_settings(presets.apply(base, "embedded", ["text"]), fixed + ROWS[row])
        before = resource.getrusage(resource.RUSAGE_SELF)
        run = runs.train(config, folder / "run", progress=False)
        after = resource.getrusage(resource.RUSAGE_SELF)
        report = runs.evaluate(run.trained, "dair_emotion", root, split="validation", limit=SCORED)
        figures = report["splits"]["validation"]
        return {
            "row": row,
            "seed": seed,
            "settings": ROWS[row],
            "accuracy": figures["accuracy"],
            "macro_f1": figures["macro_f1"],
            "trained": run.report["train"]["parameters"]["trained"],
            "seconds": round(run.report["train"]["seconds"], 1),
            "processor_seconds": round(after.ru_utime - before.ru_utime, 1),
        }


def main(root: str, results: str, *wanted: str) -> None:
    """Measures what is not there yet, a seed of every row before the next seed."""
    path = Path(results)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    done = {(found["row"], found["seed"]) for found in map(json.loads, lines)}
    for seed in range(3):
        for row in wanted or ROWS:
            if (row, seed) not in done:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(measure(root, row, seed)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
