"""Runs a function in several processes over gloo, as torchrun would, and never leaves one of them behind.

    results = run_in_processes(checks, 2, folder)        # one JSON value a process, in their order

The function is a module-level one of a test module; it is called as function(folder) in each process with the
environment of torchrun, and returns what JSON can hold. The meeting place of the processes is kept by the test,
so that no port has to be guessed.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

ROOT = Path(__file__).resolve().parents[2]
GRACE = 10.0  # seconds that the others have to notice that one of them has died


class ProcessesFailedError(AssertionError):
    """At least one process has failed; `codes` are the exit codes, None for one that had to be killed."""

    def __init__(self, codes: list[int | None], errors: list[str]) -> None:
        self.codes, self.errors = codes, errors
        texts = [
            f"--- process {rank}: exit {codes[rank]}\n{text[-3000:]}" for rank, text in enumerate(errors)
        ]
        super().__init__("\n".join(texts))


def run_in_processes(
    function: Callable[[Path], object], count: int, folder: Path, timeout: float = 150.0
) -> list[object]:
    """What `function` returned in each of `count` processes; ProcessesFailedError when one did not return.

    All of them have ended when this returns or raises.
    """
    exchange = folder / f"{function.__name__}-{count}"
    exchange.mkdir(parents=True)
    store = dist.TCPStore(  # type: ignore[attr-defined]  # exported when torch is built with distributed
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )
    environment = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store stands; process 0 is not to open one
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    arguments = [sys.executable, "-W", "ignore", "-m", __name__, function.__module__, function.__name__]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(count):
            with open(exchange / f"{rank}.err", "wb") as errors:
                processes.append(
                    subprocess.Popen(
                        [*arguments, str(folder), str(exchange / f"{rank}.json")],
                        env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                        cwd=ROOT,
                        stdout=errors,
                        stderr=errors,
                    )
                )
        codes = _wait(processes, timeout)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    if codes != [0] * count:
        raise ProcessesFailedError(
            codes, [(exchange / f"{rank}.err").read_text("utf-8", "replace") for rank in range(count)]
        )
    return [json.loads((exchange / f"{rank}.json").read_text()) for rank in range(count)]


def _wait(processes: list[subprocess.Popen[bytes]], timeout: float) -> list[int | None]:
    """The exit codes, once all have ended, or the time is over, or one has failed and the others had their grace."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        codes = [process.poll() for process in processes]
        if None not in codes:
            break
        if any(codes):
            end = min(end, time.monotonic() + GRACE)
        time.sleep(0.02)
    return [process.poll() for process in processes]


def _main(module: str, name: str, folder: str, out: str) -> None:
    torch.set_num_threads(1)
    result = getattr(importlib.import_module(module), name)(Path(folder))
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    _main(*sys.argv[1:])
