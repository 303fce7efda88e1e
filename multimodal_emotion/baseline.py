"""The documented BERT classifier, as settings of the ordinary training, and the published figures to compare with.

The recipe: `BertForSequenceClassification` from bert-base-cased, texts padded to 128 tokens, shuffled batches of 16, AdamW
with learning rate 2e-5, eps 1e-6 and no weight decay (the defaults of the AdamW that transformers used to ship), a constant
rate, 5 epochs, the last of which is kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multimodal_emotion import evaluation, runs
from multimodal_emotion.config import Config, CorpusConfig, ModelConfig, TrainingConfig, check
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.runs import Run

PUBLISHED: Mapping[str, str] = {
    "sst2": "BERT-base-cased, dev accuracy .9232 (transformers text-classification examples, 3 epochs)",
    "dair_emotion": "BERT-base-uncased, validation accuracy .9405, test .9265 (card of bhadresh-savani's model)",
    "goemotions": "BERT-base-cased, test macro-F1 .46 (arXiv 2005.00547)",
    "meld": "RoBERTa without context, test weighted F1 .6202 (conv-emotion README)",
    "dailydialog": "RoBERTa, test macro-F1 .4820 (conv-emotion README)",
}


def recipe(
    corpus: CorpusConfig,
    *,
    checkpoint: str = "bert-base-cased",
    epochs: int = 5,
    seed: int = 0,
) -> Config:
    """The documented recipe as a configuration."""
    return Config(
        corpus=corpus,
        model=ModelConfig(
            encoders={"text": {"type": "bert", "checkpoint": checkpoint, "pooling": "pooler", "max_length": 128}},
            fusion={"type": "single"},
            dropout=0.1,
        ),
        training=TrainingConfig(
            epochs=epochs,
            batch_size=16,
            learning_rate=2e-5,
            head_learning_rate=2e-5,
            eps=1e-6,
            weight_decay=0.0,
            warmup=0.0,
            schedule="constant",
            clip=0.0,
            keep="last",
            precision="32",
            padding="max_length",
            buckets=False,
        ),
        seed=seed,
    )


def baseline(
    corpus: str,
    root: str | Path | None = None,
    *,
    output: str | Path,
    checkpoint: str = "bert-base-cased",
    level: str | None = None,
    options: Mapping[str, Any] | None = None,
    epochs: int = 5,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Run:
    """Runs the documented BERT classifier on a corpus: the report before, the training, the reports after.

    Args:
        corpus: the name of a corpus.
        root: its folder.
        output: a new folder for the run.
        checkpoint: a hub name, a local directory, or "embedded" (MiniLM).
        level: the corpus' label set.
        options: further settings of the corpus.
        epochs: passes over the training split.
        limit: use only so many training utterances (and as many of each other split).
        seed: of initialisation, order and dropout.
        progress: whether to show progress bars and print the reports.

    Returns:
        The run. Its report has the validation split, and the test split if that is there with labels.

    Raises:
        InputError: see `runs.train`.
    """
    place = CorpusConfig(
        name=corpus, root=None if root is None else str(root), level=level, options=dict(options or {}), limit=limit
    )
    config = recipe(place, checkpoint=checkpoint, epochs=epochs, seed=seed)
    check(config, "the baseline")
    runs.refuse_used(Path(output))
    untuned = runs.untrained_report(config)
    run = runs.train(config, output, progress=progress)
    report = run.report
    opened = load_corpus(corpus, root, level=level, **(options or {}))
    if "test" in opened.splits and any(utterance.label is not None for utterance in opened.utterances("test")):
        test = runs.evaluate(
            run.trained, opened, split="test", limit=limit, precision="32", output=Path(output) / "test"
        )
        report["splits"]["test"] = test["splits"]["test"]
    report["untuned"] = untuned["splits"]["validation"]
    report["published"] = PUBLISHED.get(corpus)
    evaluation.write_json(run.folder / runs.REPORT, report)
    if progress:
        print(before_after(report))
    return run


def before_after(report: Mapping[str, Any]) -> str:
    """The reports before and after tuning as text, and the published figure."""
    parts = ["validation, before tuning", evaluation.classification_report(report["untuned"], report["labels"])]
    for split, figures in report["splits"].items():
        parts += [f"{split}, after tuning", evaluation.classification_report(figures, report["labels"])]
    parts.append(f"published: {report['published'] or 'no figure known for this corpus'}")
    return "\n".join(parts)
