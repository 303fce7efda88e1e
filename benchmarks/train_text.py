"""Fine-tuning the text baseline on MELD's utterances: ours, the documented loop, transformers' Trainer."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from _measure import Row, compare, compare_all, main
from _work import BATCH, LENGTH, Documented, meld, our_training, settings

from multimodal_emotion.batch import Utterance
from multimodal_emotion.encoders._embedded import embedded

LONG = 110
"""Tokens of a long text, in the mean."""


def rows() -> Iterable[Row]:
    """Short texts against both, long texts against the documented loop."""
    config = settings()
    utterances, task = meld(config)
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
    long_fit = our_training(config, long, task, steps=10)
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
