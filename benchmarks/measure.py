"""What a command costs: CPU seconds and peak memory of a process and of everything that it starts.

A command runs under a small launcher of its own (this file as a script). The launcher adopts orphans (Linux's child
subreaper), so that servers and workers which outlive their parent are counted too, and it imports next to nothing, so
that its own memory is not taken for the command's.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
SHOWN_CHARACTERS = 2_000  # of the output of a command that failed


@dataclass(frozen=True)
class Cost:
    """User and system CPU seconds of all processes; seconds until the command itself ended; the resident bytes of the
    largest process at its peak; what the command wrote to stdout."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    output: str


def cost_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end. ValueError with the end of its output when it fails."""
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as folder:
        report = Path(folder, "cost.json")
        ended = subprocess.run(
            [sys.executable, "-S", __file__, str(report), *command],
            capture_output=True,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        if ended.returncode:
            said = f"{ended.stdout}\n{ended.stderr}".strip()[-SHOWN_CHARACTERS:]
            raise ValueError(f"{' '.join(command)} failed with status {ended.returncode}:\n{said}")
        found = json.loads(report.read_text())
    return Cost(found["cpu_seconds"], found["wall_seconds"], found["peak_bytes"], ended.stdout)


def _launch(report: str, command: list[str]) -> int:
    """Runs the command, reaps everything that comes of it, and writes the account; returns the command's status."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel has no child subreaper")
    started = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    status, cpu_seconds, wall_seconds, peak_bytes = 1, 0.0, 0.0, 0
    while True:
        try:
            pid, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_seconds += (
            usage.ru_utime + usage.ru_stime
        )  # with the descendants that the process itself waited for
        peak_bytes = max(peak_bytes, usage.ru_maxrss * 1024)
        if pid == child:
            status, wall_seconds = os.waitstatus_to_exitcode(ended), time.monotonic() - started
    account = {"cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds, "peak_bytes": peak_bytes}
    Path(report).write_text(json.dumps(account))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(_launch(sys.argv[1], sys.argv[2:]))
