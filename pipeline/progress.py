"""Progress of a run: one line on stderr with what is done, the rate, the time left and the memory.

On a terminal the line is rewritten in place; elsewhere a plain line is written at most every few seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TextIO

import psutil

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_REDRAWS = 0.1


class Progress:
    """`begin` a group of tasks, `advance` as each ends, `finish` the line."""

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._title, self._total, self._done = "", 0, 0
        self._started = self._shown = 0.0

    def begin(self, nodes: Sequence[str], total: int) -> None:
        self._title = nodes[0] if len(nodes) == 1 else f"{nodes[0]} and {len(nodes) - 1} more"
        self._total, self._done = total, 0
        self._started = time.monotonic()
        self._shown = self._started
        if self._terminal:
            self._draw()

    def advance(self) -> None:
        self._done += 1
        wait = SECONDS_BETWEEN_REDRAWS if self._terminal else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._shown >= wait:
            self._draw()

    def finish(self) -> None:
        self._draw(last=True)

    def say(self, line: str) -> None:
        """A line of its own, for what the user should know."""
        if not self._quiet:
            print(("\r\x1b[2K" if self._terminal else "") + line, file=self._stream, flush=True)

    def _draw(self, last: bool = False) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        seconds = max(now - self._started, 1e-6)
        rate = self._done / seconds
        left = "" if last or not self._done else f" · {_clock((self._total - self._done) / rate)} left"
        line = (
            f"{self._title}: {self._done}/{self._total} · {_clock(seconds)} · {rate:.1f} parts/s{left}"
            f" · {_memory_gb():.1f} GB"
        )
        if self._terminal:
            print(f"\r\x1b[2K{line}", end="\n" if last else "", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)
        self._shown = now


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _memory_gb() -> float:
    """Resident memory of this process and its workers, in GB; shared pages are counted once for each."""
    me = psutil.Process(os.getpid())
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e9
