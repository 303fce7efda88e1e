"""The work that several benchmarks share: MELD's utterances, MiniLM, the documented way to fine-tune it."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import torch
from _measure import corpus

from multimodal_emotion import presets, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, CorpusConfig, ModelConfig, TrainingConfig
from multimodal_emotion.encoders._embedded import embedded
from multimodal_emotion.loading import Rows
from multimodal_emotion.training import Fit

BATCH, LENGTH, UTTERANCES = 16, 128, 2000


def settings(batch_size: int = BATCH) -> Config:
    """Our defaults on MELD's texts with MiniLM."""
    return Config(
        corpus=CorpusConfig("meld", str(corpus("meld")), limit=UTTERANCES, modalities=["text"]),
        model=ModelConfig(encoders={"text": {"type": "bert", "checkpoint": "embedded", "pooling": "mean"}}),
        training=TrainingConfig(epochs=1, batch_size=batch_size),
    )


def meld(config: Config) -> tuple[list[Utterance], Any]:
    """2,000 training utterances and their task."""
    splits = runs.read_splits(config)
    return splits.train, runs.task_for(config, splits.corpus)


def settings_of_sound(folder: str) -> Config:
    """Our preset for RAVDESS' sound: Whisper's encoder stays as it is, its features are computed once."""
    config = Config(corpus=CorpusConfig("ravdess", folder, modalities=["audio"]))
    return presets.apply(config, "embedded", ["audio"])


class ShortFit(Fit):
    """A training whose epochs have so many steps: the first of the shuffled batches."""

    first: int | None = None

    def batches(self, epoch: int) -> list[list[int]]:
        """The first batches of the epoch."""
        return super().batches(epoch)[: self.first]


def our_training(config: Config, utterances: Sequence[Utterance], task: Any, steps: int | None = None) -> ShortFit:
    """Our training, ready for `run_epoch`."""
    trained = runs.assemble(config, task, utterances)
    fit = ShortFit(trained, Rows(utterances, trained.preparations, task), None, config.training, progress=False)
    fit.first = steps
    return fit


class Documented:
    """The documented loop: every text padded to 128 tokens, shuffled batches of 16, plain AdamW, float32."""

    def __init__(self, texts: Sequence[str], targets: Sequence[int], labels: int, device: str = "cpu") -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = str(embedded("minilm"))
        self.device = device
        self.model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-5)
        self.data = AutoTokenizer.from_pretrained(folder)(
            list(texts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        self.targets = torch.tensor(targets)
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
        self.order: Iterator[torch.Tensor] = cycle(order.split(BATCH))

    def run(self, steps: int) -> int:
        """Trains some steps; every step costs the same. Returns how many utterances were seen."""
        self.model.train()
        seen = 0
        for rows in islice(self.order, steps):
            batch = {name: tensor[rows].to(self.device) for name, tensor in self.data.items()}
            loss = self.model(**batch, labels=self.targets[rows].to(self.device)).loss
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            seen += len(rows)
        return seen
