"""What the trainer reaches on one device: tokens/s, MFU and peak memory by shape, with and without compilation and
activation checkpointing, at micro-batches that grow until memory is full.

    PYTHONPATH=. python benchmarks/gpu_training.py --out gpu_training.json          # one GPU, under ten minutes
    PYTHONPATH=. python benchmarks/gpu_training.py --shapes 7B --variants compiled --profile
    PYTHONPATH=. python benchmarks/gpu_training.py --device cpu --shapes toy --variants eager --budget-seconds 60

The model, loss, `parallelize` at one process, clipping and optimizer are the trainer's own; the tokens are random. A
step is forward, backward, accumulation up to at least `--step-tokens`, clipping and the optimizer; the figure is the
median of the timed steps. MFU is by PaLM's convention against the dense bfloat16 peak of `trainer/cards.py`. The
attention backend is read from the operators that one micro-batch ran, not from what is enabled. Beside the peak of the
allocator stands what `trainer/cost.py` says. Each shape and variant runs in a process of its own, so that one that
fails leaves the others alone. Works with torch 2.11 and newer.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from result_table import ResultTable
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from trainer.cards import GIB, Card, Checkpointing, card_of
from trainer.config import train_settings
from trainer.cost import Workload, memory
from trainer.initialization import initialize
from trainer.layout import Layout
from trainer.model import Transformer
from trainer.optimizer import make_optimizer
from trainer.parallel import clip_gradients, last_micro_batch, make_mesh, parallelize
from trainer.presets import MODELS, ModelConfig
from trainer.processes import process_group

ROOT = Path(__file__).resolve().parents[1]

VARIANTS: dict[str, tuple[bool, Checkpointing]] = {  # compiled, activation checkpointing
    "compiled": (True, "none"),
    "eager": (False, "none"),
    "compiled+selective": (True, "selective"),
    "compiled+full": (True, "full"),
    "eager+selective": (False, "selective"),
    "eager+full": (False, "full"),
}
DEFAULT_VARIANTS = "compiled,eager,compiled+selective,compiled+full"
MICRO_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
MAX_MICRO_BATCH_TOKENS = 1 << 17
START_FRACTION = 0.5  # of the micro-batch that should fit by arithmetic: the sweep begins there
WARMUP_STEPS, TIMED_STEPS, TIMED_SECONDS = 2, 3, 3.0  # at least so many steps, and so long for short ones
TOP_KERNELS = 12
END_SECONDS = 5  # for a process to end after its last case

ATTENTION = {  # operator of torch -> what people call it
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_cudnn_attention": "cuDNN",
    "aten::_scaled_dot_product_efficient_attention": "memory-efficient",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash (CPU)",
    "aten::_scaled_dot_product_attention_math": "math",
}
COLUMNS = ("shape", "variant", "sequences", "tokens/s", "MFU %", "peak GiB", "reserved GiB", "by trainer/cost.py GiB",
           "step s", "first step s", "attention", "note")  # fmt: skip


@dataclass
class Trainer:
    """One model on one device, ready for steps."""

    model: Transformer
    optimizer: torch.optim.Optimizer
    device: torch.device
    max_norm: float

    def step(self, tokens: Tensor, micro_batches: int) -> float:
        """An optimizer step over `tokens` [B, T + 1], read `micro_batches` times; returns its mean loss in nats."""
        inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        total = torch.zeros((), device=self.device)
        for number in range(micro_batches):
            last_micro_batch(self.model, number == micro_batches - 1)
            loss, _ = self.model(inputs, targets)
            (loss / (micro_batches * targets.numel())).backward()
            total += loss.detach()
        clip_gradients(self.model, self.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(total) / (micro_batches * targets.numel())  # waits for the device


def make_trainer(name: str, variant: str, device: torch.device) -> Trainer:
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
        reshard_after_forward=True,
    )
    model.to_empty(device=device)
    model.reset_buffers(device)
    initialize(model, seed=0)
    return Trainer(model, make_optimizer(model, settings), device, settings.max_gradient_norm)


def measure(
    trainer: Trainer, shape: ModelConfig, size: int, step_tokens: int, deadline: float
) -> dict[str, Any]:
    """Steps at a micro-batch of `size` sequences: seconds, memory and loss. OutOfMemoryError when it does not fit."""
    device, length = trainer.device, shape.context
    micro_batches = max(1, -(-step_tokens // (size * length)))
    generator = torch.Generator().manual_seed(size)
    tokens = torch.randint(shape.vocabulary, (size, length + 1), generator=generator).to(device)
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    losses = [trainer.step(tokens, 1)]  # compiles, and makes the optimizer's moments
    first = time.perf_counter() - began
    for _ in range(WARMUP_STEPS - 1):
        losses.append(trainer.step(tokens, micro_batches))
    seconds: list[float] = []
    while len(seconds) < TIMED_STEPS or sum(seconds) < TIMED_SECONDS:
        began = time.perf_counter()
        losses.append(trainer.step(tokens, micro_batches))
        seconds.append(time.perf_counter() - began)
        if began > deadline:
            break
    return {
        "sequences": size,
        "micro_batches": micro_batches,
        "tokens_per_second": size * length * micro_batches / median(seconds),
        "step_seconds": median(seconds),
        "steps": len(seconds),
        "first_step_seconds": first,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "peak_bytes": torch.cuda.max_memory_allocated(device) if cuda else None,
        "reserved_bytes": torch.cuda.max_memory_reserved(device) if cuda else None,
    }


def attention_backends(trainer: Trainer, shape: ModelConfig, size: int) -> str:
    """Which attention ran in a micro-batch of `size` sequences, by the operators that torch recorded."""
    tokens = torch.zeros((size, shape.context + 1), dtype=torch.int64, device=trainer.device)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        trainer.step(tokens, 1)
    ran = {event.key for event in profiler.key_averages()}
    return ", ".join(name for operator, name in ATTENTION.items() if operator in ran) or "unknown"


def top_kernels(trainer: Trainer, shape: ModelConfig, size: int) -> list[tuple[str, float, int]]:
    """What takes the time of a step of one micro-batch: name, share of all of it, and calls, the largest first."""
    tokens = torch.zeros((size, shape.context + 1), dtype=torch.int64, device=trainer.device)
    cuda = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        trainer.step(tokens, 1)
    events = profiler.key_averages()
    # Of a GPU its kernels and copies; the operators that started them have their time too, and would count twice.
    timed = [
        (
            event.key,
            event.self_device_time_total if cuda else event.self_cpu_time_total,
            event.count,
        )
        for event in events
        if not cuda or event.device_type == torch.autograd.DeviceType.CUDA
    ]
    whole = sum(spent for _, spent, _ in timed) or 1.0
    timed.sort(key=lambda row: -row[1])
    return [(name[:90], spent / whole, calls) for name, spent, calls in timed[:TOP_KERNELS]]


def micro_batches(
    shape: ModelConfig, checkpointing: Checkpointing, memory_bytes: int | None
) -> Iterator[int]:
    """Sizes to try in order, from a part of what should fit by arithmetic; on a CPU the first two."""
    most = max(1, MAX_MICRO_BATCH_TOKENS // shape.context)
    sizes = [size for size in MICRO_BATCHES if size <= most]
    if memory_bytes is None:
        yield from sizes[:2]
        return
    fitting = [size for size in sizes if by_arithmetic(shape, size, checkpointing, "cuda") <= memory_bytes]
    start = max(fitting, default=1) * START_FRACTION
    yield from (size for size in sizes if size >= start)


def by_arithmetic(shape: ModelConfig, size: int, checkpointing: Checkpointing, device: str) -> int:
    """Bytes of tensors that `trainer/cost.py` counts, without what CUDA itself takes."""
    compute = 2 if device == "cuda" else 4
    needed = memory(Workload(shape, shape.context, size, Layout(), checkpointing, compute), device)
    return needed.total - needed.reserve


def run_case(name: str, variant: str, given: argparse.Namespace) -> None:
    """One shape and variant in this process; prints a line of JSON for each micro-batch as it is measured."""
    deadline = time.perf_counter() + given.budget_seconds
    shape, checkpointing = MODELS[name], VARIANTS[variant][1]
    torch.set_num_threads(given.threads)
    with process_group(given.device) as device:
        card, total = _card(device)
        trainer = make_trainer(name, variant, device)
        attention, largest = None, 0
        for size in micro_batches(shape, checkpointing, total):
            if largest and time.perf_counter() > deadline:
                say({"note": "no time for larger micro-batches"})
                break
            if VARIANTS[variant][0]:
                torch.compiler.reset()  # else the second size compiles kernels for any size, which are slower
            try:
                found = measure(trainer, shape, size, given.step_tokens, deadline)
            except torch.OutOfMemoryError:
                found = None
            if found is None:  # outside of the handler, so that the error's frames hold no tensors
                trainer.optimizer.zero_grad(set_to_none=True)
                gc.collect()
                torch.cuda.empty_cache()
                say({"sequences": size, "note": "out of memory"})
                break
            largest = size
            if attention is None:
                attention = attention_backends(trainer, shape, size)
            flops = shape.flops_per_token(shape.context)
            found["mfu"] = found["tokens_per_second"] * flops / card.peak_flops if card else None
            found["arithmetic_bytes"] = by_arithmetic(shape, size, checkpointing, device.type)
            say({**found, "attention": attention})
            if given.profile:
                say({"profile": top_kernels(trainer, shape, size), "sequences": size})


def say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def _card(device: torch.device) -> tuple[Card | None, int | None]:
    if device.type != "cuda":
        return None, None
    total = torch.cuda.get_device_properties(device).total_memory
    return card_of(torch.cuda.get_device_name(device), total), total


def run_all(given: argparse.Namespace, save: Callable[[list[dict[str, Any]]], None]) -> list[dict[str, Any]]:
    """Each shape and variant in a process, the time that is left shared among those that are to come."""
    ends = time.monotonic() + given.budget_seconds
    cases = [(name, variant) for variant in given.variants for name in given.shapes]
    found: list[dict[str, Any]] = []
    for number, (name, variant) in enumerate(cases):
        left = ends - time.monotonic()
        share = left / (len(cases) - number)
        print(f"{name} {variant}: up to {share:.0f} s", file=sys.stderr, flush=True)
        found += run_process(name, variant, given, share, left)
        save(found)
    return found


def run_process(
    name: str, variant: str, given: argparse.Namespace, share: float, left: float
) -> list[dict[str, Any]]:
    """The lines of one case. One that fails, hangs or has no time gives a line that says so, after what it measured."""
    case = {"shape": name, "variant": variant}
    if left < 2 * END_SECONDS:
        return [{**case, "note": "not run: the budget was used up"}]
    command = [sys.executable, __file__, "--role", f"{name}/{variant}", "--device", given.device]
    command += ["--budget-seconds", str(share / 2), "--step-tokens", str(given.step_tokens)]
    command += ["--threads", str(given.threads), *(["--profile"] if given.profile else [])]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    # One process needs no network, and a machine without one may offer nothing else.
    environment |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        try:
            ended = subprocess.run(
                command, stdout=said, stderr=complained, timeout=left - END_SECONDS, env=environment
            )
            failed = f"ended with status {ended.returncode}" if ended.returncode else ""
        except subprocess.TimeoutExpired:
            failed = "stopped: the budget was used up"
        said.seek(0)
        complained.seek(0)
        lines = [
            {**case, **json.loads(line)} for line in said if line.startswith("{") and line.endswith("}\n")
        ]
        if failed:
            tail = " ".join(complained.read()[-600:].split())
            print(f"{name} {variant}: {failed}: {tail}", file=sys.stderr, flush=True)
            lines.append({**case, "note": f"{failed}: {tail[-200:]}" if "status" in failed else failed})
    return lines


def table_of(found: list[dict[str, Any]], circumstances: dict[str, str]) -> ResultTable:
    """The cases as a table; the profile of each one's largest micro-batch as notes."""
    table = ResultTable(f"Training on one device: {circumstances['device']}", COLUMNS)

    def gib(size: int | None) -> float | None:
        return None if size is None else size / GIB

    profiles = {(case["shape"], case["variant"]): case for case in found if "profile" in case}
    for (shape, variant), case in profiles.items():
        said = "; ".join(f"{share:.1%} {calls} x `{name}`" for name, share, calls in case["profile"])
        table.notes.append(f"{shape} {variant}, {case['sequences']} sequences, time of a step: {said}")
    for case in found:
        if "profile" in case:
            continue
        mfu = case.get("mfu")
        table.rows.append(
            (case["shape"], case["variant"], case.get("sequences"), case.get("tokens_per_second"),
             None if mfu is None else 100 * mfu, gib(case.get("peak_bytes")), gib(case.get("reserved_bytes")),
             gib(case.get("arithmetic_bytes")), case.get("step_seconds"), case.get("first_step_seconds"),
             case.get("attention"), case.get("note", ""))
        )  # fmt: skip
    table.notes += [f"{name}: {value}" for name, value in circumstances.items()]
    return table


def circumstances_of(device_type: str) -> dict[str, str]:
    """Where and with what this is measured."""
    found = {"torch": torch.__version__, "device": device_type}
    if device_type == "cuda":
        device = torch.device("cuda", 0)
        card, total = _card(device)
        assert total is not None
        found["device"] = f"{torch.cuda.get_device_name(device)}, {total / GIB:.1f} GiB"
        found["CUDA"] = str(torch.version.cuda)
        found["cuDNN"] = str(torch.backends.cudnn.version())
        found["MFU"] = (
            f"PaLM's convention, {card.peak_flops / 1e12:.0f} TFLOP/s: {card.source}"
            if card
            else "none: the card is not in trainer/cards.py"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--shapes", default="1B,7B,110M", help="presets, in the order of worth")
    parser.add_argument("--variants", default=DEFAULT_VARIANTS, help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--budget-seconds", type=float, default=540.0)
    parser.add_argument("--step-tokens", type=int, default=1 << 16, help="a step has at least so many")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    parser.add_argument(
        "--profile", action="store_true", help="what takes the time of the largest micro-batch"
    )
    parser.add_argument("--out", type=Path, help="also write JSON here, after each case")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device == "auto":
        given.device = "cuda" if torch.cuda.is_available() else "cpu"
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    if given.role:
        name, _, variant = given.role.partition("/")
        run_case(name, variant, given)
        return
    given.shapes, given.variants = given.shapes.split(","), given.variants.split(",")
    for wanted, known in ((given.shapes, MODELS), (given.variants, VARIANTS)):
        for one in wanted:
            if one not in known:
                parser.error(f"{one}: not one of {', '.join(known)}")
    circumstances = circumstances_of(given.device)

    def save(found: list[dict[str, Any]]) -> None:
        if given.out is not None:
            given.out.write_text(json.dumps({**circumstances, "cases": found}, indent=1) + "\n", "utf-8")

    table_of(run_all(given, save), circumstances).show(given.json)


if __name__ == "__main__":
    main()
