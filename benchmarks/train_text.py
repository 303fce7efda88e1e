"""Fine-tuning the text baseline on MELD's utterances: ours, the documented loop, transformers' Trainer."""

import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from _measure import THREADS, Row, compare, compare_all, in_turns, main, share
from _work import BATCH, LENGTH, Documented, meld, our_training, settings
from torch.nn import Linear

from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config
from multimodal_emotion.encoders._embedded import embedded
from multimodal_emotion.tasks._base import Task

LONG = 110
"""Tokens of a long text, in the mean."""

SIDE = 1536
"""Of the matrices whose multiplication is the machine's peak."""


def rows() -> Iterable[Row]:
    """Short texts against both, long texts against the documented loop."""
    config = settings()
    utterances, task = meld(config)
    utterances = utterances[: share(len(utterances))]
    fit = our_training(config, utterances, task)
    texts, targets = [item.text or "" for item in utterances], [int(task.target(item).argmax()) for item in utterances]
    loop = Documented(texts, targets, len(task.labels))

    def ours() -> float:
        fit.run_epoch(0)
        return len(utterances)

    yield from compare_all(
        f"fine-tune MiniLM on {len(utterances)} MELD utterances (mean 14 tokens), batch {BATCH}",
        ours,
        {
            "documented loop": lambda: loop.run(6),
            "transformers Trainer, dynamic padding, grouped by length": trainer(texts, targets, len(task.labels)),
        },
        warm=False,
        targets={
            "documented loop": {"least": 13.0},
            "transformers Trainer, dynamic padding, grouped by length": {"least": 1.5},
        },
    )
    long = lengthened(utterances)
    long_fit = our_training(config, long, task, steps=5)
    long_loop = Documented([item.text or "" for item in long], targets, len(task.labels))

    def ours_long() -> float:
        long_fit.run_epoch(0)
        return 10 * BATCH

    yield compare(
        f"fine-tune MiniLM on long texts (mean {LONG} tokens), batch {BATCH}",
        "documented loop",
        ours_long,
        lambda: long_loop.run(6),
        least=1.8,
    )
    for precision, least in (("32", 60.0), ("auto", None)):
        yield share_of_peak(config, long, task, precision, least)


def share_of_peak(config: Config, long: list[Utterance], task: Task, precision: str, least: float | None) -> Row:
    """Which part of the machine's fastest matrix multiplication training reaches, of what real tokens need.

    Counted are the products of linear layers and of attention, forward and backward, as in appendix B of PaLM (Chowdhery et
    al., 2022); what is recomputed and what padding costs is no work done.
    """
    config = replace(config, training=replace(config.training, precision=precision))
    fit = our_training(config, long, task, steps=5)
    weights = sum(layer.weight.numel() for layer in fit.trained.model.encoders.modules() if isinstance(layer, Linear))
    lengths = [fit.lengths[number] for batch in fit.batches(0) for number in batch]
    shape = fit.trained.model.encoder("text").backbone.config
    attention = shape.num_hidden_layers * shape.hidden_size * sum(length**2 for length in lengths)

    in_layers, in_all = 6 * weights * sum(lengths), 6 * weights * sum(lengths) + 12 * attention

    def ours() -> float:
        fit.run_epoch(0)
        return in_all / 1e9

    dtype = torch.bfloat16 if fit.precision == "bf16" else torch.float32
    taken = in_turns({"ours": ours, **multiplications(dtype)})
    ways = {name: times for name, times in taken.items() if name != "ours"}
    fastest = min(ways, key=lambda name: statistics.median(each.processor for each in ways[name]))
    shares = [100 * peak.processor / each.processor for peak, each in zip(ways[fastest], taken["ours"], strict=True)]
    details = {
        "of linear layers alone": round(statistics.median(shares) * in_layers / in_all, 1),
        "GFLOP a second": round(1 / statistics.median(each.processor for each in taken["ours"]), 1),
        **{name: round(1 / statistics.median(each.processor for each in times), 1) for name, times in ways.items()},
        "threads": THREADS,
    }
    name = str(dtype).removeprefix("torch.")
    return Row(
        f"training text (mean {LONG} tokens), {name}, by processor seconds",
        f"fastest multiplication of two matrices of {SIDE} x {SIDE}, {fastest}",
        statistics.median(shares),
        min(shares),
        max(shares),
        least=least,
        unit="%",
        details=details,
    )


def multiplications(dtype: torch.dtype, times: int = 5) -> dict[str, Callable[[], float]]:
    """The ways to multiply two square matrices on this machine; each gives the GFLOP it did."""
    one, other = torch.randn(SIDE, SIDE).to(dtype), torch.randn(SIDE, SIDE).to(dtype)
    ways: dict[str, Callable[[], Any]] = {"torch.mm": lambda: torch.mm(one, other)}
    if torch.backends.mkldnn.is_available() and dtype == torch.float32:
        ways["oneDNN"] = lambda: torch.ops.mkldnn._linear_pointwise(one, other, None, "none", [], "")

    def repeated(way: Callable[[], Any]) -> Callable[[], float]:
        def run() -> float:
            with torch.inference_mode():
                for _ in range(times):
                    way()
            return times * 2 * SIDE**3 / 1e9

        return run

    return {name: repeated(way) for name, way in ways.items()}


def trainer(texts: Sequence[str], targets: Sequence[int], labels: int) -> Callable[[], float]:
    """An epoch of transformers' Trainer with the settings that its documentation recommends for speed."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    folder = str(embedded("minilm"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(list(texts), truncation=True, max_length=LENGTH)
    data = [
        {**{key: encoded[key][n] for key in encoded}, "labels": target, "length": len(encoded["input_ids"][n])}
        for n, target in enumerate(targets)
    ]
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        train_sampling_strategy="group_by_length",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels)
    job = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,  # type: ignore[arg-type]
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    for callback in (PrinterCallback, ProgressCallback):
        job.remove_callback(callback)

    def run() -> float:
        job.train()
        return len(data)

    return run


def lengthened(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Each utterance followed by the next ones, to between 31 and 130 words: `LONG` tokens in the mean once cut to 128."""
    long = []
    for number, item in enumerate(utterances):
        wanted, text, following = 31 + (number * 37) % 100, item.text or "", number
        while len(text.split()) < wanted:
            following = (following + 1) % len(utterances)
            text += " " + (utterances[following].text or "")
        long.append(replace(item, text=text))
    return long


if __name__ == "__main__":
    main(rows)
