"""The processes of one training: how their group begins and ends, and how they agree on a value.

`torchrun` starts one process a GPU (on a CPU, as many as it is told) and says in the environment who is who.
Without it there is one process, which gets a group of its own: so the trainer has a single code path for one
process and for many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")

# How long a process waits for the others before it gives up: longer than the slowest thing that one of them does
# alone, such as compiling its blocks for the first time. It is PyTorch's default for NCCL.
TIMEOUT = timedelta(minutes=10)


@contextmanager
def process_group(device_type: str, timeout: timedelta = TIMEOUT) -> Iterator[torch.device]:
    """The group of all processes of this training, for as long as the context lasts; gives this process's device.

    `device_type` is "cpu" (gloo) or "cuda" (NCCL for tensors on GPUs, gloo for what stands on the CPU). A group
    that is there already is used and left as it is. After an error in one of many processes the group is not
    ended in order: the others may be waiting in it, and learn of the end when the process is gone.
    ValueError when there are fewer GPUs than processes on this machine.
    """
    device = _device(device_type)
    if dist.is_initialized():
        yield device
        return
    backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
    if "RANK" in os.environ:  # as torchrun and the launchers of clusters set it
        dist.init_process_group(backend, timeout=timeout)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]  # exported when torch is built with distributed
        dist.init_process_group(backend, store=store, rank=0, world_size=1, timeout=timeout)
    try:
        yield device
    except BaseException:
        if dist.get_world_size() == 1:
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def process_rank() -> tuple[int, int]:
    """The number of this process and how many there are; (0, 1) outside of a group."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def from_first(value: T) -> T:
    """What process 0 passed in, on all of them."""
    values = [value]
    if process_rank()[1] > 1:
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    return values[0]


def from_all(value: T) -> list[T]:
    """What each process passed in, in their order, on all of them."""
    count = process_rank()[1]
    if count == 1:
        return [value]
    values: list[T] = [value] * count
    dist.all_gather_object(values, value)
    return values


def _device(device_type: str) -> torch.device:
    if device_type != "cuda":
        return torch.device(device_type)
    local, present = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= present:
        raise ValueError(
            f"train.device: process {local} of this machine has no GPU, torch finds {present}: "
            f"run torchrun with --nproc-per-node {present}, or set train.device to cpu"
        )
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    return device
