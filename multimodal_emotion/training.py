"""Training: the loop, on Lightning Fabric; resumable at any step to the same weights, bit for bit on one processor.

In a group of processes (see `processes`) each step is that of one process: the rows of a batch are divided among them, and
every mean is taken over all of them.
"""

import contextlib
import copy
import ctypes
import hashlib
import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from multimodal_emotion import parallel, processes, registry
from multimodal_emotion.adapters._base import companions
from multimodal_emotion.batch import Batch
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import TrainingConfig
from multimodal_emotion.encoders._attention import trained_attention
from multimodal_emotion.encoders._onednn import trained_linear
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import atomic_path
from multimodal_emotion.fusion._balance import modulate, modulation
from multimodal_emotion.inference import autocast, resolve_precision, score_rows
from multimodal_emotion.loading import Rows, collate_for, groups_of, loader, plan
from multimodal_emotion.methods._base import Method, Step
from multimodal_emotion.methods._entrances import entrances
from multimodal_emotion.model import EmotionModel, Output
from multimodal_emotion.optimisation import average_of, build_optimizer, rate_factor

STATE = "state.pt"


@dataclass
class Epoch:
    """What is known after an epoch."""

    epoch: int
    loss: float
    seconds: float
    utterances_per_second: float
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """What is known after a training.

    Attributes:
        epochs: what is known after each.
        kept: which one's weights were kept.
        peak_rss_mb: the most memory that was held.
        skipped: by split and utterance, why something of it could not be decoded.
        checkpoint_bytes: of the weights that are saved; None where it is not known.
    """

    epochs: list[Epoch]
    kept: int
    peak_rss_mb: float
    skipped: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    checkpoint_bytes: int | None = None

    def summary(self) -> dict[str, Any]:
        """The `train` part of report.json."""
        seconds = sum(epoch.seconds for epoch in self.epochs)
        rate = sum(epoch.seconds * epoch.utterances_per_second for epoch in self.epochs) / max(seconds, 1e-9)
        return {
            "loss": [epoch.loss for epoch in self.epochs],
            "seconds": seconds,
            "utterances_per_second": rate,
            "peak_rss_mb": self.peak_rss_mb,
            "kept_epoch": self.kept,
            "checkpoint_bytes": self.checkpoint_bytes,
        }


class Fit:
    """One training of a model on prepared rows. `run` does it all; the parts are methods so that they can be read."""

    def __init__(
        self,
        trained: TrainedModel,
        train: Rows,
        validation: Rows | None,
        settings: TrainingConfig,
        seed: int = 0,
        *,
        folder: Path | None = None,
        progress: bool = True,
        loggers: Mapping[str, Any] | None = None,
        watch: Callable[[Epoch], None] | None = None,
    ) -> None:
        """
        Args:
            trained: is trained in place; its task has seen the training utterances (`Task.prepare`), and what is to be
                frozen is frozen.
            train, validation: rows with targets. Without validation rows the last epoch is kept.
            settings: how.
            seed: of order and dropout; step n of a seed draws the same numbers whether or not it was interrupted before.
            folder: where resumable states are kept; None keeps none.
            progress: whether to show progress on standard error.
            loggers: by name, see `tracking.loggers`.
            watch: is told of each epoch; what it raises ends the training.
        """
        self.trained, self.train, self.validation = trained, train, validation
        self.settings, self.seed, self.folder, self.progress = settings, seed, folder, progress
        self.watch = watch
        keep_memory()
        self.loggers = list((loggers or {}).values())
        parallel.check(settings, trained.settings.balance, len(train))
        self.precision = resolve_precision(settings.precision, parallel.device(settings))
        self.fabric = parallel.fabric(settings)
        self.methods: list[Method] = [registry.build("methods", name, **it) for name, it in settings.methods.items()]
        for method in self.methods:
            method.check(trained.model, trained.task)
            method.prepare(trained.model, trained.task, train.utterances)
        self.own = [method.module.to(self.fabric.device) for method in self.methods if method.module is not None]
        self.companions = companions(trained.model.encoders, trained.settings.encoders)
        self.shards = parallel.sharded(settings)
        if self.shards and self.companions:
            raise InputError("training.strategy fsdp does not go with an adapter that prunes itself; ddp does")
        self.module: Any = self.fabric.setup_module(copy.deepcopy(trained.model) if self.shards else trained.model)
        # Shards are parameters of their own: the optimiser must not know the whole ones.
        self.learning = cast(EmotionModel, self.module.module if self.shards else trained.model)
        perturbing = [name for name, it in zip(settings.methods, self.methods, strict=True) if it.perturbs]
        self.entrances = entrances(self.learning, perturbing[0]) if perturbing else []
        self.optimizer: Any = self.fabric.setup_optimizers(build_optimizer(self.learning, settings, self.own))
        self.lengths = [train.length(index) for index in range(len(train))]
        self.groups = groups_of(train.utterances, trained.task, settings.sampling)
        self.collate = collate_for(trained.preparations, trained.task, settings.padding, train.encoded)
        self.steps_per_epoch = len(self.batches(0))
        self.steps = settings.epochs * self.steps_per_epoch
        self.average = average_of(trained.model, settings, self.steps)
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] | None = None
        self.kept = -1
        self.start_epoch = self.start_batch = 0
        self.loss_sum, self.elapsed = 0.0, 0.0
        self.losses: list[tuple[Tensor, int]] = []
        self.performance: dict[str, float] = {}

    def batches(self, epoch: int) -> list[list[int]]:
        """The rows of each step of an epoch, of all processes together."""
        batches = plan(
            self.lengths,
            self.settings.batch_size,
            seed=_mix(self.seed, "order", epoch),
            buckets=self.settings.buckets,
            groups=self.groups,
        )
        # The few rows of a last batch that has not one for each process are left out of this epoch.
        return [batch for batch in batches if len(batch) >= processes.count()]

    def run(self) -> History:
        """Trains; leaves the kept epoch's weights in the model, in evaluation mode, on the processor."""
        for epoch in range(self.start_epoch, self.settings.epochs):
            if self.should_stop():
                break
            self.run_epoch(epoch)
        for others in processes.gathered(self.train.problems):
            self.train.problems.update(others)
        model = self.trained.model
        if self.best is not None:
            model.load_state_dict(self.best)
        elif self.average is not None:
            self.average.swap(model)
        model.cpu().eval()
        return History(
            self.epochs,
            self.kept if self.kept >= 0 else len(self.epochs) - 1,
            peak_rss_mb(),
            checkpoint_bytes=sum(tensor.nbytes for tensor in model.state_dict().values()),
        )

    def should_stop(self) -> bool:
        """Whether validation has not improved for `patience` epochs."""
        patience = self.settings.patience
        return patience is not None and self.kept >= 0 and len(self.epochs) - 1 - self.kept >= patience

    def run_epoch(self, epoch: int) -> None:
        """One pass over the training rows from `start_batch` on, then validation, then a resumable state."""
        batches = self.batches(epoch)
        self.module.train()
        for method in self.methods:
            method.begin(self.trained.model, epoch)
        began = saved = time.perf_counter()
        before = self.elapsed
        self.train.epoch = epoch
        bar = self.bar(batches, epoch)
        own = [list(processes.share(batch)) for batch in batches[self.start_batch :]]
        source = loader(self.train, own, self.collate, self.settings.workers)
        for number, batch in enumerate(source, self.start_batch):
            self.train.note(batch)
            self.losses.append((self.step(batch, epoch * self.steps_per_epoch + number), len(batches[number])))
            bar.update(len(batches[number]))
            self.elapsed = before + time.perf_counter() - began
            # To gather shards takes all processes, which do not agree on the time: theirs are saved after an epoch.
            late = time.perf_counter() - saved > self.settings.save_every and not self.shards
            if late and number + 1 < len(batches):
                self.save_state(epoch, number + 1)
                saved = time.perf_counter()
        bar.close()
        rows = sum(map(len, batches))
        self.add_losses()
        self.elapsed = before + time.perf_counter() - began
        result = Epoch(epoch, self.loss_sum / rows, self.elapsed, rows / self.elapsed)
        self.start_batch, self.loss_sum, self.elapsed = 0, 0.0, 0.0
        result.metrics = self.validate()
        self.epochs.append(result)
        self.keep(result)
        self.log(result)
        self.save_state(epoch + 1, 0)
        if self.watch is not None:
            self.watch(result)

    def add_losses(self) -> None:
        """Adds the losses of the last steps up. Until then a GPU need not have finished them: nothing waits for it."""
        if self.losses:
            losses, rows = zip(*self.losses, strict=True)
            for loss, count in zip(torch.stack(losses).tolist(), rows, strict=True):
                self.loss_sum += loss * count
            self.losses.clear()

    def step(self, batch: Batch, step: int) -> Tensor:
        """One optimiser step; returns the loss, a scalar. Everything random in it depends on the seed and the step alone."""
        seed = _mix(self.seed, "step", step, processes.number())
        factor = rate_factor(step, self.steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        batch = batch.to(self.fabric.device, non_blocking=True)
        loss = self.loss(batch, seed, step / self.steps)
        if loss.requires_grad:  # else methods have taken all gradients already
            self.fabric.backward(loss)
        for module in self.own:
            processes.average_gradients(list(module.parameters()))
        self.balance()
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.settings.clip)
        self.optimizer.step()
        for companion in self.companions:
            companion.after_step(step, self.steps)
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.trained.model, step)
        return processes.total(loss) / processes.count()

    def loss(self, batch: Batch, seed: int, progress: float = 0.0) -> Tensor:
        """What a step makes smaller: the loss of the batch, and what the methods add to it or put in its place."""
        step = Step(
            self.learning,
            self.trained.task,
            batch,
            seed,
            self.output,
            self.measure,
            progress,
            self.fabric.backward,
            self.entrances,
        )
        replaced = any(method.replaces for method in self.methods)
        if self.entrances and not replaced and not any(method.shares for method in self.methods):
            step.learn_plain()
        plain = [] if replaced else [step.loss]
        extras = (method.extra(step) for method in self.methods)
        penalties = (companion.penalty() for companion in self.companions)
        return torch.stack([*plain, *(extra for extra in extras if extra is not None), *penalties]).sum()

    def output(self, batch: Batch) -> Output:
        """What the model says of a batch."""
        # Our own autocast, not Fabric's: its precision plugins rebuild every input and refuse frozen dataclasses.
        exact = trained_linear(self.fabric.device) if self.precision == "32" else contextlib.nullcontext()
        with autocast(self.precision, self.fabric.device), exact, trained_attention(self.fabric.device):
            return self.module(batch.inputs, batch.words, batch.encoded)

    def measure(self, output: Output, target: Tensor, batch: Batch) -> Tensor:
        """The mean loss of a batch: of the fused decision, of the modalities' own heads, of the fusion itself."""
        task = self.trained.task
        # Nothing is to be learnt from a row of which nothing could be decoded.
        known = torch.stack([sequence.present for sequence in batch.inputs.values()]).any(dim=0)
        loss = mean(task.loss(output.logits.float(), target), known)
        alone = self.trained.model.fusion.alone
        loss = 0 * loss if alone else loss
        weight = 1.0 if alone else self.trained.settings.auxiliary
        for name, (logits, present) in output.auxiliary.items() if weight else ():
            own = task.loss(logits.float(), target)
            loss = loss + weight * mean(own, present)
            # For cross entropy this is the mean probability of the true label.
            self.performance[name] = float(processes.total(mean((-own.detach()).exp(), present))) / processes.count()
        return loss if output.penalty is None else loss + output.penalty

    def balance(self) -> None:
        """Slows down the gradients of the modality that runs ahead (`model.balance`)."""
        strength = self.trained.settings.balance
        if strength:
            for name, factor in modulation(self.performance, strength).items():
                modulate(self.trained.model.encoder(name).parameters(), factor)

    def validate(self) -> dict[str, Any]:
        """The task's figures on the validation rows, with averaged weights where there is an average."""
        self.collect()
        if self.validation is None:
            return {}
        if self.average is not None:
            self.average.swap(self.trained.model)
        scored = score_rows(
            self.trained,
            self.validation,
            batch_size=max(32, self.settings.batch_size),
            precision=self.precision,
            device=self.fabric.device,
            workers=self.settings.workers,
            shared=True,
        )
        if self.average is not None:
            self.average.swap(self.trained.model)
        targets = self.validation.targets or []
        known = [number for number, item in enumerate(scored) if item.present]
        return self.trained.task.metrics([targets[n] for n in known], [scored[n].scores for n in known])

    def collect(self) -> None:
        """Makes the model the same in every process: whole again where it is in shards, with the mean of all statistics."""
        if self.shards:
            self.trained.model.load_state_dict(parallel.whole_weights(self.learning))
            self.trained.model.to(self.fabric.device)
        processes.average(self.trained.model.buffers())

    def keep(self, result: Epoch) -> None:
        """Keeps the weights of this epoch if it is the best so far on validation (or the last, if that is wanted)."""
        task = self.trained.task
        if self.validation is None or not all(companion.settled for companion in self.companions):
            return
        if self.settings.keep == "best" and self.kept >= 0:
            now, then = (item.metrics[task.primary_metric] for item in (result, self.epochs[self.kept]))
            # An undefined figure (NaN) is never better than a defined one.
            if not (math.isnan(then) or (now > then if task.higher_is_better else now < then)):
                return
        if self.average is not None:
            self.average.swap(self.trained.model)
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.trained.model.state_dict().items()}
        if self.average is not None:
            self.average.swap(self.trained.model)
        self.kept = len(self.epochs) - 1

    def log(self, result: Epoch) -> None:
        """One line on standard error and the loggers' scalars."""
        task = self.trained.task
        scalars = {"loss": result.loss, **{k: v for k, v in result.metrics.items() if isinstance(v, float)}}
        for logger in self.loggers:
            logger.log_metrics(scalars, step=(result.epoch + 1) * self.steps_per_epoch)
        if self.progress and processes.first():
            figure = result.metrics.get(task.primary_metric)
            shown = "" if figure is None else f", validation {task.primary_metric} {figure:.4f}"
            total = self.settings.epochs
            print(f"epoch {result.epoch + 1}/{total}: train loss {result.loss:.4f}{shown}", file=sys.stderr, flush=True)

    def bar(self, batches: list[list[int]], epoch: int) -> tqdm:
        """The progress bar of an epoch; silent where standard error is no terminal."""
        return tqdm(
            total=sum(map(len, batches)),
            initial=sum(map(len, batches[: self.start_batch])),
            desc=f"epoch {epoch + 1}/{self.settings.epochs}",
            unit=" utterances",
            leave=False,
            disable=not self.progress or not sys.stderr.isatty() or not processes.first(),
        )

    def save_state(self, epoch: int, batch: int) -> None:
        """Writes what continuing takes, in one step: a killed training never finds half a state."""
        if self.folder is None:
            return
        optimizer = parallel.whole_state(self.learning, self.optimizer.optimizer) if self.shards else None
        if not processes.first():
            return
        self.add_losses()
        state = {
            "model": self.trained.model.state_dict(),
            "optimizer": optimizer or self.optimizer.state_dict(),
            "methods": [module.state_dict() for module in self.own],
            "companions": [companion.state_dict() for companion in self.companions],
            "average": None if self.average is None else {"steps": self.average.steps, "weights": self.average.weights},
            "best": self.best,
            "epochs": [asdict(item) for item in self.epochs],
            "numbers": {
                "kept": self.kept,
                "epoch": epoch,
                "batch": batch,
                "loss_sum": self.loss_sum,
                "elapsed": self.elapsed,
            },
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.folder / STATE) as place:
            torch.save(state, place)

    def resume(self) -> bool:
        """Continues from the last state in `folder`; False if there is none yet."""
        assert self.folder is not None
        path = self.folder / STATE
        if not path.is_file():
            return False
        try:
            state = torch.load(path, weights_only=True, map_location=self.fabric.device)
            self.trained.model.load_state_dict(state["model"])
            if self.shards:
                parallel.set_whole_state(self.learning, self.optimizer.optimizer, state["model"], state["optimizer"])
            else:
                self.optimizer.load_state_dict(state["optimizer"])
            for module, own in zip(self.own, state["methods"], strict=True):
                module.load_state_dict(own)
            for companion, own in zip(self.companions, state.get("companions", []), strict=True):
                companion.load_state_dict(own)
        except (RuntimeError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{path}: does not fit this run: {' '.join(str(error).split())[:200]}") from None
        if self.average is not None:
            self.average.steps, self.average.weights = state["average"]["steps"], state["average"]["weights"]
        self.best = state["best"]
        self.epochs = [Epoch(**item) for item in state["epochs"]]
        numbers = state["numbers"]
        self.kept, self.start_epoch, self.start_batch = numbers["kept"], numbers["epoch"], numbers["batch"]
        self.loss_sum, self.elapsed = numbers["loss_sum"], numbers["elapsed"]
        return True


def mean(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the values that count, a scalar; in a group, such that the mean of all processes' is that of all rows.

    Args:
        values: (rows,) of this process.
        counted: (rows,) which of them count, true or false.
    """
    return (values * counted).sum() * processes.count() / processes.total(counted.sum()).clamp(min=1)


def peak_rss_mb() -> float:
    """The most memory this process has held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def keep_memory() -> None:
    """Asks the C library to keep freed memory for the next step's tensors instead of handing it back to the system.

    By default glibc maps every large block anew and unmaps it when it is freed: a training step on a processor then spends
    a fifth of its time on page faults. Other C libraries are left as they are.
    """
    threshold, trim, top_pad = -3, -1, -2
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for parameter, value in ((threshold, 1 << 30), (trim, 1 << 30), (top_pad, 64 << 20)):
            mallopt(parameter, value)


def _mix(*parts: object) -> int:
    """A seed that depends on all parts, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little") >> 1
