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
from pipeline.settings import UsageError
from pipeline.tasks import Task

STATUS = "work/status.json"
LOCK = ".lock"


class StatusFile:
    """Keeps `work/status.json`: for each node its tasks done and in all (None: not known yet), in the order given, and
    the step that alone was asked for."""

    def __init__(self, run: str, nodes: Sequence[str], only: str | None = None) -> None:
        self._path, self._only = files.join(run, STATUS), only
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
        files.write_json(self._path, {"only": self._only, "nodes": self._nodes}, sort_keys=False)


def _read(path: str) -> dict[str, Any]:
    """What a `StatusFile` wrote; ValueError when the file holds anything else."""
    found = files.read_json(path)
    nodes = found.get("nodes") if isinstance(found, dict) else None
    if not isinstance(nodes, dict) or not all(map(_is_count, nodes.values())):
        raise ValueError(f"{path}: not the status of a run; the same command as before writes it anew")
    return {"only": found.get("only"), "nodes": nodes}


def _is_count(found: object) -> bool:
    match found:
        case [int(), int() | None]:
            return True
    return False


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
    whole = files.exists(files.join(folder, MANIFEST))
    found: dict[str, Any] = {"only": None, "nodes": {}}  # work/ of a finished run may be deleted
    if files.exists(path):
        found = _read(path)
    elif not whole:
        raise UsageError(
            f"{folder} is no run (no {STATUS} in it); start one with: llama-corpus run CONFIG --out {folder}"
        )
    only, nodes = found["only"], found["nodes"]
    unfinished = [name for name, (done, total) in nodes.items() if total is None or done < total]
    running = _is_running(folder)
    finished = not unfinished and (whole or (only is not None and not running))
    state = "finished" if finished else "running" if running else "stopped"
    if as_json:
        print(json.dumps({"state": state, **found}))
        return
    width = max(map(len, nodes), default=0)
    for name, (done, total) in nodes.items():
        print(
            f"{name:{width}}  {done if total is not None else '-':>6} / {total if total is not None else '?'}"
        )
    if state == "stopped":
        print("stopped; the same command continues from here")
    elif finished and not whole:
        print(f"finished --only {only}; the same command without it goes on from here")
    else:
        print(state)
