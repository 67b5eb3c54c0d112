"""`status`: how far a run is, from the file that it keeps beside its work; works from another shell while it runs."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from typing import Any

import click

from pipeline import files
from pipeline.manifest import MANIFEST
from pipeline.tasks import Task

STATUS = "work/status.json"
LOCK = ".lock"


class StatusFile:
    """Keeps `work/status.json`: for each node its tasks done and in all (None: not known yet)."""

    def __init__(self, run: str, nodes: Sequence[str]) -> None:
        self._path = files.join(run, STATUS)
        self._nodes: dict[str, list[int | None]] = {name: [0, None] for name in nodes}
        self._write()

    def begin(self, node: str, made: Sequence[Task], open_tasks: Sequence[Task]) -> None:
        self._nodes[node] = [len(made) - len(open_tasks), len(made)]
        self._write()

    def advance(self, marker: str) -> None:
        """Counts the task whose marker was written."""
        node = os.path.dirname(marker).removeprefix("work/")
        done, total = self._nodes[node]
        assert done is not None and total is not None
        self._nodes[node] = [min(done + 1, total), total]  # a runner may run a task twice
        self._write()

    def finish(self, node: str, tasks: int) -> None:
        """All of a node's tasks are done, wherever they ran."""
        self._nodes[node] = [tasks, tasks]
        self._write()

    def _write(self) -> None:
        files.write_json(self._path, {"nodes": self._nodes})


def _is_running(run: str) -> bool:
    """Whether a process holds the run's folder."""
    path = os.path.join(run, LOCK)
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status(folder: str, as_json: bool) -> None:
    """Show how far RUN is."""
    path = files.join(folder, STATUS)
    if not files.exists(path):
        raise ValueError(
            f"{folder} is no run (no {STATUS} in it); start one with: llama-corpus run CONFIG --out {folder}"
        )
    found: dict[str, Any] = files.read_json(path)
    unfinished = [n for n, (done, total) in found["nodes"].items() if total is None or done < total]
    finished = files.exists(files.join(folder, MANIFEST)) and not unfinished
    state = "finished" if finished else "running" if _is_running(folder) else "stopped"
    if as_json:
        print(json.dumps({"state": state, **found}, sort_keys=True))
        return
    width = max(len(name) for name in found["nodes"])
    for name, (done, total) in found["nodes"].items():
        print(
            f"{name:{width}}  {done if total is not None else '-':>6} / {total if total is not None else '?'}"
        )
    print(f"{state}" + ("" if state != "stopped" else "; the same command continues from here"))
