"""Whether a training fits its devices, which layout fits with the least communication, and what to change if none does.

In: a workload and the bytes of a device. Out: a layout, or a ValueError in one line with what is needed, what is
there, what is missing and the ways out. It is arithmetic (`trainer.cost`), so the loop can ask before it allocates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from trainer.cards import GIB
from trainer.cost import MODES, Memory, Workload, memory
from trainer.layout import Layout
from trainer.presets import MODELS

NODE_DEVICES = 8  # GPUs that NVLink joins in NVIDIA's DGX and HGX machines with A100, H100 or H200
MAX_DEVICES = 1 << 16  # to a copy; more are not looked at
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # of a container, cgroup v2


def check_fits(
    name: str, work: Workload, available_bytes: int, device: str = "cuda", sharing: int = 1
) -> Memory:
    """The memory that a device needs for a model called `name`; ValueError when it has less.

    `available_bytes` is the device's memory; on a CPU the machine's, which `sharing` processes share.
    """
    needed = memory(work, device)
    missing = needed.total * sharing - available_bytes
    if missing <= 0:
        return needed
    where = (
        "each GPU" if device == "cuda" else f"each of {sharing} processes" if sharing > 1 else "this machine"
    )
    has = f"there are {_gib(available_bytes)}" + (" for all of them" if sharing > 1 else "")
    parts = (
        f"{_gib(needed.state)} of weights, gradients and moments, {_gib(needed.total - needed.state)} to work"
    )
    raise ValueError(
        f"train.preset: {name} needs {_gib(needed.total)} on {where} ({parts}), {has}, {_gib(missing)} are missing: "
        f"{'; or '.join(_ways_out(work, available_bytes // sharing, device))}"
    )


def _ways_out(work: Workload, available_bytes: int, device: str) -> Iterator[str]:
    """What to change, what costs least first; never empty."""

    def fits(changed: Workload) -> bool:
        return memory(changed, device).total <= available_bytes

    smaller = [
        replace(work, micro_batch=size)
        for size in range(work.micro_batch // 2, 0, -1)
        if work.micro_batch % size == 0  # the loop takes divisors only
    ]
    best = next(filter(fits, smaller), None)
    if best is not None:
        yield f"set train.micro_batch_sequences to {best.micro_batch}"
    stronger = [replace(work, checkpointing=mode) for mode in MODES[MODES.index(work.checkpointing) + 1 :]]
    for changed in (*stronger, *(replace(one, micro_batch=1) for one in stronger)):
        if fits(changed):
            batch = "" if changed.micro_batch == work.micro_batch else " and train.micro_batch_sequences to 1"
            yield f"set train.activation_checkpointing to {changed.checkpointing}{batch}"
            break
    layout = smallest_layout(replace(work, micro_batch=1), available_bytes, device)
    if device == "cuda" and layout is not None and layout.processes > work.layout.shard * work.layout.tensor:
        tensor = f", train.tensor {layout.tensor}" if layout.tensor > 1 else ""
        batch = ", train.micro_batch_sequences 1" if work.micro_batch > 1 else ""
        yield f"train on {layout.processes} GPUs with train.shard {layout.shard}{tensor}{batch}"
    for name in sorted(MODELS, key=lambda name: -MODELS[name].parameters):
        shape = replace(MODELS[name], vocabulary=work.shape.vocabulary)
        length = min(work.sequence_length, shape.context)
        if shape.parameters < work.shape.parameters and fits(
            replace(work, shape=shape, micro_batch=1, sequence_length=length)
        ):
            yield f"take a smaller model ({name} fits)"
            return
    yield "take a larger machine"


def smallest_layout(work: Workload, available_bytes: int, device: str = "cuda") -> Layout | None:
    """The fewest devices, a power of two, that hold one copy of the model; None when none do.

    Of layouts over as many devices the one with the least tensor parallelism.
    """
    devices = 1
    while devices <= MAX_DEVICES:
        for tensor in tensor_degrees(work):
            layout = Layout(1, max(1, devices // tensor), tensor)
            if (
                layout.processes == devices
                and memory(replace(work, layout=layout), device).total <= available_bytes
            ):
                return layout
        devices *= 2
    return None


def tensor_degrees(work: Workload) -> list[int]:
    """Tensor-parallel degrees within a node that divide heads, key and value heads, feed-forward width and sequence."""
    shape = work.shape
    wholes = (shape.heads, shape.key_value_heads, shape.hidden, work.sequence_length)
    return [
        degree for degree in range(1, NODE_DEVICES + 1)
        if NODE_DEVICES % degree == 0 and all(whole % degree == 0 for whole in wholes)
    ]  # fmt: skip


def choose_layout(work: Workload, devices: int, batch_sequences: int, available_bytes: int) -> Layout | None:
    """The layout over all `devices` that communicates least of those that fit; None when none does.

    Shards stay within a node if they fit there and reach over as few nodes as they must, whole copies go across
    (HSDP): gathering weights is the traffic of a block, summing gradients of copies that of a step. Tensor
    parallelism, which talks within every layer, comes last: when no number of shards fits, or when a micro-batch for
    every reader is more than the batch.
    """
    for tensor in tensor_degrees(work):
        readers, rest = divmod(devices, tensor)
        if rest or readers * work.micro_batch > batch_sequences:
            continue
        least = min(max(1, NODE_DEVICES // tensor), readers)
        for shard in (shard for shard in range(least, readers + 1) if readers % shard == 0):
            layout = Layout(readers // shard, shard, tensor)
            if memory(replace(work, layout=layout)).total <= available_bytes:
                return layout
    return None


def largest_micro_batch(work: Workload, most: int, available_bytes: int) -> int:
    """The most sequences at once, a power of two up to `most`, that fit the workload's layout; at least 1."""
    size = 1
    while (
        2 * size <= most
        and memory(replace(work, micro_batch=2 * size)).total <= available_bytes
        and most % (2 * size) == 0
    ):
        size *= 2
    return size


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container that it is in, has."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _CGROUP.read_text("ascii").strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"
