"""Keys of very large windows through a shuffle: each key file is read once, its ranges meet at their search task.

The hybrid of file-based and shuffled search: only packed keys travel (16 bytes each), in one value per key file and
range, never a text and never an element per key. The search is the same function as with files, and its verdict does
not depend on the order in which the values come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam

from pipeline import files
from pipeline.duplicates import KeyWindow, SearchBuckets
from pipeline.key_files import BUCKETS, read_keys, split_by_buckets
from pipeline.tasks import Task


def is_shuffled(task: Task) -> bool:
    """Whether the keys of a task come through a shuffle."""
    return isinstance(task.descriptor, SearchBuckets) and task.descriptor.shuffled


class _SplitKeyFile(beam.DoFn):
    """(number of a part in its window, path of its key file) -> (name of a search task, packed keys)."""

    def __init__(self, run: str, spans: Mapping[str, tuple[int, int]]) -> None:
        self._run, self._spans = run, spans

    def process(self, part_and_path: tuple[int, str]) -> Iterator[tuple[str, bytes]]:
        part, path = part_and_path
        keys = read_keys(files.join(self._run, path), part, 0, BUCKETS)
        pieces = split_by_buckets(keys, list(self._spans.values()))
        for name, piece in zip(self._spans, pieces, strict=True):
            if len(piece.keys):
                yield name, piece.packed()


class GatherKeys(beam.PTransform):  # type: ignore[type-arg]
    """Search tasks with their keys packed inside them."""

    def __init__(self, run: str, tasks: Sequence[Task]) -> None:
        super().__init__()
        self._run, self._tasks = run, tasks

    def expand(self, pipeline: Any) -> Any:
        windows: dict[KeyWindow, list[Task]] = {}
        for task in self._tasks:
            windows.setdefault(task.descriptor.window, []).append(task)
        pieces = []
        for number, (window, tasks) in enumerate(windows.items()):
            spans = {_name(t): (t.descriptor.first_bucket, t.descriptor.last_bucket) for t in tasks}
            pieces.append(
                pipeline
                | f"KeyFiles{number}" >> beam.Create(list(enumerate(window.paths())), reshuffle=False)
                | f"SpreadKeyFiles{number}" >> beam.Reshuffle()
                | f"Split{number}"
                >> beam.ParDo(_SplitKeyFile(self._run, spans)).with_output_types(tuple[str, bytes])
            )
        named = pipeline | "SearchTasks" >> beam.Create(
            [(_name(task), task) for task in self._tasks], reshuffle=False
        )
        joined = {"task": named, "pieces": tuple(pieces) | "AllKeys" >> beam.Flatten()}
        return joined | "GroupByRange" >> beam.CoGroupByKey() | "Pack" >> beam.Map(_with_keys)


def _name(task: Task) -> str:
    return f"{task.step} {task.name}"


def _with_keys(grouped: tuple[str, Any]) -> Task:
    task: Task
    (task,) = grouped[1]["task"]
    return replace(task, descriptor=replace(task.descriptor, packed=tuple(grouped[1]["pieces"])))
