"""Search with keys through a shuffle against search with keys in files: the same verdicts."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from pipeline import engine, files, plan_duplicates
from pipeline.duplicates import DropDuplicateLines
from pipeline.key_files import Keys, split_by_buckets
from pipeline.plan import Done
from pipeline.plan_duplicates import DuplicateSearch
from stages.document import Document, Origin

PARTS = 7


def with_keys(run: Path, rule: DropDuplicateLines) -> Done:
    """A run whose pass `read` has written keys of seven parts of random lines, many of them repeated."""
    done = Done(str(run))
    random_lines = random.Random(5)
    markers = []
    for number in range(PARTS):
        collector = rule.collector()
        for index in range(30):
            lines = [str(random_lines.randrange(400)) for _ in range(random_lines.randrange(1, 12))]
            collector.add(Document(f"{number}-{index}", "c4", "\n".join(lines), Origin("f")))
        path = f"work/c4/lines/keys/part-{number:05d}.bin"
        with files.create(str(run / path)) as stream:
            collector.write(stream)
        markers.append({"outputs": {path: dataclasses.asdict(stream.written())}, "statistics": {}})
    done.markers["c4/read"] = markers
    return done


def drops(run: Path, rule: DropDuplicateLines, done_before: int = 0) -> list[list[int]]:
    """What the planned search finds for each part; `done_before` search tasks are run ahead, as before a kill."""
    done = with_keys(run, rule)
    search = DuplicateSearch("c4", "lines", rule, "c4/read", PARTS, done)
    for node in search.nodes():
        made = node.make()
        assert len(made) > 1
        engine.run_tasks(str(run), made[:done_before], ())
        engine.run_tasks(str(run), made[done_before:], ())
        done.record(node, made)
    return [found.drops(str(run)).tolist() for found, _ in search.drops()]


@pytest.mark.parametrize("window_files", [None, 3])
@pytest.mark.parametrize("done_before", [0, 2])
def test_a_shuffled_search_finds_what_a_search_in_files_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window_files: int | None, done_before: int
) -> None:
    rule = DropDuplicateLines(window_files)
    monkeypatch.setattr(plan_duplicates, "KEY_BYTES_PER_SEARCH", 3_000)
    in_files = drops(tmp_path / "files", rule)
    assert sum(map(len, in_files)) > 500
    monkeypatch.setattr(plan_duplicates, "PARTS_PER_GATHER", 2)
    monkeypatch.setattr(plan_duplicates, "many_small_reads", lambda run, part_count: True)
    assert drops(tmp_path / "shuffled", rule, done_before) == in_files
    folder = tmp_path / "shuffled" / "work/c4/lines"
    assert list((folder / "found").iterdir()) and len(list((folder / "drops").iterdir())) >= PARTS / 2


def test_only_large_windows_in_object_stores_are_shuffled() -> None:
    assert plan_duplicates.many_small_reads("gs://bucket/run", 2_001)
    assert not plan_duplicates.many_small_reads("gs://bucket/run", 2_000)
    assert not plan_duplicates.many_small_reads("/data/run", 100_000)


def test_keys_come_out_of_a_shuffle_as_they_went_in() -> None:
    keys = Keys.of_part(
        3,
        np.array([1, 2 << 52, 3 << 52, (1 << 64) - 1], np.uint64),
        np.array([0, 4, 5, 6], np.uint32),
        np.array([9, 8, 7, 6], np.uint32),
    )
    (middle, last) = split_by_buckets(keys, [(2, 4), (4095, 4096)])
    again = Keys.unpacked(middle.packed())
    assert again.keys.tolist() == [2 << 52, 3 << 52] and again.tags.tolist() == [4, 5]
    assert again.units.tolist() == [8, 7] and again.parts.tolist() == [3, 3]
    assert last.keys.tolist() == [(1 << 64) - 1]
