"""Several processes that train one model together: which one this is, what they tell each other, how they begin and end.

A process that stands alone is number 0 of 1, and everything here costs it nothing. Otherwise torch.distributed has a group,
which `run` made, or torchrun, or Ray Train.
"""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch import multiprocessing as torch_processes

from multimodal_emotion.errors import InputError

Item = TypeVar("Item")

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others before it gives up."""


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def number() -> int:
    """Which one this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first() -> bool:
    """Whether this is the one that writes and speaks."""
    return number() == 0


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process' part of some items; every process has the same list."""
    return items[number() :: count()]


def gathered(value: Item) -> list[Item]:
    """What each process has, in their order. All of them must call it; values must be picklable."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    distributed.all_gather_object(found, value)
    return found


def total(value: Tensor) -> Tensor:
    """The sum over all processes, without gradient. All of them must call it."""
    value = value.detach().clone()
    if count() > 1:
        distributed.all_reduce(value)
    return value


def once(function: Callable[[], Item]) -> Item:
    """Calls a function in the first process only, and gives its result, or its InputError, to all.

    No process goes on before that. All of them must call it; the result must be picklable.
    """
    if count() == 1:
        return function()
    outcome: list[Any] = [None, None]
    if first():
        try:
            outcome[0] = function()
        except InputError as error:
            outcome[1] = str(error)
    distributed.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    return outcome[0]


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Gives parameters that are in no module that Lightning wraps the mean of all processes' gradients."""
    for parameter in parameters if count() > 1 else ():
        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        average([parameter.grad])


@torch.no_grad()
def average(values: Iterable[Tensor]) -> None:
    """Puts the mean of all processes in place of each tensor of floats. All of them must call it."""
    for value in values if count() > 1 else ():
        if value.is_floating_point():
            value.copy_(total(value) / count())


def run(function: Callable[..., Item], *arguments: Any, devices: int, gpu: bool) -> Item | None:
    """Calls a function in as many processes as there are devices; they are a group as long as it lasts.

    Within a group that is there already, and in one that torchrun is to make (it says so in the environment), this process
    calls the function as one of them, whatever `devices` says. Else `devices` processes are started on this machine.

    Args:
        function: importable by its name, where processes are started.
        arguments: picklable, there.
        devices: how many processes; 1 calls the function here.
        gpu: whether each has a GPU of its own.

    Returns:
        What the function returns; None where processes were started.

    Raises:
        InputError: as the function raises it in any process; a process was killed; there are not as many GPUs.
    """
    outside = int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
    if distributed.is_initialized() or not (outside or devices > 1):
        return function(*arguments)
    if outside:
        with _group(gpu):
            return function(*arguments)
    if gpu and devices > torch.cuda.device_count():
        raise InputError(f"training.devices is {devices}, but this machine has {torch.cuda.device_count()} GPU(s)")
    _start(function, arguments, devices, gpu)
    return None


def _start(function: Callable[..., Any], arguments: Sequence[Any], devices: int, gpu: bool) -> None:
    """Starts the processes, waits for them, and ends all of them where one of them fails."""
    errors = torch_processes.get_context("spawn").SimpleQueue()
    given = (function, arguments, devices, gpu, _free_port(), errors)
    # Each would warn that no modality was missing so far; torch reads this when it is imported.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    context = torch_processes.start_processes(_work, given, devices, join=False, start_method="spawn")
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it would name whom it ends, and why not
    try:
        while not context.join():
            pass
    except (torch_processes.ProcessExitedException, torch_processes.ProcessRaisedException):
        if not errors.empty():
            raise InputError(errors.get()) from None
        # Where one is killed, the others fail too, because they miss it.
        for own, process in enumerate(context.processes):
            if process.exitcode < 0 and process.exitcode != -signal.SIGTERM:
                name = signal.Signals(-process.exitcode).name
                raise InputError(
                    f"process {own} of {devices} was ended by {name} (out of memory?), and the training with it; "
                    "`train --resume RUN` goes on"
                ) from None
        raise
    finally:
        for process in context.processes:
            process.terminate()


def _work(
    own: int, function: Callable[..., Any], arguments: Any, devices: int, gpu: bool, port: int, errors: Any
) -> None:
    """One of the processes that `_start` starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": own, "LOCAL_RANK": own, "WORLD_SIZE": devices}
    os.environ.update({name: str(value) for name, value in place.items()})
    if not gpu and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // devices))
    with _group(gpu):
        try:
            function(*arguments)
        except InputError as error:
            errors.put(str(error))
            # Not an exception: its traceback would say less than the message, which the starting process raises again.
            raise SystemExit(2) from None


@contextlib.contextmanager
def _group(gpu: bool) -> Iterator[None]:
    """Joins the group that the environment describes."""
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if gpu else "gloo", timeout=TIMEOUT)
    try:
        yield
        # The first process keeps what all meet through; it must not go while another still asks there.
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
