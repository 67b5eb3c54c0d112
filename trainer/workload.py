"""A training on the machine that it was started on: on which device, cut how, and whether it fits.

In: settings, the processes that torchrun started, the memory of a device. Out: the workload that the loop runs and
`trainer.cost` counts, or a ValueError that says what to change, before anything is allocated.
"""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from trainer.cards import Card, card_of
from trainer.config import TrainSettings
from trainer.cost import Workload
from trainer.fitting import check_fits, largest_micro_batch, machine_memory
from trainer.layout import Layout
from trainer.parallel import check_layout
from trainer.presets import ModelConfig
from trainer.processes import process_rank


def workload_of(shape: ModelConfig, settings: TrainSettings, device: torch.device) -> Workload:
    """The training on the processes that there are; ValueError when it cannot be cut so."""
    processes = process_rank()[1]
    shard = settings.shard or max(1, processes // (settings.replicate * settings.tensor))
    layout = Layout(settings.replicate, shard, settings.tensor)
    check_layout(layout, shape, settings.sequence_length, processes)
    rows, odd = divmod(settings.batch_sequences, layout.readers)
    if odd:
        raise ValueError(
            f"train.batch_sequences: {settings.batch_sequences} rows cannot be shared out evenly to the "
            f"{layout.readers} processes that read: make it a multiple, or change train.shard or train.replicate"
        )
    micro_batch = settings.micro_batch_sequences or (1 if device.type == "cuda" else rows)
    if rows % micro_batch:
        raise ValueError(
            f"train.micro_batch_sequences: {micro_batch} does not divide the {rows} rows of a step that each of "
            f"{layout.readers} processes reads: take a divisor"
        )
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and device.type == "cuda")
    workload = Workload(
        shape=shape,
        sequence_length=settings.sequence_length,
        micro_batch=micro_batch,
        layout=layout,
        checkpointing=settings.activation_checkpointing,
        compute_bytes=2 if bf16 else 4,
        reshard_after_forward=settings.reshard_after_forward,
    )
    if device.type == "cuda" and not settings.micro_batch_sequences:
        largest = largest_micro_batch(workload, rows, torch.cuda.get_device_properties(device).total_memory)
        workload = replace(workload, micro_batch=largest)
    return workload


def check_memory(preset: str, workload: Workload, device: torch.device) -> None:
    """ValueError before anything is allocated when the model does not fit; the processes of a machine share a CPU's."""
    if device.type == "cuda":
        available, sharing = torch.cuda.get_device_properties(device).total_memory, 1
    else:
        available, sharing = machine_memory(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    check_fits(preset, workload, available, device.type, sharing)


def card_of_device(device: torch.device) -> Card | None:
    """The card that MFU is measured against; None on a CPU and for a card that is not in the table."""
    if device.type != "cuda":
        return None
    return card_of(torch.cuda.get_device_name(device), torch.cuda.get_device_properties(device).total_memory)


def device_type(settings: TrainSettings) -> str:
    """ "cpu" or "cuda"; ValueError when a GPU is asked for that is not there."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.device: cuda is asked for, but torch finds no GPU: set it to cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if settings.device == "auto" else settings.device
