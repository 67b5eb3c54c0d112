"""What the trainer reaches on one device: tokens/s, MFU and peak memory by shape, with and without compilation and
activation checkpointing, at the largest micro-batch that fits and at others.

    PYTHONPATH=. python benchmarks/gpu_training.py --out gpu_training.json          # one GPU, under ten minutes
    PYTHONPATH=. python benchmarks/gpu_training.py --shapes 7B --variants compiled --profile
    PYTHONPATH=. python benchmarks/gpu_training.py --device cpu --shapes toy --variants eager --budget-seconds 60

Each measurement is a process of `training_case.py`, which says what a step is. A case, which is a shape and a variant,
begins at the largest micro-batch that fits by `trainer/cost.py`; while memory is too small it goes down, until one is
measured; larger ones, and then smaller ones, follow while its share of the time lasts. MFU is by PaLM's convention
against the dense bfloat16 peak of `trainer/cards.py`. Beside the peak of the allocator stands what `trainer/cost.py`
says. Works with torch 2.11 and newer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch
from result_table import ResultTable
from training_case import VARIANTS, card_and_memory

from trainer.cards import GIB, Checkpointing
from trainer.cost import Memory, Workload, memory
from trainer.layout import Layout
from trainer.presets import MODELS, ModelConfig

ROOT = Path(__file__).resolve().parents[1]
CASE = Path(__file__).with_name("training_case.py")

# In the order of worth. Of the large shape few: 9 cases in 540 s have about 25 s, 40 s and 110 s by shape.
DEFAULT_VARIANTS = {
    "1B": ("compiled", "eager", "compiled+selective", "compiled+full"),
    "7B": ("compiled+selective", "compiled", "eager"),
    "110M": ("compiled", "eager"),
}
OTHER_VARIANTS = ("compiled", "eager")  # of the shapes that are not in the default run
MICRO_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
MAX_MICRO_BATCH_TOKENS = 1 << 17
# Of a model that takes as long in its steps as any takes to start, build and compile, when time is shared out.
EVEN_PARAMETERS = 2e9
HANGING_SECONDS = 150.0  # a process gets its case's share, and at least so long if there is as much
END_SECONDS = 5.0  # to stop a process and write the table

Row = dict[str, Any]
COLUMNS = ("shape", "variant", "sequences", "tokens/s", "MFU %", "peak GiB", "reserved GiB", "by trainer/cost.py GiB",
           "step s", "first step s", "attention", "note")  # fmt: skip


def sizes_to_try(
    shape: ModelConfig, checkpointing: Checkpointing, memory_bytes: int | None
) -> tuple[list[int], int]:
    """The micro-batches of a case, and the largest of them that fits by arithmetic; on a CPU the first two."""
    most = max(1, MAX_MICRO_BATCH_TOKENS // shape.context)
    sizes = [size for size in MICRO_BATCHES if size <= most]
    if memory_bytes is None:
        return sizes[:2], sizes[0]
    fitting = [size for size in sizes if counted(shape, size, checkpointing, "cuda").total <= memory_bytes]
    return sizes, max(fitting, default=sizes[0])


def counted(shape: ModelConfig, size: int, checkpointing: Checkpointing, device: str) -> Memory:
    """What `trainer/cost.py` says of a micro-batch of `size` sequences."""
    compute = 2 if device == "cuda" else 4
    return memory(Workload(shape, shape.context, size, Layout(), checkpointing, compute), device)


def sweep(
    sizes: Sequence[int], first: int, measure: Callable[[int], Row], time_left: Callable[[], bool]
) -> Iterator[Row]:
    """The rows of a case: from `first` down until one is measured, then larger ones up to what does not fit, then
    smaller ones; only while `time_left` once there is one."""
    at = sizes.index(first)
    yield (row := measure(first))
    while row.get("out_of_memory") and at:
        at -= 1
        yield (row := measure(sizes[at]))
    if not measured(row):
        return
    for size in sizes[at + 1 :] if sizes[at] == first else ():
        if not time_left():
            return
        yield (row := measure(size))
        if not measured(row):
            break
    for size in reversed(sizes[:at]):
        if not time_left():
            return
        yield measure(size)


def measured(row: Row) -> bool:
    return "tokens_per_second" in row


def cases_of(shapes: Sequence[str], variants: Sequence[str] | None) -> list[tuple[str, str]]:
    """Shape and variant of each case, the first variant of every shape first."""
    asked = [
        [(shape, v) for v in variants or DEFAULT_VARIANTS.get(shape, OTHER_VARIANTS)] for shape in shapes
    ]
    return [case for case in chain.from_iterable(zip_longest(*asked)) if case is not None]


def run_all(
    cases: Sequence[tuple[str, str]], given: argparse.Namespace, save: Callable[[list[Row]], None]
) -> list[Row]:
    """Every case, the time that is left shared among those that are to come; `save` after each measurement."""
    ends = time.monotonic() + given.budget_seconds
    weights = [1 + MODELS[name].parameters / EVEN_PARAMETERS for name, _ in cases]
    rows: list[Row] = []
    for number, (name, variant) in enumerate(cases):
        share = max(0.0, ends - time.monotonic()) * weights[number] / sum(weights[number:])
        print(f"{name} {variant}: about {share:.0f} s", file=sys.stderr, flush=True)
        for row in run_case(name, variant, given, share, ends):
            rows.append(row)
            save(rows)
    return rows


def run_case(name: str, variant: str, given: argparse.Namespace, share: float, ends: float) -> Iterator[Row]:
    """The measurements of a case, for about `share` seconds and in no case beyond `ends`."""
    shape, checkpointing = MODELS[name], VARIANTS[variant][1]
    share_ends, last = time.monotonic() + share, 0.0

    def measure(size: int) -> Row:
        nonlocal last
        began = time.monotonic()
        row = run_process(name, variant, size, given, share, ends - began)
        last = time.monotonic() - began
        needed = counted(shape, size, checkpointing, given.device)
        return {**row, "counted_bytes": needed.total - needed.reserve}

    def time_left() -> bool:
        return time.monotonic() + last < share_ends  # another size takes about as long

    total = card_and_memory(torch.device(given.device))[1]
    yield from sweep(*sizes_to_try(shape, checkpointing, total), measure, time_left)


def run_process(
    name: str, variant: str, size: int, given: argparse.Namespace, share: float, left: float
) -> Row:
    """One measurement. One that fails, hangs or has no time has a note that says so, beside what it measured."""
    row: Row = {"shape": name, "variant": variant, "sequences": size}
    if left < 2 * END_SECONDS:
        return {**row, "note": "not run: the budget was used up"}
    command = [sys.executable, str(CASE), "--shape", name, "--variant", variant, "--sequences", str(size)]
    command += ["--device", given.device, "--step-tokens", str(given.step_tokens)]
    command += ["--threads", str(given.threads), *(["--profile"] if given.profile else [])]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    # One process needs no network, and a machine without one may offer nothing else.
    environment |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    limit = min(left - END_SECONDS, max(HANGING_SECONDS, share))
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        try:
            ended = subprocess.run(command, stdout=said, stderr=complained, timeout=limit, env=environment)
            failed = f"ended with status {ended.returncode}" if ended.returncode else ""
        except subprocess.TimeoutExpired:
            failed = f"stopped after {limit:.0f} s"
        said.seek(0)
        complained.seek(0)
        for line in said:
            if line.startswith("{") and line.endswith("}\n"):
                row |= json.loads(line)
        if failed:
            tail = " ".join(complained.read()[-600:].split())
            print(f"{name} {variant} {size}: {failed}: {tail}", file=sys.stderr, flush=True)
            row["note"] = f"{failed}: {tail[-200:]}" if "status" in failed else failed
    if row.get("out_of_memory"):
        row["note"] = "out of memory"
    return row


def table_of(rows: Sequence[Row], circumstances: Mapping[str, str]) -> ResultTable:
    """The measurements as a table; their profiles as notes."""
    table = ResultTable(f"Training on one device: {circumstances['device']}", COLUMNS)

    def gib(size: int | None) -> float | None:
        return None if size is None else size / GIB

    for row in rows:
        name = f"{row['shape']} {row['variant']}, {row['sequences']} sequences"
        if "profile" in row:
            said = "; ".join(f"{share:.1%} {calls} x `{kernel}`" for kernel, share, calls in row["profile"])
            table.notes.append(f"{name}, time of a step: {said}")
        mfu, retries = row.get("mfu"), row.get("allocator_retries")
        note = row.get("note") or (f"memory was full {retries} times" if retries else "")
        table.rows.append(
            (row["shape"], row["variant"], row["sequences"], row.get("tokens_per_second"),
             None if mfu is None else 100 * mfu, gib(row.get("peak_bytes")), gib(row.get("reserved_bytes")),
             gib(row.get("counted_bytes")), row.get("step_seconds"), row.get("first_step_seconds"),
             row.get("attention"), note)
        )  # fmt: skip
    table.notes += [f"{name}: {value}" for name, value in circumstances.items()]
    return table


def circumstances_of(device_type: str) -> dict[str, str]:
    """Where and with what this is measured."""
    found = {"torch": torch.__version__, "device": device_type}
    if device_type == "cuda":
        device = torch.device("cuda", 0)
        card, total = card_and_memory(device)
        assert total is not None
        found["device"] = f"{torch.cuda.get_device_name(device)}, {total / GIB:.1f} GiB"
        found["CUDA"] = str(torch.version.cuda)
        found["cuDNN"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        found["MFU"] = (
            f"PaLM's convention, {card.peak_flops / 1e12:.0f} TFLOP/s: {card.source}"
            if card
            else "none: the card is not in trainer/cards.py"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--shapes", default=",".join(DEFAULT_VARIANTS), help="presets, in the order of worth")
    parser.add_argument("--variants", help=f"of {', '.join(VARIANTS)}; without it some for each shape")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--budget-seconds", type=float, default=540.0)
    parser.add_argument("--step-tokens", type=int, default=1 << 16, help="a step has at least so many")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    parser.add_argument("--profile", action="store_true", help="also what takes the time of a step")
    parser.add_argument("--out", type=Path, help="also write JSON here, after each measurement")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.device == "auto":
        given.device = "cuda" if torch.cuda.is_available() else "cpu"
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    shapes, variants = given.shapes.split(","), given.variants.split(",") if given.variants else None
    for wanted, known in ((shapes, MODELS), (variants or (), VARIANTS)):
        for one in wanted:
            if one not in known:
                parser.error(f"{one}: not one of {', '.join(known)}")
    circumstances = circumstances_of(given.device)

    def save(rows: list[Row]) -> None:
        if given.out is not None:
            given.out.write_text(json.dumps({**circumstances, "cases": rows}, indent=1) + "\n", "utf-8")

    table_of(run_all(cases_of(shapes, variants), given, save), circumstances).show(given.json)


if __name__ == "__main__":
    main()
