"""Predicting the sentences of a table: ours from the .csv to the .csv, and the pipeline of transformers."""

import csv
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from _measure import Row, compare_all, main, share
from _work import LENGTH, meld, our_training, settings

from multimodal_emotion import inference, prediction
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.encoders._embedded import embedded

AGAINST = 'transformers.pipeline("text-classification", batch_size=32), fp32'


def rows() -> Iterable[Row]:
    """In float32 and in bfloat16, with a model that was trained for one epoch so that its accuracy means something."""
    config = settings(batch_size=32)
    config.training.learning_rate, config.training.head_learning_rate = 1e-4, 1e-3
    few, task = meld(config)
    fit = our_training(config, few, task)
    fit.run()
    trained = fit.trained
    sentences = list(load_corpus("meld", config.corpus.root).utterances("train"))[: share(10_000)]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "sentences.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows((item.id, item.text) for item in sentences)
        theirs = pipeline(table, len(task.labels))
        for precision, least in (("32", 2.5), ("bf16", 5.0)):
            work = f"predict {len(sentences)} sentences from a .csv, {'fp32' if precision == '32' else precision}"
            details = {"accuracy less that of fp32": lost(trained, sentences, precision)}
            yield from compare_all(
                work,
                ours(trained, table, precision),
                {AGAINST: theirs},
                warm=False,
                targets={AGAINST: {"least": least, "details": details}},
            )


def ours(trained: TrainedModel, table: Path, precision: str) -> Callable[[], float]:
    """What `predict TABLE --output OTHER` does."""

    def run() -> float:
        found = prediction.predict_utterances(trained, prediction.sources([str(table)], "text"), precision=precision)
        return prediction.write(found, [table.with_name("found.csv")], False)

    return run


def pipeline(table: Path, labels: int) -> Callable[[], float]:
    """The pipeline over the same table."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline

    folder = str(embedded("minilm"))
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels, dtype=torch.float32)
    classify = TextClassificationPipeline(
        model=model, tokenizer=AutoTokenizer.from_pretrained(folder), batch_size=32, device="cpu"
    )

    def run() -> float:
        with table.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
        found = classify(texts, top_k=None, truncation=True, max_length=LENGTH)
        with table.with_name("theirs.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([item["score"] for item in row] for row in found)
        return len(texts)

    return run


def lost(trained: TrainedModel, utterances: list[Utterance], precision: str) -> float:
    """How much accuracy is lost against float32, on labelled sentences."""
    right = np.array([int(trained.task.target(item).argmax()) for item in utterances])
    exact, other = (
        np.array([item.scores.argmax() for item in inference.score(trained, utterances, precision=kind)])
        for kind in ("32", precision)
    )
    return round(float((exact == right).mean() - (other == right).mean()), 5)


if __name__ == "__main__":
    main(rows)
