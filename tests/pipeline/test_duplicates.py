"""Duplicate search through files against the plain rule over all documents at once."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline import files
from pipeline.duplicates import (
    DropDuplicateDocuments,
    DropDuplicateLines,
    DropFiles,
    DropRepeatedIds,
    KeyWindow,
    SearchBuckets,
    key_path,
    search_buckets,
)
from pipeline.key_files import BUCKETS
from stages.document import Document, Origin, Rejected


def document(id: str, text: str) -> Document:
    return Document(id=id, source="c4", text=text, origin=Origin("f"))


def through_files(run: Path, rule: object, parts: list[list[Document]], steps: int) -> list[list[object]]:
    """Each part's outcomes after keys, `steps` search tasks, and drops."""
    paths = []
    for number, part in enumerate(parts):
        collector = rule.collector()  # type: ignore[attr-defined]
        for d in part:
            collector.add(d)
        paths.append(key_path("keys", number))
        with files.create(str(run / paths[-1])) as stream:
            collector.write(stream)
    drops = []
    assert isinstance(rule, DropDuplicateLines | DropDuplicateDocuments | DropRepeatedIds)
    for first in range(0, BUCKETS, BUCKETS // steps):
        drops.append(f"drops-{first:03d}.bin")
        window = KeyWindow("keys", 0, len(parts))
        search = SearchBuckets(rule, window, first, first + BUCKETS // steps, drops[-1])
        search_buckets(str(run), search)
    outcomes: list[list[object]] = []
    for number, part in enumerate(parts):
        transform = rule.transform(str(run), DropFiles(rule, tuple(drops), number))  # type: ignore[attr-defined, arg-type]
        outcomes.append([transform(d) for d in part])
    return outcomes


def ccnet_by_hand(parts: list[list[Document]]) -> list[list[str | None]]:
    """The rule in its plainest form: lines of two or more documents go, repeats inside one keep their first."""
    owners: dict[str, set[str]] = {}
    for d in itertools.chain.from_iterable(parts):
        for line in d.text.split("\n"):
            owners.setdefault(line, set()).add(d.id)
    result: list[list[str | None]] = []
    for part in parts:
        texts: list[str | None] = []
        for d in part:
            kept, seen = [], set[str]()
            for line in d.text.split("\n"):
                if len(owners[line]) == 1 and line not in seen:
                    kept.append(line)
                seen.add(line)
            texts.append("\n".join(kept) if "".join(kept).strip() else None)
        result.append(texts)
    return result


@pytest.mark.parametrize("steps", [1, 4])
def test_lines_go_as_by_hand_for_any_number_of_search_tasks(tmp_path: Path, steps: int) -> None:
    draw = random.Random(7)
    lines = [f"line {'abcdefghijklmnopqrstuvwxyz'[i % 26]} {'x' * (i // 26)}" for i in range(120)]
    parts = [
        [document(f"{p}-{d}", "\n".join(draw.choices(lines, k=draw.randint(1, 4)))) for d in range(10)]
        for p in range(3)
    ]
    parts.append([])
    outcomes = through_files(tmp_path, DropDuplicateLines(), parts, steps)
    got = [[None if isinstance(o, Rejected) else o.text for o in part] for part in outcomes]  # type: ignore[attr-defined]
    assert got == ccnet_by_hand(parts)
    assert any(text is None for part in got for text in part)
    assert any(text is not None for part in got for text in part)


def test_first_copy_of_a_line_stays_when_asked(tmp_path: Path) -> None:
    parts = [[document("a", "same\none")], [document("b", "same\ntwo")]]
    outcomes = through_files(tmp_path, DropDuplicateLines(keep="first"), parts, 2)
    assert [o.text for part in outcomes for o in part] == ["same\none", "two"]  # type: ignore[attr-defined]


def test_first_of_equal_documents_stays_in_the_order_of_the_parts(tmp_path: Path) -> None:
    parts = [[document("a", "x"), document("b", "y")], [document("c", "x"), document("d", "z")]]
    outcomes = through_files(tmp_path, DropDuplicateDocuments(), parts, 4)
    assert outcomes[0] == parts[0]
    first, second = outcomes[1]
    assert isinstance(first, Rejected) and first.reason == "duplicate" and first.document.id == "c"
    assert second == parts[1][1]


def test_the_newest_of_one_id_stays_and_the_first_of_one_age(tmp_path: Path) -> None:
    def dated(id: str, text: str, year: int | None) -> Document:
        return replace(document(id, text), created=datetime(year, 1, 1, tzinfo=UTC) if year else None)

    parts = [
        [dated("a", "old", 2014), dated("b", "first", 2015), dated("c", "unknown", None)],
        [
            dated("a", "new", 2016),
            dated("b", "second", 2015),
            dated("c", "known", 2001),
            dated("d", "x", None),
        ],
    ]
    outcomes = [o for part in through_files(tmp_path, DropRepeatedIds(), parts, 4) for o in part]
    kept = [o.text for o in outcomes if isinstance(o, Document)]
    assert kept == ["first", "new", "known", "x"]
    assert {o.reason for o in outcomes if isinstance(o, Rejected)} == {"repeated_id"}


def test_a_cut_key_file_is_an_error(tmp_path: Path) -> None:
    collector = DropDuplicateLines().collector()
    collector.add(document("a", "\n".join(map(str, range(100)))))
    path = tmp_path / key_path("keys", 0)
    with files.create(str(path)) as stream:
        collector.write(stream)
    path.write_bytes(path.read_bytes()[:-8])
    work = SearchBuckets(DropDuplicateLines(), KeyWindow("keys", 0, 1), 0, BUCKETS, "drops.bin")
    with pytest.raises(ValueError, match="cut short"):
        search_buckets(str(tmp_path), work)


def test_keys_do_not_depend_on_anything_but_the_text(tmp_path: Path) -> None:
    written = []
    for name in ("x", "y"):
        collector = DropDuplicateLines().collector()
        for d in (document("a", "one\ntwo"), replace(document("b", "three"), url=name)):
            collector.add(d)
        with files.create(str(tmp_path / name)) as stream:
            collector.write(stream)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert np.frombuffer(written[0][8:16], "<u8")[0] == 3
