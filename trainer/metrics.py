"""The record of a training: one mapping a step in; RUN/train/metrics.jsonl out, and TensorBoard and W&B when asked for.

    {"step": 7, "loss": 5.1, "source_loss": {"books": 5.3}, "tokens_per_second": 1234.5, "mfu": 0.45, ...}

The JSON lines are always written and are what the report reads. TensorBoard and Weights & Biases get the same numbers,
those of a mapping as `source_loss/books`. `Meter` measures tokens/s and MFU. One process of a training writes.
"""

from __future__ import annotations

import importlib
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from trainer.cards import Card
from trainer.progress import Record

FILE = "metrics.jsonl"
_WANDB_ID = "wandb_id"  # in RUN/train: which run of W&B a continued training goes on with
_SIGNIFICANT = 6  # digits of MFU


class Meter:
    """Tokens a second and MFU between two readings, on the wall's clock, without what `paused` surrounds.

    MFU is the part of the cards' dense bfloat16 peak that the model's operations take, by the convention of PaLM
    (Chowdhery et al. 2022, arXiv 2204.02311, appendix B; `ModelConfig.flops_per_token`): recomputed activations do
    not count. Without a card, as on a CPU, there is none.
    """

    def __init__(
        self,
        flops_per_token: int,
        devices: int,
        card: Card | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.flops_per_token, self.devices, self.card = flops_per_token, devices, card
        self._clock, self._left_out = clock, 0.0
        self._since = clock()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Surrounds what is no training: validation, the wait for a checkpoint."""
        began = self._clock()
        try:
            yield
        finally:
            self._left_out += self._clock() - began

    def read(self, tokens: int) -> dict[str, float]:
        """The columns of a record for `tokens` tokens, of all devices, since the last reading."""
        now = self._clock()
        seconds = now - self._since - self._left_out
        self._since, self._left_out = now, 0.0
        rate = tokens / max(seconds, 1e-9)
        read = {"tokens_per_second": round(rate, 1)}
        if self.card is not None:
            peak = self.card.peak_flops * self.devices
            read["mfu"] = float(f"{rate * self.flops_per_token / peak:.{_SIGNIFICANT}g}")
        return read

    def convention(self) -> str:
        """What `mfu` means here, for a person."""
        if self.card is None:
            return "no MFU: the peak of this device is not in trainer/cards.py"
        peak = f"{self.card.peak_flops / 1e12:,.0f} TFLOP/s of {self.card.name}"
        return f"MFU by PaLM's convention against {peak}"


class Metrics:
    """Where records go; made by `open_metrics`."""

    def __init__(self, lines: TextIO, others: list[Callable[[int, Mapping[str, float]], None]]) -> None:
        self._lines, self._others = lines, others

    def write(self, record: Record) -> None:
        """A record, which has a `step`; it is in the file when this returns."""
        self._lines.write(json.dumps(record) + "\n")
        self._lines.flush()
        step = record["step"]
        assert isinstance(step, int), "a record has a step"
        numbers = {name: number for name, number in flattened(record) if name != "step"}
        for other in self._others:
            other(step, numbers)


def flattened(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a record; those of a mapping in it by `name/key`. Text and truth values are left out."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + name, float(value)


@contextmanager
def open_metrics(
    folder: Path,
    step: int,
    tensorboard: bool = False,
    wandb: str = "",
    config: Mapping[str, object] | None = None,
) -> Iterator[Metrics]:
    """The metrics of the training in `folder` (RUN/train), which goes on after `step`: later records are cut off.

    `wandb` is a project of Weights & Biases, which also gets `config`. ValueError when a package that is asked for is
    not installed, and when the file is damaged before its last line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        others = []
        if tensorboard:
            others.append(stack.enter_context(_tensorboard(folder / "tensorboard", step)))
        if wandb:
            others.append(stack.enter_context(_wandb(folder, step, wandb, config or {})))
        cut_back(folder / FILE, step)
        lines = stack.enter_context(open(folder / FILE, "a", encoding="utf-8"))
        yield Metrics(lines, others)


def cut_back(path: Path, step: int) -> None:
    """Leaves the records up to `step` in a metrics file, without the line that a killed run has left unfinished."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8") as kept:
        if step and path.is_file():
            with open(path, encoding="utf-8") as lines:
                kept.writelines(itertools.takewhile(lambda line: _step_of(line, path) <= step, lines))
    os.replace(temporary, path)


def left_out_steps(path: Path) -> dict[int, str]:
    """The steps of a metrics file whose update was left out for a spike, each with the reason; none without a file.

    ValueError when the file is damaged before its last line.
    """
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8") as lines:
        records = [
            json.loads(line) for line in lines if '"left_out"' in line and _step_of(line, path) < math.inf
        ]
    return {record["step"]: str(record["left_out"]) for record in records if "left_out" in record}


def _step_of(line: str, path: Path) -> float:
    """The step of a line of the metrics; infinity when the line was cut off while it was written."""
    if not line.endswith("\n"):
        return math.inf
    try:
        step = json.loads(line)["step"]
        if not isinstance(step, int):
            raise ValueError("its step is no number")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: damaged line {line[:80]!r}: delete that line, or the file") from error
    return step


@contextmanager
def _tensorboard(folder: Path, step: int) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise _not_installed("tensorboard", "false", error) from error
    # Events of steps that are made again are hidden.
    writer = module.SummaryWriter(str(folder), purge_step=step + 1)

    def write(number: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, number)

    try:
        yield write
    finally:
        writer.close()


@contextmanager
def _wandb(
    folder: Path, step: int, project: str, config: Mapping[str, object]
) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    try:
        module = importlib.import_module("wandb")
    except ImportError as error:
        raise _not_installed("wandb", "''", error) from error
    path = folder / _WANDB_ID
    known = path.read_text("utf-8").strip() if step and path.is_file() else None
    # A continued run keeps its curve; W&B itself drops steps that it has already seen.
    run = module.init(project=project, dir=str(folder), config=dict(config), id=known, resume="allow")
    path.write_text(f"{run.id}\n", "utf-8")
    failed = True

    def write(number: int, numbers: Mapping[str, float]) -> None:
        run.log(dict(numbers), step=number)

    try:
        yield write
        failed = False
    finally:
        run.finish(exit_code=int(failed))


def _not_installed(name: str, off: str, error: ImportError) -> ValueError:
    return ValueError(
        f"train.{name}: it is asked for and not installed ({error}): pip install {name}, or set it to {off}"
    )
