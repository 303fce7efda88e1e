"""Predicting the sentences of a table: ours from the .csv to the .csv, and the pipeline of transformers."""

import csv
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Row, corpus, in_turns, main, ratio, share
from _work import LENGTH, our_training

from multimodal_emotion import inference, prediction, presets, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.encoders._embedded import embedded

AGAINST = 'transformers.pipeline("text-classification", batch_size=32), fp32'


def rows() -> Iterable[Row]:
    """In float32 and in bfloat16, and the accuracy that bfloat16 costs a model that was fine-tuned."""
    config = settings_of_emotion()
    splits = runs.read_splits(config)
    task = runs.task_for(config, splits.corpus)
    fit = our_training(config, splits.train, task)
    fit.run()
    trained = fit.trained
    held_out = splits.validation
    work = f"accuracy on {len(held_out)} validation sentences of dair-ai/emotion, float32 less bfloat16"
    yield Row(work, "", **lost(trained, held_out))
    sentences = list(load_corpus("meld", str(corpus("meld"))).utterances("train"))
    sentences = (sentences * 2)[: share(10_000)]
    few = sentences[:: max(1, round(len(sentences) / share(1_000)))]
    with tempfile.TemporaryDirectory() as folder:
        table = written(sentences, Path(folder) / "sentences.csv")
        # The pipeline's rate does not depend on how many there are, and ten thousand would take it minutes.
        theirs = pipeline(written(few, Path(folder) / "few.csv"), len(task.labels))
        sides = {"fp32": ours(trained, table, "32"), "bf16": ours(trained, table, "bf16"), AGAINST: theirs}
        taken = in_turns(sides, warm=False)
    for precision, least in (("fp32", 2.5), ("bf16", 5.0)):
        work = f"predict {len(sentences)} sentences from a .csv, {precision}"
        details = {"sentences of the pipeline": len(few)}
        yield ratio(work, AGAINST, taken[precision], taken[AGAINST], least=least, details=details)


def settings_of_emotion() -> Config:
    """An epoch on 3,000 sentences of dair-ai/emotion; MiniLM then knows what most of them express."""
    config = Config(corpus=CorpusConfig("dair_emotion", str(corpus("dair_emotion")), limit=3000))
    config = presets.apply(config, "embedded", ["text"])
    config.training.epochs = 1
    return config


def written(sentences: Sequence[Utterance], table: Path) -> Path:
    """A .csv of sentences."""
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((number, item.text) for number, item in enumerate(sentences))
    return table


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


def lost(trained: TrainedModel, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """How much accuracy bfloat16 loses against float32, on labelled sentences; fields of a row."""
    right = np.array([int(trained.task.target(item).argmax()) for item in utterances])
    exact, other = (
        np.array([item.scores.argmax() for item in inference.score(trained, utterances, precision=kind)])
        for kind in ("32", "bf16")
    )
    accuracy = float((exact == right).mean())
    details = {"accuracy in float32": round(accuracy, 4), "decisions that differ": int((exact != other).sum())}
    return {"value": accuracy - float((other == right).mean()), "most": 0.003, "unit": "", "details": details}


if __name__ == "__main__":
    main(rows)
