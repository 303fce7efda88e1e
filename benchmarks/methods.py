"""Ways to fine-tune the packaged encoders on small tasks: the rows of docs/methods.md.

The seed also draws the training rows. All rows of a task have the same epochs, batches and rates but for what they change;
nothing is selected: the last epoch is kept, and scored once. Each measurement has a process of its own, so that its peak
memory is its own (but where features of a frozen encoder are computed once). What the file of results has already is not
measured again.

    python benchmarks/methods.py CORPORA RESULTS.jsonl [--task dair64] [--row full lora] [--seeds 3] [--domain DIR]
    python benchmarks/methods.py --table RESULTS.jsonl
"""

import argparse
import csv
import json
import multiprocessing
import random
import re
import resource
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import multimodal_emotion as me
from multimodal_emotion import config as configuration
from multimodal_emotion import presets, runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError

EACH = 64
"""Training sentences of each label of the task dair64."""


@dataclass(frozen=True)
class Task:
    """What is learnt from.

    Attributes:
        corpus: also the name of its folder.
        modality: the only one.
        split: that is scored.
        scored: how many of it at most.
        settings: of every row.
        figures: of the report, the first is the table's.
        alone: whether each measurement has a process of its own.
        attacks: under which the first figure is measured too, as `evaluate --attack` does.
    """

    corpus: str
    modality: str
    split: str
    scored: int | None
    settings: tuple[str, ...]
    figures: tuple[str, ...]
    alone: bool = True
    attacks: tuple[str, ...] = ()


TASKS = {
    "dair64": Task(
        "dair_emotion",
        "text",
        "validation",
        1000,
        ("training.epochs=12",),
        ("accuracy", "macro_f1"),
        attacks=("fgm:epsilon=0.02", "pgd:epsilon=0.02,steps=5,stride=0.01"),
    ),
    "meld": Task(
        "meld",
        "text",
        "validation",
        None,
        ("corpus.context=3", "corpus.limit=4000", "training.epochs=2"),
        ("weighted_f1", "macro_f1", "accuracy"),
    ),
    "meld_frozen": Task(
        "meld",
        "text",
        "validation",
        None,
        (
            "corpus.context=3",
            "training.freeze=all",
            "training.epochs=20",
            "training.batch_size=256",
            "training.head_learning_rate=5e-3",
        ),
        ("weighted_f1", "macro_f1", "accuracy"),
        alone=False,
    ),
    "ravdess": Task(
        "ravdess",
        "audio",
        "validation",
        None,
        ("corpus.limit=240", "training.freeze=none", "training.epochs=4", "training.batch_size=16"),
        ("uar", "accuracy"),
    ),
    "ferplus": Task(
        "ferplus",
        "image",
        "validation",
        2000,
        (
            "corpus.limit=2000",
            "training.freeze=none",
            "training.epochs=3",
            "model.encoders.image.faces=frame",
        ),
        ("accuracy", "macro_f1"),
    ),
}

ADAPTER, METHODS = "model.encoders.MODALITY.adapter", "training.methods"

AUGMENTATION = {
    "text": "{word_dropout: {share: 0.1}, synonyms: {share: 0.3}, swap: {share: 0.1}, typos: {share: 0.05}}",
    "audio": "{noise: {}, speed: {}, masks: {}}",
    "image": "{flip: {}, crop: {}, colour: {}}",
}

ROWS: dict[str, list[str]] = {
    "full": [],
    "plain": [],
    "lora": [f"{ADAPTER}={{type: lora, rank: 8}}"],
    "head": ["training.freeze=all", "training.cache=false"],
    "fgm": [f"{METHODS}={{fgm: {{epsilon: 0.1}}}}"],
    "fgm_small": [f"{METHODS}={{fgm: {{epsilon: 0.02}}}}"],
    "mixup": [f"{METHODS}={{mixup: {{}}}}"],
    "r_drop": [f"{METHODS}={{r_drop: {{}}}}"],
    "label_smoothing": ["task.options.label_smoothing=0.1"],
    "augmentation": ["training.augmentation.MODALITY=AUGMENTATION"],
    "houlsby": [f"{ADAPTER}={{type: bottleneck, size: 32}}"],
    "pfeiffer": [f"{ADAPTER}={{type: bottleneck, size: 32, placement: feed_forward}}"],
    "adalora": [f"{ADAPTER}={{type: adalora, rank: 8}}"],
    "prefix": [f"{ADAPTER}={{type: prefix, length: 16}}", "training.head_learning_rate=5e-3"],
    "bitfit": [f"{ADAPTER}={{type: bitfit}}", "training.learning_rate=1e-3"],
    "gradual": [f"{METHODS}={{gradual: {{}}}}"],
    "layer_decay": ["training.layer_decay=0.8"],
    "average": ["training.average=0.99"],
    "swa": ["training.average=equal", "training.schedule=constant"],
    "virtual_adversarial": [f"{METHODS}={{virtual_adversarial: {{}}}}"],
    "freelb": [f"{METHODS}={{freelb: {{epsilon: 0.1, stride: 0.05}}}}"],
    "freelb_small": [f"{METHODS}={{freelb: {{epsilon: 0.02, stride: 0.01}}}}"],
    "mixup_encoded": [f"{METHODS}={{mixup: {{at: encoded}}}}"],
    "domain_adversarial": [f"{METHODS}={{domain_adversarial: {{column: speaker}}}}"],
    "domain_adversarial_weak": [f"{METHODS}={{domain_adversarial: {{column: speaker, strength: 0.1}}}}"],
    "pgd": [f"{METHODS}={{pgd: {{epsilon: 0.1, stride: 0.05}}}}"],
    "pgd_small": [f"{METHODS}={{pgd: {{epsilon: 0.02, stride: 0.01}}}}"],
    "class_weights": ["task.options.class_weights=balanced"],
    "effective_number": ["task.options.class_weights=effective"],
    "focal": ["task.options.focal_gamma=2"],
    "balanced_sampling": ["training.sampling=label"],
    "logit_adjustment": ["task.options.logit_adjustment=1"],
    "domain": ["model.encoders.MODALITY.checkpoint=DOMAIN"],
}

SPEAKERS = ("meld", "ravdess")
"""Tasks that know who speaks."""

ONLY = {"domain_adversarial": SPEAKERS, "domain_adversarial_weak": SPEAKERS, "domain": ("dair64",)}
"""Rows for some tasks alone: the encoder of the last is one that `pretrain` made of the task's texts."""


def few(root: Path, path: Path, seed: int) -> None:
    """A table of so many training sentences of each label, and a few to validate on."""
    corpus = me.load_corpus("dair_emotion", root)
    by_label = defaultdict(list)
    for utterance in corpus.utterances("train"):
        by_label[utterance.label].append(utterance)
    rows = [(it, "train") for label in corpus.labels for it in random.Random(seed).sample(by_label[label], EACH)]
    rows += [(it, "validation") for it in corpus.utterances("validation")[:32]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "split"])
        writer.writerows([it.id, it.text, it.label, split] for it, split in rows)


def changed(task: Task, row: str, domain: str = "") -> list[str]:
    """The settings in which a row differs."""
    own = {"MODALITY": task.modality, "AUGMENTATION": AUGMENTATION[task.modality], "DOMAIN": domain}
    return [re.sub("|".join(own), lambda found: own[found[0]], setting) for setting in ROWS[row]]


def measure(root: str, domain: str, name: str, row: str, seed: int) -> dict[str, Any]:
    """One training and its figures."""
    task, own = TASKS[name], Path(root) / TASKS[name].corpus
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        corpus = CorpusConfig(task.corpus, str(own))
        if name == "dair64":
            few(own, folder / "few.csv", seed)
            corpus = CorpusConfig("manifest", str(folder / "few.csv"))
        base = presets.apply(Config(corpus=corpus, seed=seed), "embedded", [task.modality])
        fixed = ["training.keep=last", "training.logger=none", *task.settings]
        settings = changed(task, row, domain)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        run = runs.train(configuration.with_settings(base, fixed + settings), folder / "run", progress=False)
        seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        report = runs.evaluate(run.trained, task.corpus, own, split=task.split, limit=task.scored, attack=task.attacks)
    figures, train = report["splits"][task.split], run.report["train"]
    return {
        "task": name,
        "row": row,
        "seed": seed,
        "settings": settings,
        **{figure: figures[figure] for figure in task.figures},
        "f1": {label: each["f1"] for label, each in figures["per_label"].items()},
        **{attack: report["robust"][attack][task.figures[0]] for attack in task.attacks},
        "trained": train["parameters"]["trained"],
        "processor_seconds": round(seconds, 1),
        "peak_rss_mb": round(train["peak_rss_mb"]),
    }


def measure_all(root: str, domain: str, results: Path, names: Sequence[str], rows: Sequence[str], seeds: int) -> None:
    """Measures what is not there yet, a seed of every row before the next seed."""
    done = {(found["task"], found["row"], found["seed"]) for found in read(results)}
    for name in names:
        wanted = [(name, row, seed) for seed in range(seeds) for row in rows if name in ONLY.get(row, TASKS)]
        once = 1 if TASKS[name].alone else None
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=once) as worker:
            for each in wanted:
                if each in done:
                    continue
                try:
                    found = worker.apply(measure, (root, domain, *each))
                except InputError as error:  # a network of convolutions takes no LoRA, say
                    print(f"{name}, {each[1]}: {error}", flush=True)
                else:
                    with results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(found) + "\n")
            worker.close()
            worker.join()


def read(results: Path) -> list[dict[str, Any]]:
    """What was measured."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Mean and standard deviation over seeds of every row, and how far it is from `full` at each seed, in Markdown."""
    lines = []
    for name in dict.fromkeys(each["task"] for each in found):
        own = [each for each in found if each["task"] == name]
        first, second = TASKS[name].figures[:2]
        figures = (first, second, *(("fear", "disgust") if TASKS[name].corpus == "meld" else ()), *TASKS[name].attacks)
        heads = [name, "seeds", *figures, f"{first} less that of full", "trained", "processor s", "peak MB"]
        lines += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        full = {each["seed"]: each[first] for each in own if each["row"] == "full"}
        for row in dict.fromkeys(each["row"] for each in own):
            group = [each for each in own if each["row"] == row]
            cells = [spread([each.get(figure, each["f1"].get(figure)) for each in group]) for figure in figures]
            apart = [each[first] - full[each["seed"]] for each in group if each["seed"] in full and row != "full"]
            costs = [statistics.mean(each[key] for each in group) for key in ("processor_seconds", "peak_rss_mb")]
            cells += [differences(apart), f"{group[0]['trained']:,}", *(f"{cost:,.0f}" for cost in costs)]
            lines.append(f"| {row} | {len(group)} | {' | '.join(cells)} |")
    return "\n".join(lines).strip()


def differences(values: Sequence[float]) -> str:
    """Such as ".003 (.011, -.005)": the mean, and each; one alone stands for itself."""
    if not values:
        return ""
    mean, *each = (shortened(f"{round(value, 3) or 0.0:.3f}") for value in (statistics.mean(values), *values))
    return mean if len(each) == 1 else f"{mean} ({', '.join(each)})"


def spread(values: Sequence[float | int]) -> str:
    """Such as ".603 ± .012"; one value alone has no deviation."""
    return shortened(
        f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")
    )


def shortened(text: str) -> str:
    """Without the 0 before a point."""
    return re.sub(r"\b0\.", ".", text)


def main() -> None:
    """Measures, or shows what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="CORPORA RESULTS", help="with --table: RESULTS alone")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=["dair64"])
    parser.add_argument("--row", nargs="+", choices=ROWS, default=[row for row in ROWS if row != "domain"])
    parser.add_argument("--domain", default="", help="the folder that `pretrain` wrote, of the row domain")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if "domain" in given.row and not given.domain:
        parser.error("the row domain needs --domain DIR")
    if given.table:
        print(table(read(Path(given.paths[0]))))
    else:
        root, results = given.paths
        measure_all(root, given.domain, Path(results), given.task, given.row, given.seeds)


if __name__ == "__main__":
    main()
