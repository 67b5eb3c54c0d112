"""A task: one plain function applied to one descriptor, done when its marker stands.

A run is many tasks. `execute` runs one: it calls the body, which reads and writes files under the run's folder and
returns the files written and its statistics, then writes the marker. The marker holds the task's key, which is a hash
of the code, the settings and the checksums of what the task reads; a task whose marker holds the same key is not run
again. Beam calls `execute`; so do the tests, in a loop.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files
from pipeline.files import Written

ROOMS = ("pipeline", "stages", "classifiers", "tokenizer", "mixtures")

Statistics = dict[str, Any]

OUTSIDE: Mapping[str, bool] = {"outside": True}


@dataclass(frozen=True)
class Result:
    """What a body leaves: relative path -> what was written there, and statistics that JSON can hold."""

    outputs: Mapping[str, Written]
    statistics: Statistics


Body = Callable[[str, Any], Result]


@dataclass(frozen=True)
class Task:
    """`body(run_folder, descriptor)`; `step` and `name` say where the marker stands and what progress shows.

    `reads` maps each path that the body reads to its checksum; paths inside the run are relative to its folder.
    """

    step: str
    name: str
    body: Body
    descriptor: Any
    reads: Mapping[str, str]

    @property
    def marker(self) -> str:
        """Path of the marker, relative to the run's folder."""
        return f"work/{self.step}/{self.name}.done.json"

    def key(self) -> str:
        modules = sorted({self.body.__module__, *_modules_of(self.descriptor)})
        identity = {
            "code": code_digest(tuple(modules)),
            "body": f"{self.body.__module__}.{self.body.__qualname__}",
            "descriptor": canonical(self.descriptor),
            "reads": dict(sorted(self.reads.items())),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def canonical(value: Any) -> Any:
    """A JSON form of settings: dataclasses by qualified name and fields, mappings sorted by `json.dumps`.

    A field with the metadata `OUTSIDE` is left out: where a file happens to lie does not change what is in it.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return {
            "class": name,
            **{
                f.name: canonical(getattr(value, f.name))
                for f in dataclasses.fields(value)
                if f.metadata != OUTSIDE
            },
        }
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(v) for v in value]
    if isinstance(value, frozenset):
        return sorted(canonical(v) for v in value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"a task cannot depend on a {type(value).__name__}")


def _modules_of(value: Any) -> set[str]:
    """Modules of our rooms whose classes or functions occur in a descriptor."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {type(value).__module__}
        for field in dataclasses.fields(value):
            found |= _modules_of(getattr(value, field.name))
        return found
    if isinstance(value, Mapping):
        return set().union(*(_modules_of(v) for v in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(_modules_of(v) for v in value))
    return {value.__module__} if callable(value) and hasattr(value, "__module__") else set()


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Dotted names that a source file imports, wherever in the file they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Digest of the sources of these modules and of all modules of our rooms that they import, directly or not, of the
    numbers in JSON beside them, and of the versions of the distributions that those import: the code version of a step,
    kept by nobody by hand."""
    sources: dict[str, Path] = {}
    outside: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module.split(".")[0] not in ROOMS:
            outside.add(module.split(".")[0])
            continue
        spec = importlib.util.find_spec(module) if _is_module(module) else None
        if spec is None or spec.origin is None or module in sources:
            continue
        sources[module] = Path(spec.origin)
        waiting.extend(imported_names(sources[module]))
        package = module.rpartition(".")[0]
        sources.update({f"{package}/{data.name}": data for data in Path(spec.origin).parent.glob("*.json")})
    digest = hashlib.sha256(platform.python_version().encode())  # its Unicode tables are part of what we do
    for module, path in sorted(sources.items()):
        digest.update(module.encode() + b"\0" + path.read_bytes() + b"\0")
    for name, version in sorted(_versions(outside).items()):
        digest.update(f"{name}=={version}\n".encode())
    return digest.hexdigest()


def _is_module(dotted: str) -> bool:
    """Whether a dotted name is a module of ours (and not a name inside one)."""
    parent, _, _ = dotted.rpartition(".")
    if parent and not _is_module(parent):
        return False
    if parent:
        spec = importlib.util.find_spec(parent)
        if spec is None or spec.submodule_search_locations is None:
            return False
    return importlib.util.find_spec(dotted) is not None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the installed distributions that provide these import names (the standard library has none)."""
    names = {name for package in packages for name in _distributions().get(package, ())}
    return {name: importlib.metadata.version(name) for name in names}


def marker_of(run: str, task: Task) -> dict[str, Any] | None:
    """The marker of a task, or None when there is none."""
    path = files.join(run, task.marker)
    return files.read_json(path) if files.exists(path) else None


def is_done(run: str, task: Task) -> bool:
    """Whether the marker stands, holds this key, and every output is there with its size and older than the marker.

    An output that is newer was written by another task (of an earlier or later configuration of the same run).
    """
    standing = files.standing(files.join(run, task.marker))
    marker = marker_of(run, task) if standing else None
    if standing is None or marker is None or marker["key"] != task.key():
        return False
    for path, written in marker["outputs"].items():
        found = files.standing(files.join(run, path))
        if found is None or found.bytes != written["bytes"] or found.written_at > standing.written_at:
            return False
    return True


def execute(run: str, task: Task) -> str:
    """Runs one task and writes its marker; returns the marker's relative path.

    What went wrong with the input, the settings or the disk is a ValueError that begins with step and name.
    """
    key = task.key()
    try:
        result = task.body(run, task.descriptor)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise ValueError(f"{task.step} {task.name}: {error}") from error
    files.write_json(
        files.join(run, task.marker),
        {
            "key": key,
            "outputs": {path: dataclasses.asdict(w) for path, w in result.outputs.items()},
            "statistics": result.statistics,
        },
    )
    return task.marker
