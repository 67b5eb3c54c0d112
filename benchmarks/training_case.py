"""One measurement of the trainer on one device: a shape, a variant and a micro-batch in, lines of JSON out.

    PYTHONPATH=. python benchmarks/training_case.py --shape 1B --variant compiled --sequences 32 --device cuda

The model, loss, `parallelize` at one process, the way of a batch to the device and into micro-batches, clipping and
optimizer are the trainer's own; the tokens are random. A step is one batch: as many micro-batches as make at least
`--step-tokens`, clipping and the optimizer; the figure is the median of the timed steps. The first line is the
measurement; which attention ran and the profile follow, so that a failure there loses nothing. A micro-batch that does
not fit gives the line {"out_of_memory": true}. `gpu_training.py` starts it for each measurement: a process of its own
holds nothing of a larger micro-batch that has failed, and none of the kernels that were compiled for another size.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from trainer.cards import Card, Checkpointing, card_of
from trainer.config import train_settings
from trainer.data import Batch
from trainer.evaluate import micro_batches, on_device
from trainer.initialization import initialize
from trainer.layout import Layout
from trainer.model import Transformer
from trainer.optimizer import make_optimizer
from trainer.parallel import clip_gradients, last_micro_batch, make_mesh, parallelize
from trainer.presets import MODELS, ModelConfig
from trainer.processes import process_group

VARIANTS: dict[str, tuple[bool, Checkpointing]] = {  # compiled, activation checkpointing
    "compiled": (True, "none"),
    "eager": (False, "none"),
    "compiled+selective": (True, "selective"),
    "compiled+full": (True, "full"),
    "eager+selective": (False, "selective"),
    "eager+full": (False, "full"),
}
TIMED_STEPS, TIMED_SECONDS = 3, 3.0  # at least so many steps, and so long for short ones
LONG_SECONDS = 8.0  # after so long two steps are enough
TOP_KERNELS = 12

ATTENTION = {  # operator of torch -> what people call it
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_cudnn_attention": "cuDNN",
    "aten::_scaled_dot_product_efficient_attention": "memory-efficient",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash (CPU)",
    "aten::_scaled_dot_product_attention_math": "math",
}


@dataclass
class Trainer:
    """One model on one device, ready for steps of micro-batches of `sequences` rows."""

    model: Transformer
    optimizer: torch.optim.AdamW
    device: torch.device
    max_norm: float
    sequences: int

    def step(self, batch: Batch) -> float:
        """An optimizer step over `batch`, which stands on the CPU; returns its mean loss in nats."""
        count = batch.tokens.numel()
        parts = list(micro_batches(on_device(batch, self.device), self.sequences))
        losses = []
        for number, part in enumerate(parts, 1):
            last_micro_batch(self.model, number == len(parts))
            total, by_token = self.model(part.tokens, part.targets, part.documents)
            (total / count).backward()
            losses.append(by_token.sum(1))
        loss = float(torch.cat(losses).double().sum()) / count  # waits for the device, as the loop does here
        clip_gradients(self.model, self.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return loss


def make_trainer(name: str, variant: str, sequences: int, device: torch.device) -> Trainer:
    """The trainer's own pieces for one process, in the order of the loop."""
    compiled, checkpointing = VARIANTS[variant]
    settings = train_settings({}, {"preset": name})
    with torch.device("meta"):
        model = Transformer(MODELS[name])
    parallelize(
        model,
        make_mesh(Layout(1, 1, 1), device.type),
        precision="bf16" if device.type == "cuda" else "fp32",
        checkpointing=checkpointing,
        compile_blocks=compiled,
        reshard_after_forward=settings.reshard_after_forward,
    )
    model.to_empty(device=device)
    model.reset_buffers(device)
    initialize(model, seed=0)
    return Trainer(model, make_optimizer(model, settings), device, settings.max_gradient_norm, sequences)


def random_batch(shape: ModelConfig, rows: int) -> Batch:
    """`rows` rows of the shape's context, on the CPU, as `trainer.data` gives them."""
    generator = torch.Generator().manual_seed(0)
    both = torch.randint(shape.vocabulary, (rows, shape.context + 1), generator=generator)
    return Batch(both[:, :-1], both[:, 1:], np.zeros(rows, np.int64), None)


def measure(trainer: Trainer, shape: ModelConfig, step_tokens: int) -> dict[str, Any]:
    """Seconds, memory and loss of steps. OutOfMemoryError when a micro-batch does not fit."""
    device, size = trainer.device, trainer.sequences
    count = max(1, -(-step_tokens // (size * shape.context)))
    began = time.perf_counter()
    losses = [trainer.step(random_batch(shape, size))]  # compiles, and makes the optimizer's moments
    first = time.perf_counter() - began
    losses.append(trainer.step(random_batch(shape, size * min(2, count))))  # accumulates, if a step will
    batch = random_batch(shape, size * count)
    seconds: list[float] = []
    while not _enough(seconds):
        began = time.perf_counter()
        losses.append(trainer.step(batch))
        seconds.append(time.perf_counter() - began)
    cuda = device.type == "cuda"
    return {
        "micro_batches": count,
        "tokens_per_second": batch.tokens.numel() / median(seconds),
        "step_seconds": median(seconds),
        "steps": len(seconds),
        "first_step_seconds": first,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "peak_bytes": torch.cuda.max_memory_allocated(device) if cuda else None,
        "reserved_bytes": torch.cuda.max_memory_reserved(device) if cuda else None,
        # How often memory was full and the allocator had to give back and ask again, which takes long.
        "allocator_retries": torch.cuda.memory_stats(device)["num_alloc_retries"] if cuda else None,
    }


def _enough(seconds: list[float]) -> bool:
    spent = sum(seconds)
    return spent >= TIMED_SECONDS and len(seconds) >= (2 if spent >= LONG_SECONDS else TIMED_STEPS)


def attention_backends(trainer: Trainer, shape: ModelConfig) -> str:
    """Which attention ran in a step of one micro-batch: by the operators that torch recorded, not by settings."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        trainer.step(random_batch(shape, trainer.sequences))
    ran = {event.key for event in profiler.key_averages()}
    return ", ".join(name for operator, name in ATTENTION.items() if operator in ran) or "unknown"


def top_kernels(trainer: Trainer, shape: ModelConfig) -> list[tuple[str, float, int]]:
    """What takes the time of a step of one micro-batch: name, share of all of it, and calls, the largest first."""
    cuda = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        trainer.step(random_batch(shape, trainer.sequences))
    # Of a GPU its kernels and copies; the operators that started them have their time too, and would count twice.
    timed = [
        (event.key, event.self_device_time_total if cuda else event.self_cpu_time_total, event.count)
        for event in profiler.key_averages()
        if not cuda or event.device_type == torch.autograd.DeviceType.CUDA  # type: ignore[attr-defined]
    ]
    whole = sum(spent for _, spent, _ in timed) or 1.0
    timed.sort(key=lambda row: -row[1])
    return [(name[:90], spent / whole, calls) for name, spent, calls in timed[:TOP_KERNELS]]


def card_and_memory(device: torch.device) -> tuple[Card | None, int | None]:
    """The card by `trainer.cards`, if it is there, and the bytes of the device; of a CPU neither."""
    if device.type != "cuda":
        return None, None
    total = torch.cuda.get_device_properties(device).total_memory
    return card_of(torch.cuda.get_device_name(device), total), total


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether it is memory that was missing: the libraries and the compiler say so in words of their own."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "ALLOC_FAILED" in text


def say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--shape", choices=MODELS, required=True)
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--sequences", type=int, required=True, help="of a micro-batch")
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--step-tokens", type=int, default=1 << 16, help="a step has at least so many")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    parser.add_argument("--profile", action="store_true", help="also what takes the time")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shape = MODELS[given.shape]
    with process_group(given.device) as device:
        try:
            trainer = make_trainer(given.shape, given.variant, given.sequences, device)
            found = measure(trainer, shape, given.step_tokens)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            say({"out_of_memory": True})
            return
        card, _ = card_and_memory(device)
        flops = shape.flops_per_token(shape.context)
        say({**found, "mfu": found["tokens_per_second"] * flops / card.peak_flops if card else None})
        say({"attention": attention_backends(trainer, shape)})
        if given.profile:
            say({"profile": top_kernels(trainer, shape)})


if __name__ == "__main__":
    main()
