"""How a training uses the processes of its group: Lightning's data parallelism, with the whole model in each or in shards."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn

from multimodal_emotion import processes
from multimodal_emotion.config import TrainingConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.model import EmotionModel

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

UNSHARDED = ("methods", "average")
"""Settings that read the weights in every step, which no process has in whole where they are in shards."""


class Joined(LightningEnvironment):
    """A group of processes that is there already, whoever made it: each is as a machine with one device."""

    @property
    def creates_processes_externally(self) -> bool:
        """They are there."""
        return True

    def world_size(self) -> int:
        """How many processes."""
        return processes.count()

    def set_world_size(self, size: int) -> None:
        """Stays as it is."""

    def global_rank(self) -> int:
        """Which of them this is."""
        return processes.number()

    def set_global_rank(self, rank: int) -> None:
        """Stays as it is."""

    def local_rank(self) -> int:
        """The first on its machine."""
        return 0

    def node_rank(self) -> int:
        """Each is a machine of its own."""
        return processes.number()


def uses_gpu(settings: TrainingConfig) -> bool:
    """Whether a training runs on GPUs."""
    return settings.accelerator != "cpu" and torch.cuda.is_available()


def device(settings: TrainingConfig) -> torch.device:
    """The device of this process."""
    return torch.device("cuda" if uses_gpu(settings) else "cpu")


def sharded(settings: TrainingConfig) -> bool:
    """Whether the processes hold the model in shards (fully sharded data parallelism)."""
    return settings.strategy == "fsdp" and processes.count() > 1


def check(settings: TrainingConfig, balance: float | int, rows: int) -> None:
    """Refuses what does not go together.

    Args:
        settings: of the training.
        balance: the model's `balance`.
        rows: how many training utterances there are.

    Raises:
        InputError: several devices where nobody starts processes; fewer utterances in a step than processes; shards with
            something that needs whole weights.
    """
    if processes.count() == 1 and settings.devices > 1:
        raise InputError(
            f"training.devices is {settings.devices}, but only `train` without --folds starts several processes"
        )
    for count, what in ((settings.batch_size, "training.batch_size"), (rows, "the number of training utterances")):
        if count < processes.count():
            raise InputError(f"{what} is {count}, for {processes.count()} processes together; each needs one")
    if sharded(settings):
        for name in (*(name for name in UNSHARDED if getattr(settings, name)), *(["model.balance"] if balance else [])):
            place = name if "." in name else f"training.{name}"
            raise InputError(f"training.strategy fsdp does not go with {place}; ddp does")


def fabric(settings: TrainingConfig) -> Fabric:
    """Lightning's Fabric for this process and its group, if it has one."""
    with _quiet():
        if processes.count() == 1:
            return Fabric(accelerator=settings.accelerator, devices=1)
        made = Fabric(
            accelerator="gpu" if uses_gpu(settings) else "cpu",
            devices=[torch.cuda.current_device()] if uses_gpu(settings) else 1,
            num_nodes=processes.count(),
            strategy=ModelParallelStrategy(_shard) if sharded(settings) else _whole(),
            plugins=[Joined()],
        )
        made.launch()
        return made


def _whole() -> DDPStrategy:
    """Each process has the whole model.

    In a batch, a modality may be in no row: then its encoder takes part in one process and not in another. Buffers (statistics
    of batch norms, positions) are left alone in a step, since some methods ask the model twice before they go back.
    """
    return DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)


def _shard(model: EmotionModel, mesh: "DeviceMesh") -> EmotionModel:
    """Splits a model: each block of the encoders that is called as one, and the rest together."""
    from torch.distributed.fsdp import fully_shard

    for name in model.encoders:
        for block in model.encoder(name).blocks():
            if not isinstance(block, nn.ModuleList | nn.ParameterList):
                fully_shard(block, mesh=mesh["data_parallel"])
    fully_shard(model, mesh=mesh["data_parallel"])
    return model


def whole_weights(module: nn.Module) -> dict[str, Any]:
    """All weights of a model in shards, in every process, on the processor. All of them must call it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    everything = StateDictOptions(full_state_dict=True, cpu_offload=True)
    found = get_model_state_dict(module, options=everything)
    return processes.once(lambda: found)  # torch gives them to the first process alone


def whole_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimiser's state for a model in shards, in the first process. All of them must call it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    return get_optimizer_state_dict(module, optimizer, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def set_whole_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, weights: dict[str, Any], state: dict[str, Any]
) -> None:
    """Puts back what `whole_weights` and `whole_state` gave. All processes must call it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict, set_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True)
    set_model_state_dict(module, weights, options=options)
    set_optimizer_state_dict(module, optimizer, state, options=options)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning greets on standard error; our own lines are enough."""
    names = ("lightning.fabric", "lightning.fabric.utilities.rank_zero", "lightning.fabric.utilities.distributed")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
