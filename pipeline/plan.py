"""The plan of a run: its nodes, what each waits for, and the tasks of each.

A node is a group of tasks of one kind (the passes over a source's parts, a duplicate search, a model). Its tasks are
made when everything that it waits for is done, because they name the checksums of what they read. The tasks of all
nodes that are ready run together.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import files, tasks
from pipeline.curate import NamedStage, Pass, RawInput, curate_part
from pipeline.duplicates import (
    BUCKETS,
    DropDuplicateLines,
    DropFiles,
    DropNearDuplicateBooks,
    DuplicateStep,
    SearchBooks,
    SearchBuckets,
    search_books,
    search_buckets,
)
from pipeline.inputs import Input
from pipeline.model_files import MODELS_NODE, model_path, with_model_path
from pipeline.recipes import SourceRecipe, Step
from pipeline.settings import UsageError
from pipeline.tasks import Task
from pipeline.train_models import TrainPerplexity, TrainReferences
from stages.sources.github import Github
from stages.stage import Reader

# A search task reads about this many bytes of keys at once; the verdict does not depend on it.
KEY_BYTES_PER_SEARCH = 256 << 20

GITHUB_COMPANIONS = re.compile(r"(^|/)(files|licenses)-[^/]*\.parquet$")


@dataclass(frozen=True)
class Node:
    """`make` is called when all nodes of `after` are done."""

    name: str
    after: tuple[str, ...]
    make: Callable[[], list[Task]]


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

    def all_outputs(self, node: str, folder: str = "") -> dict[str, str]:
        return {path: sha for outputs in self.outputs(node, folder) for path, sha in outputs.items()}


@dataclass(frozen=True)
class SourcePlan:
    """The nodes of one source, the name of the node that writes its final parts, and the names of its passes."""

    nodes: tuple[Node, ...]
    passes: tuple[str, ...]

    @property
    def final(self) -> str:
        return self.passes[-1]


def part_name(number: int, count: int) -> str:
    return f"part-{number:05d}-of-{count:05d}"


def documents_folder(source: str) -> str:
    return f"documents/{source}"


class _SourcePlanner:
    """Cuts the steps of a source into passes at the steps that need all documents at once."""

    def __init__(
        self,
        source: str,
        recipe: SourceRecipe,
        inputs: Sequence[Input],
        removed_characters: int | None,
        done: Done,
    ) -> None:
        self._source, self._recipe, self._done = source, recipe, done
        self._removed_characters = removed_characters
        companions = [i for i in inputs if source == "github" and GITHUB_COMPANIONS.search(i.name)]
        self._companions = {i.name: i.checksum for i in companions}
        self._companion_paths = tuple(i.path for i in companions)
        self._inputs = [i for i in inputs if i not in companions]
        self._count = len(self._inputs)
        if not self._inputs:
            raise UsageError(
                f"sources.{source}.inputs: {companions[0].name} is only read beside contents-*.parquet; name that too"
            )
        self.nodes: list[Node] = []
        self.passes: list[str] = []

    def plan(self, train_nodes: Callable[[str, Step, str], list[Node]]) -> SourcePlan:
        """`train_nodes(name, step, pages)` gives the nodes of a training step that reads the parts of node `pages`;
        the last of them is what the next pass waits for."""
        pending: list[tuple[str, Step]] = []
        drop: tuple[str, DuplicateStep] | None = None
        after: tuple[str, ...] = (MODELS_NODE,)
        for name, step in self._recipe.named():
            if isinstance(step, DuplicateStep):
                read = self._add_pass(pending, drop, after, keys=(name, step), final=False)
                search = self._add_search(name, step, read)
                pending, drop, after = [], (name, step), (search,)
            elif isinstance(step, TrainPerplexity | TrainReferences):
                if pending or drop or not self.passes:
                    self._add_pass(pending, drop, after, keys=None, final=False)
                    pending, drop, after = [], None, (self.passes[-1],)
                nodes = train_nodes(name, step, self.passes[-1])
                self.nodes.extend(nodes)
                after = (*after, nodes[-1].name)
            else:
                pending.append((name, step))
        self._add_pass(pending, drop, after, keys=None, final=True)
        return SourcePlan(tuple(self.nodes), tuple(self.passes))

    def _add_pass(
        self,
        stages: Sequence[tuple[str, Step]],
        drop: tuple[str, Any] | None,
        after: tuple[str, ...],
        keys: tuple[str, Any] | None,
        final: bool,
    ) -> str:
        first = "read" if not self.passes else drop[0] if drop else stages[0][0]
        name = f"{self._source}/{first}"
        folder = documents_folder(self._source) if final else f"work/{name}"
        before = self.passes[-1] if self.passes else None
        wait = after if before is None else (before, *after)

        def make() -> list[Task]:
            models: dict[str, str] = {}
            named = []
            for stage_name, stage in stages:
                model = self._done.models(model_path(stage))
                models.update(model)
                named.append(NamedStage(stage_name, with_model_path(stage), tuple(model.values())))
            parts = self._done.outputs(before, f"work/{before}/") if before is not None else []
            drops = self._drops(*drop) if drop else []
            made = []
            for number in range(self._count):
                reads = dict(models)
                given = self._raw(number, reads) if before is None else next(iter(parts[number]))
                if before is not None:
                    reads.update(parts[number])
                verdicts = None
                if drops:
                    verdicts, written = drops[number]
                    reads.update(written)
                part = part_name(number, self._count)
                work = Pass(
                    source=self._source,
                    folder=folder,
                    part=part,
                    given=given,
                    stages=tuple(named),
                    drops=verdicts,
                    drop_step=drop[0] if drop else "",
                    keys=keys[1] if keys else None,
                    keys_path=f"work/{self._source}/{keys[0]}/keys/{part}.bin" if keys else "",
                    removed_characters=self._removed_characters,
                )
                made.append(Task(name, part, curate_part, work, reads))
            return made

        self.nodes.append(Node(name, tuple(dict.fromkeys(wait)), make))
        self.passes.append(name)
        return name

    def _raw(self, number: int, reads: dict[str, str]) -> RawInput:
        source_input = self._inputs[number]
        reads[source_input.name] = source_input.checksum
        reads.update(self._companions)
        return RawInput(source_input.path, source_input.name, self._reader(source_input))

    def _reader(self, source_input: Input) -> Reader:
        """The source's reader; a table of file contents gets the tables that lie beside it."""
        reader = self._recipe.reader
        if not isinstance(reader, Github) or not self._companion_paths:
            return reader
        folder = os.path.dirname(source_input.path)
        beside = [p for p in self._companion_paths if os.path.dirname(p) == folder]
        return dataclasses.replace(
            reader,
            open_file=files.open_binary,
            files=tuple(p for p in beside if os.path.basename(p).startswith("files-")),
            licenses=tuple(p for p in beside if os.path.basename(p).startswith("licenses-")),
        )

    def _windows(self, rule: Any) -> list[range]:
        size = rule.window_files if isinstance(rule, DropDuplicateLines) else self._count
        return [range(at, min(at + size, self._count)) for at in range(0, self._count, size)]

    def _add_search(self, name: str, rule: Any, read: str) -> str:
        node = f"{self._source}/{name}/search"

        def make() -> list[Task]:
            outputs = self._done.outputs(read, f"work/{self._source}/{name}/keys/")
            made = []
            for number, window in enumerate(self._windows(rule)):
                keys = {path: sha for part in window for path, sha in outputs[part].items()}
                base = f"work/{self._source}/{name}/drops/window-{number:05d}"
                if isinstance(rule, DropNearDuplicateBooks):
                    books = SearchBooks(rule, tuple(keys), f"{base}.json")
                    made.append(Task(node, f"window-{number:05d}", search_books, books, keys))
                    continue
                markers = self._done.markers[read]
                size = sum(markers[n]["outputs"][p]["bytes"] for n, p in zip(window, keys, strict=True))
                buckets = max(1, BUCKETS * KEY_BYTES_PER_SEARCH // max(size, 1))
                for first in range(0, BUCKETS, buckets):
                    last = min(first + buckets, BUCKETS)
                    span = f"buckets-{first:03d}-{last:03d}"
                    search = SearchBuckets(rule, tuple(keys), first, last, f"{base}-{span}.bin")
                    made.append(Task(node, f"window-{number:05d}-{span}", search_buckets, search, keys))
            return made

        self.nodes.append(Node(node, (read,), make))
        return node

    def _drops(self, name: str, rule: Any) -> list[tuple[DropFiles, dict[str, str]]]:
        """For each part where the verdicts on it stand, and the checksums of these files."""
        base = f"work/{self._source}/{name}/drops/"
        by_window: dict[str, dict[str, str]] = {}
        for path, sha in self._done.all_outputs(f"{self._source}/{name}/search", base).items():
            by_window.setdefault(path.removeprefix(base)[: len("window-00000")], {})[path] = sha
        drops = []
        for number, window in enumerate(self._windows(rule)):
            found = by_window[f"window-{number:05d}"]
            paths = tuple(sorted(found))
            drops += [(DropFiles(rule, paths, part - window.start), found) for part in window]
        return drops


def plan_source(
    source: str,
    recipe: SourceRecipe,
    inputs: Sequence[Input],
    removed_characters: int | None,
    done: Done,
    train_nodes: Callable[[str, Step, str], list[Node]],
) -> SourcePlan:
    """The nodes of one source. The final parts are `documents/<source>/part-00000-of-00016.parquet`, one an input."""
    return _SourcePlanner(source, recipe, inputs, removed_characters, done).plan(train_nodes)
