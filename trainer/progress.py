"""What a training run says as it goes: records of steps in, lines for a person out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TextIO

Record = Mapping[str, object]
Report = Callable[[Record], None]

LAST_STEPS = 20  # that the time left is estimated from; what came before them was another speed


class Progress:
    """Prints records: one line that renews itself on a terminal, else a line for each tenth of the steps."""

    def __init__(self, stream: TextIO, steps: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.stream = stream
        self.steps = steps
        self.every = 1 if stream.isatty() else max(1, steps // 10)
        self._clock = clock
        self._times: deque[tuple[float, int]] = deque(maxlen=LAST_STEPS + 1)  # when, and which step was done

    def __call__(self, record: Record) -> None:
        if "message" in record:
            print(f"train: {record['message']}", file=self.stream, flush=True)
            return
        step = record["step"]
        assert isinstance(step, int)
        self._times.append((self._clock(), step))
        if step % self.every and step != self.steps and "validation" not in record:
            return
        line = (
            f"train: step {step}/{self.steps}  loss {record['loss']:.3f}  "
            f"{record['tokens_per_second']:,.0f} tokens/s  "
        )
        if "mfu" in record:
            line += f"MFU {record['mfu']:.1%}  "
        line += f"{self._left(step)} left"
        validation = record.get("validation")
        if isinstance(validation, dict) and validation:
            line += "  validation " + " ".join(f"{name} {loss:.3f}" for name, loss in validation.items())
        if not self.stream.isatty():
            print(line, file=self.stream, flush=True)
        else:
            end = "\n" if step == self.steps or validation else ""
            print(f"\r\x1b[K{line}", end=end, file=self.stream, flush=True)

    def _left(self, step: int) -> str:
        """The time left at the pace of the last steps, validation and checkpoints among them included."""
        (since, first), (now, last) = self._times[0], self._times[-1]
        if step == self.steps:
            return duration(0)
        return duration((now - since) / (last - first) * (self.steps - step)) if last > first else "?"


def duration(seconds: float) -> str:
    """Seconds as a person says them, with the two largest units: `42 s`, `3 min 05 s`, `2 h 07 min`, `20 d 19 h`."""
    whole = round(seconds)
    for unit, length, below, smaller in (
        ("d", 86_400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // smaller:02d} {below}"
    return f"{whole} s"
