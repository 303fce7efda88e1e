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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import multimodal_emotion as me
from multimodal_emotion import config as configuration
from multimodal_emotion import presets, runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError

EACH = 64
"""Training sentences of each label of the task dair64."""

SEEDS = 3


@dataclass(frozen=True)
class Task:
    """What is learnt from.

    Attributes:
        corpus: also the name of its folder.
        modality: the only one.
        split: that is scored.
        scored: how many of it at most.
        settings: of every row.
        figures: of the report, and their names in tables; the first is compared with that of `full`.
        attacks: under which the first figure is measured too, as `evaluate --attack` does, and their names in tables.
        rare: labels of which a table of its own says how well they are found.
        speakers: whether it is known who speaks.
        domain: whether the encoder of --domain, which `pretrain` made, has read its texts.
    """

    corpus: str
    modality: str
    split: str
    scored: int | None
    settings: tuple[str, ...]
    figures: Mapping[str, str]
    attacks: Mapping[str, str] = field(default_factory=dict)
    rare: tuple[str, ...] = ()
    speakers: bool = False
    domain: bool = False


TASKS = {
    "dair64": Task(
        "dair_emotion",
        "text",
        "validation",
        1000,
        ("training.epochs=12",),
        {"accuracy": "accuracy", "macro_f1": "macro F1"},
        attacks={"fgm:epsilon=0.02": "under FGM", "pgd:epsilon=0.02,steps=5,stride=0.01": "under PGD"},
        domain=True,
    ),
    "ravdess": Task(
        "ravdess",
        "audio",
        "validation",
        None,
        ("corpus.limit=240", "training.freeze=none", "training.epochs=4", "training.batch_size=16"),
        {"uar": "UAR", "accuracy": "accuracy"},
        speakers=True,
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
        {"accuracy": "accuracy", "macro_f1": "macro F1"},
    ),
    "meld": Task(
        "meld",
        "text",
        "validation",
        None,
        ("corpus.context=3", "corpus.limit=4000", "training.epochs=2"),
        {"weighted_f1": "weighted F1", "macro_f1": "macro F1"},
        rare=("fear", "disgust"),
        speakers=True,
    ),
    "meld_whole": Task(
        "meld",
        "text",
        "validation",
        None,
        ("corpus.context=3", "training.epochs=2"),
        {"weighted_f1": "weighted F1", "macro_f1": "macro F1"},
        rare=("fear", "disgust"),
        speakers=True,
    ),
}


@dataclass(frozen=True)
class Row:
    """A way to fine-tune.

    Attributes:
        title: in tables.
        settings: in which it differs from full fine-tuning.
        needs: an attribute of the tasks that it is for; "" is for all.
    """

    title: str
    settings: tuple[str, ...] = ()
    needs: str = ""


ADAPTER, METHODS = "model.encoders.MODALITY.adapter", "training.methods"

AUGMENTATION = {
    "text": "{word_dropout: {share: 0.1}, synonyms: {share: 0.3}, swap: {share: 0.1}, typos: {share: 0.05}}",
    "audio": "{noise: {}, speed: {}, masks: {}}",
    "image": "{flip: {}, crop: {}, colour: {}}",
}

ROWS = {
    "full": Row("full"),
    "lora": Row("LoRA, rank 8", (f"{ADAPTER}={{type: lora, rank: 8}}",)),
    "adalora": Row("AdaLoRA, rank 8", (f"{ADAPTER}={{type: adalora, rank: 8}}",)),
    "houlsby": Row("bottleneck, Houlsby", (f"{ADAPTER}={{type: bottleneck, size: 32}}",)),
    "pfeiffer": Row("bottleneck, Pfeiffer", (f"{ADAPTER}={{type: bottleneck, size: 32, placement: feed_forward}}",)),
    "prefix": Row("prefix of 16", (f"{ADAPTER}={{type: prefix, length: 16}}", "training.head_learning_rate=5e-3")),
    "bitfit": Row("BitFit", (f"{ADAPTER}={{type: bitfit}}", "training.learning_rate=1e-3")),
    "head": Row("head only", ("training.freeze=all", "training.cache=false")),
    "gradual": Row("gradual unfreezing", (f"{METHODS}={{gradual: {{}}}}",)),
    "layer_decay": Row("layer-wise rates, .8", ("training.layer_decay=0.8",)),
    "swa": Row("equal average of the last quarter", ("training.average=equal", "training.schedule=constant")),
    "average": Row("exponential average, .99", ("training.average=0.99",)),
    "r_drop": Row("R-Drop", (f"{METHODS}={{r_drop: {{}}}}",)),
    "mixup": Row("mixup of fused vectors", (f"{METHODS}={{mixup: {{}}}}",)),
    "mixup_encoded": Row("mixup of encoded vectors", (f"{METHODS}={{mixup: {{at: encoded}}}}",)),
    "label_smoothing": Row("label smoothing, .1", ("task.options.label_smoothing=0.1",)),
    "augmentation": Row("augmentation", ("training.augmentation.MODALITY=AUGMENTATION",)),
    "fgm_small": Row("FGM, epsilon .02", (f"{METHODS}={{fgm: {{epsilon: 0.02}}}}",)),
    "fgm": Row("FGM, epsilon .1", (f"{METHODS}={{fgm: {{epsilon: 0.1}}}}",)),
    "freelb_small": Row("FreeLB, epsilon .02", (f"{METHODS}={{freelb: {{epsilon: 0.02, stride: 0.01}}}}",)),
    "freelb": Row("FreeLB, epsilon .1", (f"{METHODS}={{freelb: {{epsilon: 0.1, stride: 0.05}}}}",)),
    "pgd_small": Row("PGD, epsilon .02", (f"{METHODS}={{pgd: {{epsilon: 0.02, stride: 0.01}}}}",)),
    "pgd": Row("PGD, epsilon .1", (f"{METHODS}={{pgd: {{epsilon: 0.1, stride: 0.05}}}}",)),
    "virtual_adversarial": Row("virtual adversarial, .1", (f"{METHODS}={{virtual_adversarial: {{}}}}",)),
    "domain_adversarial_weak": Row(
        "domain-adversarial, speaker, .1",
        (f"{METHODS}={{domain_adversarial: {{column: speaker, strength: 0.1}}}}",),
        needs="speakers",
    ),
    "domain_adversarial": Row(
        "domain-adversarial, speaker, 1", (f"{METHODS}={{domain_adversarial: {{column: speaker}}}}",), needs="speakers"
    ),
    "logit_adjustment": Row("logit adjustment", ("task.options.logit_adjustment=1",), needs="rare"),
    "class_weights": Row("class weights, balanced", ("task.options.class_weights=balanced",), needs="rare"),
    "effective_number": Row("class weights, effective number", ("task.options.class_weights=effective",), needs="rare"),
    "focal": Row("focal loss, 2", ("task.options.focal_gamma=2",), needs="rare"),
    "balanced_sampling": Row("balanced sampling", ("training.sampling=label",), needs="rare"),
    "domain": Row(
        "encoder pretrained on the domain's texts", ("model.encoders.MODALITY.checkpoint=DOMAIN",), needs="domain"
    ),
}


def fits(task: Task, row: Row) -> bool:
    """Whether a row is for a task."""
    return not row.needs or bool(getattr(task, row.needs))


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
    return [re.sub("|".join(own), lambda found: own[found[0]], setting) for setting in ROWS[row].settings]


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
        report = runs.evaluate(
            run.trained, task.corpus, own, split=task.split, limit=task.scored, attack=list(task.attacks)
        )
    figures, train = report["splits"][task.split], run.report["train"]
    return {
        "task": name,
        "row": row,
        "seed": seed,
        "settings": settings,
        **{figure: figures[figure] for figure in task.figures},
        "f1": {label: each["f1"] for label, each in figures["per_label"].items()},
        **{attack: report["robust"][attack][next(iter(task.figures))] for attack in task.attacks},
        "trained": train["parameters"]["trained"],
        "processor_seconds": round(seconds, 1),
        "peak_rss_mb": round(train["peak_rss_mb"]),
    }


def measure_all(root: str, domain: str, results: Path, names: Sequence[str], rows: Sequence[str], seeds: int) -> None:
    """Measures what is not there yet, a seed of every row before the next seed."""
    done = {(found["task"], found["row"], found["seed"]) for found in read(results)}
    for name in names:
        wanted = [(name, row, seed) for seed in range(seeds) for row in rows if fits(TASKS[name], ROWS[row])]
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as worker:
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
    """The tables of docs/methods.md: of each task, and of its rare labels, in Markdown."""
    return "\n\n".join(made for task in TASKS for made in (ways(found, task), rare(found, task)) if made)


def ways(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """Mean and standard deviation over seeds of every row, how far it is from `full` at each seed, and what it costs."""
    task, shown = TASKS[name], TASKS[name].figures | TASKS[name].attacks
    first, called = next(iter(task.figures.items()))
    groups = grouped(found, name, [row for row in ROWS if ROWS[row].needs != "rare"])
    full = {each["seed"]: each[first] for each in groups.get("full", ())}
    lines = []
    for row, group in groups.items():
        apart = [each[first] - full[each["seed"]] for each in group if each["seed"] in full and row != "full"]
        costs = [f"{statistics.mean(each[key] for each in group):,.0f}" for key in ("processor_seconds", "peak_rss_mb")]
        cells = [spread([each[figure] for each in group]) for figure in shown]
        lines.append([titled(row, group), *cells, differences(apart), f"{group[0]['trained']:,}", *costs])
    heads = ["method", *shown.values(), f"{called} less that of `full`", "trained parameters", "seconds", "peak MB"]
    return markdown(heads, lines)


def rare(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """How well the rare labels of a task are found, and what that costs the others."""
    task = TASKS[name]
    rows = ["full", *(row for row in ROWS if ROWS[row].needs == "rare")] if task.rare else []
    lines = []
    for row, group in grouped(found, name, rows).items():
        values = [[each[figure] for each in group] for figure in task.figures]
        values += [[each["f1"][label] for each in group] for label in task.rare]
        seconds = statistics.mean(each["processor_seconds"] for each in group)
        lines.append([titled(row, group), *map(spread, values), f"{seconds:,.0f}"])
    return markdown(["method", *task.figures.values(), *(f"F1 of {label}" for label in task.rare), "seconds"], lines)


def grouped(found: Sequence[Mapping[str, Any]], name: str, rows: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The seeds of each row of a task that was measured, in order."""
    own = sorted((each for each in found if each["task"] == name), key=lambda each: each["seed"])
    groups = {row: [each for each in own if each["row"] == row] for row in rows}
    return {row: group for row, group in groups.items() if group}


def titled(row: str, group: Sequence[Mapping[str, Any]]) -> str:
    """The row's name, and where there are fewer seeds than SEEDS, how many."""
    few = len(group) < SEEDS
    return ROWS[row].title + (f", {len(group)} seed{'s' * (len(group) > 1)}" if few else "")


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; nothing where no line stands beside another."""
    first, *rows = (f"| {' | '.join(cells)} |" for cells in (heads, *lines))
    return "\n".join([first, "|---" * len(heads) + "|", *rows]) if len(lines) > 1 else ""


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
    parser.add_argument("--seeds", type=int, default=SEEDS)
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
