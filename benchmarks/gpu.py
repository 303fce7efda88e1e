"""Fine-tuning and predicting on a GPU: ours, the documented loop, the pipeline, and what the device can multiply.

Everything takes a device and a checkpoint, so that the tests run the same functions on a processor with a tiny model.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from _measure import Row, Skip, compare, in_turns, main
from _work import ShortFit
from torch.nn import Linear

from multimodal_emotion import inference, runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, ModelConfig, TrainingConfig
from multimodal_emotion.encoders._embedded import embedded
from multimodal_emotion.loading import Rows
from multimodal_emotion.tasks.multiclass import Multiclass

LENGTH = 128
"""Tokens of every text: batches are packed, nothing is padding."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is trained, and on what.

    Attributes:
        folder: a checkpoint of the BERT family, with its tokeniser.
        device: "cuda" or "cpu".
        batch_size: texts in a step.
        steps: of a turn.
        side: of the matrices whose multiplication is the device's peak.
    """

    folder: Path
    device: str
    batch_size: int = 128
    steps: int = 20
    side: int = 8192

    def utterances(self) -> list[Utterance]:
        """Texts of `LENGTH` tokens each: longer ones are cut."""
        labels = ("negative", "positive")
        return [
            Utterance(id=str(number), text="a good day " * LENGTH, label=labels[number % 2])
            for number in range(self.batch_size * self.steps)
        ]


def rows() -> Iterable[Row]:
    """Of BERT's base model, with random weights: how long it takes does not depend on them."""
    if not torch.cuda.is_available():
        raise Skip("no CUDA device")
    with tempfile.TemporaryDirectory() as name:
        yield from measured(Work(bert_base(Path(name) / "bert"), "cuda"))


def measured(work: Work) -> Iterable[Row]:
    """The rows of one device and checkpoint."""
    fit = training(work)
    loop = documented(work)
    multiply = multiplication(work)
    weights = sum(part.weight.numel() for part in fit.trained.model.encoders.modules() if isinstance(part, Linear))
    tokens = LENGTH * work.batch_size * work.steps

    def ours() -> float:
        fit.run_epoch(0)
        synchronise(work.device)
        return 6 * weights * tokens / 1e12

    taken = in_turns({"ours": ours, "peak": multiply})
    shares = [100 * peak.clock / own.clock for peak, own in zip(taken["peak"], taken["ours"], strict=True)]
    name = f"fine-tune {kind(fit)} on texts of {LENGTH} tokens, batches of {work.batch_size}, {fit.precision}"
    details = {
        "TFLOP a second": 1 / median(each.clock for each in taken["ours"]),
        "peak": 1 / median(each.clock for each in taken["peak"]),
    }
    yield Row(
        name,
        f"multiplication of two bfloat16 matrices of {work.side} x {work.side}",
        median(shares),
        min(shares),
        max(shares),
        least=45.0 if work.device == "cuda" else None,
        unit="%",
        details=details,
    )

    def texts() -> float:
        ours()
        return work.batch_size * work.steps

    yield compare(name, "documented loop, float32", texts, lambda: loop(work.steps))
    yield compare(
        f"predict texts of {LENGTH} tokens, {fit.precision}",
        'transformers.pipeline("text-classification", batch_size=32), float32',
        prediction(work, fit),
        pipeline(work),
    )


def training(work: Work) -> ShortFit:
    """Our training, with default settings but for the batch."""
    settings = TrainingConfig(
        epochs=1, batch_size=work.batch_size, accelerator="gpu" if work.device == "cuda" else "cpu"
    )
    config = Config(
        model=ModelConfig(encoders={"text": {"type": "bert", "checkpoint": str(work.folder), "max_length": LENGTH}}),
        training=settings,
    )
    utterances = work.utterances()
    task = Multiclass(("negative", "positive"))
    trained = runs.assemble(config, task, utterances)
    return ShortFit(trained, Rows(utterances, trained.preparations, task), None, settings, progress=False)


def documented(work: Work) -> Callable[[int], float]:
    """The documented loop: padded to `LENGTH`, plain AdamW, float32. It takes steps and returns how many texts it saw."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(work.folder, num_labels=2).to(work.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    data = AutoTokenizer.from_pretrained(work.folder)(
        [each.text for each in work.utterances()[: work.batch_size]],
        padding="max_length",
        truncation=True,
        max_length=LENGTH,
        return_tensors="pt",
    )
    targets = torch.arange(work.batch_size) % 2

    def run(steps: int) -> float:
        for _ in range(steps):
            batch = {name: tensor.to(work.device) for name, tensor in data.items()}
            loss = model(**batch, labels=targets.to(work.device)).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synchronise(work.device)
        return steps * work.batch_size

    return run


def prediction(work: Work, fit: ShortFit) -> Callable[[], float]:
    """Ours, from sentences to scores."""

    def run() -> float:
        utterances = work.utterances()
        found = list(inference.score(fit.trained, utterances, batch_size=work.batch_size, device=work.device))
        return len(found)

    return run


def pipeline(work: Work) -> Callable[[], float]:
    """The pipeline on the same sentences."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline

    model = AutoModelForSequenceClassification.from_pretrained(work.folder, num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(work.folder)
    classify = TextClassificationPipeline(model=model, tokenizer=tokenizer, batch_size=32, device=work.device)
    texts = [each.text for each in work.utterances()]

    def run() -> float:
        return len(classify(texts, truncation=True, max_length=LENGTH))

    return run


def multiplication(work: Work, times: int = 10) -> Callable[[], float]:
    """Multiplies two square bfloat16 matrices and returns the TFLOP that this was."""
    one, other = (torch.randn(work.side, work.side, device=work.device).bfloat16() for _ in range(2))

    def run() -> float:
        for _ in range(times):
            torch.mm(one, other)
        synchronise(work.device)
        return times * 2 * work.side**3 / 1e12

    return run


def synchronise(device: str) -> None:
    """Waits until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def kind(fit: ShortFit) -> str:
    """Name and size of what is trained."""
    count = sum(parameter.numel() for parameter in fit.trained.model.parameters())
    return f"BERT of {count / 1e6:.1f} million parameters"


def bert_base(folder: Path) -> Path:
    """BERT's base architecture with random weights and MiniLM's tokeniser, which has the same vocabulary."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    BertModel(BertConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(embedded("minilm"))).save_pretrained(folder)
    return folder


def device() -> str:
    """What the results are named after."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"


if __name__ == "__main__":
    main(rows, device)
