"""Near-duplicate books through files: sketches of each part, one search that reads the parts again, drops."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from pipeline import files
from pipeline.near_duplicate_books import DropNearDuplicateBooks
from pipeline.parts import PartWriter
from pipeline.plan import Done
from pipeline.plan_duplicates import DuplicateSearch
from pipeline.tasks import execute
from stages.document import Document, Origin, Rejected

Books = list[list[Document]]


def words(start: int, end: int) -> str:
    return " ".join(f"w{i}" for i in range(start, end))


def book(id: str, text: str, **facts: str) -> Document:
    return Document(id, "books", text, Origin(id), **facts)  # type: ignore[arg-type]


def search(run: Path, parts: Books, rule: DropNearDuplicateBooks) -> tuple[list[list[object]], list[object]]:
    """Each part's outcomes, and the statistics of the search tasks."""
    done, markers = Done(str(run)), []
    for number, part in enumerate(parts):
        collector, writer = (
            rule.collector(),
            PartWriter(str(run), "books", "work/books/read", f"part-{number:05d}", 0),
        )
        for document in part:
            collector.add(document)
            writer.keep(document, document.text_bytes)
        outputs = writer.close()
        path = f"work/books/near/keys/part-{number:05d}.bin"
        with files.create(str(run / path)) as stream:
            collector.write(stream)
        outputs[path] = stream.written()
        written = {name: dataclasses.asdict(one) for name, one in outputs.items()}
        markers.append({"outputs": written, "statistics": {}})
    done.markers["books/read"] = markers
    found = DuplicateSearch("books", "near", rule, "books/read", len(parts), done)
    for node in found.nodes():
        made = node.make()
        for task in made:
            assert set(task.reads) >= {"work/books/read/part-00000.parquet"} or rule.window_files
            execute(str(run), task)
        done.record(node, made)
    outcomes: list[list[object]] = []
    for part, (drops, _) in zip(parts, found.drops(), strict=True):
        transform = rule.transform(str(run), drops)
        outcomes.append([transform(document) for document in part])
    return outcomes, done.statistics("books/near/search")


def gone(outcomes: list[list[object]]) -> dict[str, tuple[str, str, float | None]]:
    rejected = [one for part in outcomes for one in part if isinstance(one, Rejected)]
    return {one.document.id: (one.reason, one.detail, one.score) for one in rejected}


def test_a_copied_book_names_the_book_it_is_in(tmp_path: Path) -> None:
    parts = [
        [book("copy", words(0, 1_904))],
        [],
        [book("other", words(30_000, 39_000)), book("whole", words(0, 2_004)), book("signs", "* * *")],
    ]
    outcomes, statistics = search(tmp_path, parts, DropNearDuplicateBooks())
    assert gone(outcomes) == {"copy": ("near_duplicate", "100.00% of it is in whole", 1.0)}
    assert outcomes[2] == parts[2]
    assert statistics == [{"units": 4, "texts_read_again": 2, "dropped": 1}]


def test_a_longer_but_poorer_edition_says_what_of_the_other_is_in_it(tmp_path: Path) -> None:
    parts = [[book("longer", words(0, 2_104)), book("known", words(0, 2_004), title="Oars")]]
    outcomes, _ = search(tmp_path, parts, DropNearDuplicateBooks())
    assert gone(outcomes) == {"longer": ("near_duplicate", "100.00% of known is in it", 1.0)}


def test_the_fraction_is_a_setting(tmp_path: Path) -> None:
    parts = [[book("a", words(0, 1_004)), book("b", words(200, 2_004))]]
    assert gone(search(tmp_path / "a", parts, DropNearDuplicateBooks())[0]) == {}
    assert list(gone(search(tmp_path / "b", parts, DropNearDuplicateBooks(0.79))[0])) == ["a"]


def test_books_of_other_windows_are_not_compared(tmp_path: Path) -> None:
    parts = [[book("a", words(0, 1_000))], [book("b", words(0, 1_000))]]
    assert gone(search(tmp_path / "a", parts, DropNearDuplicateBooks(window_files=1))[0]) == {}
    assert list(gone(search(tmp_path / "b", parts, DropNearDuplicateBooks())[0])) == ["b"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_verdict_does_not_depend_on_how_books_lie_in_parts(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    books = [
        book(f"{n:02}", words(start, start + draw.randrange(500, 3_000)))
        for n, start in enumerate([0, 40] * 15)
    ]
    together, _ = search(tmp_path / "one", [books], DropNearDuplicateBooks())
    shuffled = draw.sample(books, len(books))
    apart, _ = search(
        tmp_path / "many", [shuffled[:7], shuffled[7:8], shuffled[8:]], DropNearDuplicateBooks()
    )
    assert gone(together) == gone(apart)
    assert len(gone(together)) > 20
