"""Near-duplicate books: MinHash signatures in place of keys, compared pair by pair in a single search task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import files
from pipeline.duplicates import Collector, DropFiles
from pipeline.files import HashingStream
from pipeline.tasks import Result
from stages.document import Document, Rejected
from stages.duplicate_documents import BookSignature, book_signature, near_duplicate_books
from stages.stage import Outcome, Transform


@dataclass(frozen=True)
class DropNearDuplicateBooks:
    """Books of which more than a given part is in another book (LLaMA paper 2.1, Gutenberg and Books3: over 90 %)."""

    min_overlap_fraction: float = 0.9  # LLaMA paper 2.1
    window_files: int | None = None

    def collector(self) -> Collector:
        return _Signatures()

    def transform(self, run: str, found: DropFiles) -> Transform:
        return _DropBooks(files.join(run, found.paths[0]), found.part)


SIGNATURES = pa.schema([("id", pa.string()), ("shingles", pa.int64()), ("minhash", pa.list_(pa.uint32()))])


class _Signatures:
    """MinHash signatures of books, one row a document."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, BookSignature]] = []

    def add(self, document: Document) -> None:
        self._rows.append((document.id, book_signature(document.text)))

    def write(self, stream: HashingStream) -> None:
        table = pa.table(
            [
                [id for id, _ in self._rows],
                [signature.shingles for _, signature in self._rows],
                [signature.minhash for _, signature in self._rows],
            ],
            schema=SIGNATURES,
        )
        with pa.ipc.new_file(pa.PythonFile(stream, mode="w"), SIGNATURES) as writer:
            writer.write_table(table)


@dataclass(frozen=True)
class SearchBooks:
    """The signatures of all books of a source, in the order of the parts."""

    rule: DropNearDuplicateBooks
    key_files: tuple[str, ...]
    output: str


def search_books(run: str, work: SearchBooks) -> Result:
    """Finds near-duplicate books over all parts; writes, part by part, which document goes for which."""
    places: list[tuple[int, int]] = []
    signatures: list[tuple[str, BookSignature]] = []
    for part, path in enumerate(work.key_files):
        with files.open_binary(files.join(run, path)) as stream:
            table = pa.ipc.open_file(pa.BufferReader(stream.read())).read_all()
        for number, row in enumerate(table.to_pylist()):
            signature = BookSignature(np.array(row["minhash"], dtype=np.uint32), row["shingles"])
            places.append((part, number))
            signatures.append((row["id"], signature))
    found = near_duplicate_books(signatures, work.rule.min_overlap_fraction)
    drops: dict[str, dict[str, list[str | float]]] = {}
    for index, (kept, overlap) in sorted(found.items()):
        part, number = places[index]
        drops.setdefault(str(part), {})[str(number)] = [signatures[kept][0], overlap]
    written = files.write_json(files.join(run, work.output), drops)
    return Result({work.output: written}, {"units": len(places), "dropped": len(found)})


class _DropBooks:
    def __init__(self, path: str, part: int) -> None:
        self._drops = files.read_json(path).get(str(part), {})
        self._number = -1

    def __call__(self, document: Document) -> Outcome:
        self._number += 1
        verdict = self._drops.get(str(self._number))
        if verdict is None:
            return document
        kept, overlap = verdict
        return Rejected(document, "near_duplicate", overlap, f"{overlap:.0%} of it is in {kept}")
