"""What a training run says as it goes: records of steps in, lines for a person out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TextIO

Record = Mapping[str, object]
Report = Callable[[Record], None]


class Progress:
    """Prints records: one line that renews itself on a terminal, else a line for each tenth of the steps."""

    def __init__(self, stream: TextIO, steps: int) -> None:
        self.stream = stream
        self.steps = steps
        self.every = 1 if stream.isatty() else max(1, steps // 10)
        self.began: tuple[float, int] | None = None  # time and step of the first record, for the time left

    def __call__(self, record: Record) -> None:
        if "message" in record:
            print(f"train: {record['message']}", file=self.stream, flush=True)
            return
        step = record["step"]
        assert isinstance(step, int)
        now = time.perf_counter()
        self.began = self.began or (now, step)
        if step % self.every and step != self.steps and "validation" not in record:
            return
        since, first = self.began
        left = (now - since) / max(1, step - first) * (self.steps - step)
        line = (
            f"train: step {step}/{self.steps}  loss {record['loss']:.3f}  "
            f"{record['tokens_per_second']:,.0f} tokens/s  {left:.0f} s left"
        )
        validation = record.get("validation")
        if isinstance(validation, dict) and validation:
            line += "  validation " + " ".join(f"{name} {loss:.3f}" for name, loss in validation.items())
        if not self.stream.isatty():
            print(line, file=self.stream, flush=True)
        else:
            end = "\n" if step == self.steps or validation else ""
            print(f"\r\x1b[K{line}", end=end, file=self.stream, flush=True)
