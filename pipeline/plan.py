"""What a plan is made of: nodes, what each waits for, and the tasks of each.

A node is a group of tasks of one kind (the passes over a source's parts, a duplicate search, a model). Its tasks are
made when everything that it waits for is done, because they name the checksums of what they read. The tasks of all
nodes that are ready run together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import tasks
from pipeline.tasks import Task


@dataclass(frozen=True)
class Node:
    """`make` is called when all nodes of `after` are done. `owns` is a folder of the run in which nothing may lie but
    what this node writes, as a step would load whatever is there."""

    name: str
    after: tuple[str, ...]
    make: Callable[[], list[Task]]
    owns: str = ""


class Done:
    """The markers of the nodes that are done, in the order of their tasks."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.markers: dict[str, list[dict[str, Any]]] = {}

    def record(self, node: Node, made: Sequence[Task]) -> None:
        """Takes in the markers of a node's tasks.

        Raises ValueError when a task was run by other code than this (a worker's image that is not this version).
        """
        self.markers[node.name] = []
        for task in made:
            marker = tasks.marker_of(self.run, task)
            if marker is None or marker["key"] != task.key():
                raise ValueError(
                    f"{task.step} {task.name}: was run by another version of the code, or not at all; "
                    "install on the workers what is installed here"
                )
            self.markers[node.name].append(marker)

    def statistics(self, node: str) -> list[dict[str, Any]]:
        return [marker["statistics"] for marker in self.markers[node]]

    def outputs(self, node: str, folder: str = "") -> list[dict[str, str]]:
        """For each task of a node: path -> SHA-256 of what it wrote under `folder`."""
        return [
            {path: w["sha256"] for path, w in marker["outputs"].items() if path.startswith(folder)}
            for marker in self.markers[node]
        ]

    def models(self, path: str) -> dict[str, str]:
        """path -> SHA-256 of the model files under a path, whichever node wrote them; none for the empty path."""
        if not path:
            return {}
        return {p: sha for node in self.markers for p, sha in self.all_outputs(node, path).items()}

    def everything(self) -> set[str]:
        """Paths of all that the nodes that are done have written."""
        return {path for node in self.markers for path in self.all_outputs(node)}

    def all_outputs(self, node: str, folder: str = "") -> dict[str, str]:
        return {path: sha for outputs in self.outputs(node, folder) for path, sha in outputs.items()}


def documents_folder(source: str) -> str:
    return f"documents/{source}"
