"""Near-duplicate books: sketches from each part, candidates in one task, and their overlap measured on the whole texts.

1. The pass before writes the sketch of each book (some 12 kB for a book of 100,000 words) in a file of its part.
2. One search task reads all sketches, finds the pairs that may overlap, and reads the books of these pairs again from
   the parts, two at a time, to measure how much of one is in the other. It writes which book goes for which.
3. The pass after drops.

One task is enough: 200,000 books (PG-19 and Books3) have some 2.5 GB of sketches, and some ten thousand pairs to
measure at about 50 a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import files
from pipeline.duplicates import Collector, DropFiles
from pipeline.files import HashingStream
from pipeline.parts import read_documents
from pipeline.tasks import Result
from stages.book_overlap import BookSketch, Keys, book_shingles, book_sketch, overlapping_books
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform


@dataclass(frozen=True)
class DropNearDuplicateBooks:
    """Books of which more than a given part is in another book (LLaMA paper 2.1, Gutenberg and Books3: over 90 %)."""

    min_overlap_fraction: float = 0.9  # LLaMA paper 2.1; of the 5-grams of the shorter book
    window_files: int | None = None

    def collector(self) -> Collector:
        return _Sketches()

    def transform(self, run: str, found: DropFiles) -> Transform:
        return _DropBooks(files.join(run, found.paths[0]), found.part)


SKETCHES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("index", pa.large_list(pa.uint64()), nullable=False),
        pa.field("shingles", pa.int64(), nullable=False),
        pa.field("damage", pa.int64(), nullable=False),
        pa.field("facts", pa.int64(), nullable=False),
    ]
)


class _Sketches:
    """Sketches of the books of a part, one row a document."""

    def __init__(self) -> None:
        self._rows: list[BookSketch] = []

    def add(self, document: Document) -> None:
        self._rows.append(book_sketch(document))

    def write(self, stream: HashingStream) -> None:
        table = pa.table(
            [[getattr(row, name) for row in self._rows] for name in SKETCHES.names], schema=SKETCHES
        )
        with pa.ipc.new_file(pa.PythonFile(stream, mode="w"), SKETCHES) as writer:
            writer.write_table(table)


@dataclass(frozen=True)
class SearchBooks:
    """The sketches of all books of a window, and the parts that hold their texts, both in the order of the inputs."""

    rule: DropNearDuplicateBooks
    key_files: tuple[str, ...]
    parts: tuple[str, ...]
    output: str


def search_books(run: str, work: SearchBooks) -> Result:
    """Finds the books that are in others over all parts; writes, part by part, which document goes for which."""
    places: list[tuple[int, int]] = []
    sketches: list[BookSketch] = []
    for part, path in enumerate(work.key_files):
        found = _read_sketches(files.join(run, path))
        places.extend((part, number) for number in range(len(found)))
        sketches.extend(found)
    measured = 0

    def shingles_of(index: int) -> Keys:
        nonlocal measured
        measured += 1
        part, number = places[index]
        return book_shingles(_text_of(files.join(run, work.parts[part]), number))

    dropped = overlapping_books(sketches, shingles_of, work.rule.min_overlap_fraction)
    drops: dict[str, dict[str, list[str | float | bool]]] = {}
    for index, (kept, overlap) in sorted(dropped.items()):
        part, number = places[index]
        shorter = sketches[index].shingles <= sketches[kept].shingles
        drops.setdefault(str(part), {})[str(number)] = [sketches[kept].id, overlap, shorter]
    written = files.write_json(files.join(run, work.output), drops)
    statistics = {"units": len(sketches), "texts_read_again": measured, "dropped": len(dropped)}
    return Result({work.output: written}, statistics)


def _read_sketches(path: str) -> list[BookSketch]:
    with files.open_binary(path) as stream:
        table = pa.ipc.open_file(pa.BufferReader(stream.read())).read_all().combine_chunks()
    columns = {name: table.column(name).to_pylist() for name in ("id", "shingles", "damage", "facts")}
    index = [np.asarray(row.values, dtype=np.uint64) for row in table.column("index")]
    return [
        BookSketch(id, keys, shingles, damage, facts)
        for id, keys, shingles, damage, facts in zip(
            columns["id"], index, columns["shingles"], columns["damage"], columns["facts"], strict=True
        )
    ]


def _text_of(path: str, number: int) -> str:
    """The text of one document of a part, by its number."""
    for batch in read_documents(path, ["text"]):
        if number < batch.num_rows:
            return str(batch.column("text")[number].as_py())
        number -= batch.num_rows
    raise ValueError(f"{path} does not hold the book that its sketches name; delete it and run again")


class _DropBooks:
    def __init__(self, path: str, part: int) -> None:
        self._drops = files.read_json(path).get(str(part), {})
        self._number = -1

    def __call__(self, document: Document) -> Outcome:
        self._number += 1
        verdict = self._drops.get(str(self._number))
        if verdict is None:
            return document
        kept, overlap, shorter = verdict
        inside = f"of it is in {kept}" if shorter else f"of {kept} is in it"
        return Rejected(document, "near_duplicate", overlap, f"{overlap:.2%} {inside}")
