"""Duplicate search in three moves through files: keys, verdicts, drops.

1. The pass before the search writes, for each part, the 64-bit keys of its units (the lines of its documents, or the
   documents themselves), sorted by bucket: a bucket is a range of keys.
2. A search task reads one bucket of all parts of a window and finds which units go, in part and line order, so that
   the verdict does not depend on who ran when. It writes the unit numbers to drop, part by part.
3. The pass after the search reads its own slice of every bucket's verdict and drops.

Only keys and positions travel, never a text, and no key is hot: a boilerplate line is one run in a sort.
Near-duplicate books go the same way with MinHash signatures in place of keys, in a single search task.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import files
from pipeline.files import HashingStream
from pipeline.tasks import Result
from stages.document import Document, Rejected
from stages.duplicate_documents import BookSignature, book_signature, content_key, near_duplicate_books
from stages.duplicate_lines import duplicated_lines, keep_lines, line_hashes
from stages.stage import Outcome, Transform

Uint64s = npt.NDArray[np.uint64]
Uint32s = npt.NDArray[np.uint32]

# One search task holds about 20 bytes a key of its bucket in all parts of the window. At 256 buckets a window of
# 50 CommonCrawl shards (about 5 million lines each, cc_net's window) is 1 million keys a task.
BUCKETS = 256
_HEADER = struct.Struct("<8sQQ")
_KEYS_MAGIC, _DROPS_MAGIC = b"lckeys01", b"lcdrop01"


class Collector(Protocol):
    """Gathers the keys of a part, document by document, in order."""

    def add(self, document: Document) -> None: ...
    def write(self, stream: HashingStream) -> None: ...


class DuplicateRule(Protocol):
    """What is compared, within which window of parts, and who stays."""

    def collector(self) -> Collector: ...


@dataclass(frozen=True)
class DropDuplicateLines:
    """Line deduplication as CCNet does it (arXiv 1911.00359 section 3.1; cc_net/dedup.py).

    `keep="none"`: every copy of a line that occurs in two or more documents of the window goes, the first too;
    a line repeated inside one document only keeps its first copy. `keep="first"`: the first copy in the window stays.
    """

    window_files: int = 50  # cc_net's hash_in_mem: 50 of a dump's 1,600 shards are compared with each other
    keep: Literal["none", "first"] = "none"

    def __post_init__(self) -> None:
        if self.window_files < 1:
            raise ValueError("window_files must be at least 1")

    def collector(self) -> Collector:
        return _Keys(lambda document: line_hashes(document.text))


@dataclass(frozen=True)
class DropDuplicateDocuments:
    """Documents whose text is the same byte for byte; the first in the order of the inputs stays."""

    def collector(self) -> Collector:
        return _Keys(lambda document: np.array([content_key(document.text)], dtype=np.uint64))


@dataclass(frozen=True)
class DropRepeatedIds:
    """Documents with the id of another one: dumps that overlap, a file that is given twice. The newest stays (by
    `created`), and the first in the order of the inputs when they are of one age."""

    def collector(self) -> Collector:
        return _Keys(
            lambda document: np.array([content_key(document.id)], dtype=np.uint64), tag_of=_created_seconds
        )


def _created_seconds(document: Document) -> int:
    """Seconds since 1970, 0 for an unknown time or one before; 32 bits last until 2106."""
    return min(max(int(document.created.timestamp()), 0), 0xFFFFFFFF) if document.created else 0


def repeated_ids(keys: Uint64s, created: Uint32s) -> npt.NDArray[np.bool_]:
    """Which of the documents with these keys go, given in the order of the inputs: all but the newest of each key."""
    order = np.lexsort((np.arange(len(keys)), created.max(initial=0) - created, keys))
    dropped = np.zeros(len(keys), dtype=np.bool_)
    dropped[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return dropped


@dataclass(frozen=True)
class DropNearDuplicateBooks:
    """Books of which more than a given part is in another book (LLaMA paper 2.1, Gutenberg and Books3: over 90 %)."""

    min_overlap_fraction: float = 0.9  # LLaMA paper 2.1

    def collector(self) -> Collector:
        return _Signatures()


DuplicateStep = DropDuplicateLines | DropDuplicateDocuments | DropRepeatedIds | DropNearDuplicateBooks


class _Keys:
    """Keys with the number of their unit in the part and a tag of 32 bits, sorted by bucket when written.

    The tag is the number of the document, or what `tag_of` says of it.
    """

    def __init__(
        self, keys_of: Callable[[Document], Uint64s], tag_of: Callable[[Document], int] | None = None
    ) -> None:
        self._keys_of, self._tag_of = keys_of, tag_of
        self._keys: list[Uint64s] = []
        self._counts: list[int] = []
        self._tags: list[int] = []

    def add(self, document: Document) -> None:
        keys = self._keys_of(document)
        self._keys.append(keys)
        self._tags.append(self._tag_of(document) if self._tag_of else len(self._counts))
        self._counts.append(len(keys))

    def write(self, stream: HashingStream) -> None:
        keys = np.concatenate([np.zeros(0, np.uint64), *self._keys])
        tags = np.repeat(np.array(self._tags, dtype=np.uint32), self._counts)
        buckets = _bucket_of(keys)
        order = np.argsort(buckets, kind="stable")
        starts = np.searchsorted(buckets[order], np.arange(BUCKETS + 1)).astype("<u8")
        stream.write(_HEADER.pack(_KEYS_MAGIC, len(keys), BUCKETS))
        stream.write(starts.tobytes())
        stream.write(keys[order].astype("<u8").tobytes())
        stream.write(tags[order].astype("<u4").tobytes())
        stream.write(order.astype("<u4").tobytes())


def _bucket_of(keys: Uint64s) -> npt.NDArray[np.int64]:
    return (keys >> np.uint64(64 - (BUCKETS - 1).bit_length())).astype(np.int64)


def _array(stream: BinaryIO, kind: str, start: int, count: int) -> npt.NDArray[np.generic]:
    stream.seek(start)
    data = stream.read(count * np.dtype(kind).itemsize)
    if len(data) != count * np.dtype(kind).itemsize:
        raise ValueError("a key file is cut short; delete it and run again")
    return np.frombuffer(data, dtype=kind)


def _read_buckets(path: str, first: int, last: int) -> tuple[Uint64s, Uint32s, Uint32s]:
    """Keys, tags and unit numbers of the buckets first..last-1 of one part."""
    with files.open_binary(path) as stream:
        magic, total, buckets = _HEADER.unpack(stream.read(_HEADER.size))
        if magic != _KEYS_MAGIC or buckets != BUCKETS:
            raise ValueError(f"{path} is not a key file of this version; delete it and run again")
        base = _HEADER.size
        starts = _array(stream, "<u8", base, buckets + 1)
        start, stop = int(starts[first]), int(starts[last])
        base += 8 * (buckets + 1)
        keys = _array(stream, "<u8", base + 8 * start, stop - start)
        tags = _array(stream, "<u4", base + 8 * total + 4 * start, stop - start)
        units = _array(stream, "<u4", base + 12 * total + 4 * start, stop - start)
    return cast(Uint64s, keys), cast(Uint32s, tags), cast(Uint32s, units)


@dataclass(frozen=True)
class SearchBuckets:
    """Some buckets of the keys of a window's parts, in the order of the parts."""

    rule: DropDuplicateLines | DropDuplicateDocuments | DropRepeatedIds
    key_files: tuple[str, ...]
    first_bucket: int
    last_bucket: int  # exclusive
    drops_path: str


def search_buckets(run: str, work: SearchBuckets) -> Result:
    """Finds the units of these buckets that go, and writes their numbers part by part, ascending."""
    read = [
        _read_buckets(files.join(run, path), work.first_bucket, work.last_bucket) for path in work.key_files
    ]
    keys, tags, units = (np.concatenate(columns) for columns in zip(*read, strict=True))
    parts = np.repeat(np.arange(len(read), dtype=np.uint32), [len(found[0]) for found in read])
    if isinstance(work.rule, DropRepeatedIds):
        dropped = repeated_ids(keys, tags)
    else:
        documents = (parts.astype(np.uint64) << np.uint64(32)) | tags
        keep = work.rule.keep if isinstance(work.rule, DropDuplicateLines) else "first"
        dropped = duplicated_lines(keys, documents, keep)
    dropped_units, dropped_parts = units[dropped], parts[dropped]
    order = np.lexsort((dropped_units, dropped_parts))
    starts = np.searchsorted(dropped_parts[order], np.arange(len(work.key_files) + 1)).astype("<u8")
    with files.create(files.join(run, work.drops_path)) as stream:
        stream.write(_HEADER.pack(_DROPS_MAGIC, len(order), len(work.key_files)))
        stream.write(starts.tobytes())
        stream.write(dropped_units[order].astype("<u4").tobytes())
    statistics = {"units": len(keys), "dropped": len(order)}
    return Result({work.drops_path: stream.written()}, statistics)


def _read_drops(path: str, part: int) -> Uint32s:
    with files.open_binary(path) as stream:
        magic, _, parts = _HEADER.unpack(stream.read(_HEADER.size))
        if magic != _DROPS_MAGIC or part >= parts:
            raise ValueError(f"{path} does not hold verdicts for part {part}; delete it and run again")
        starts = _array(stream, "<u8", _HEADER.size, parts + 1)
        base = _HEADER.size + 8 * (parts + 1)
        start, stop = int(starts[part]), int(starts[part + 1])
        return cast(Uint32s, _array(stream, "<u4", base + 4 * start, stop - start))


@dataclass(frozen=True)
class DropFiles:
    """Where the verdicts on one part stand: files of the window's search tasks, and the part's number in the window."""

    rule: DuplicateRule
    paths: tuple[str, ...]
    part: int

    def transform(self, run: str) -> Transform:
        """A callable that takes the part's documents in order and drops what the search found."""
        paths = [files.join(run, path) for path in self.paths]
        if isinstance(self.rule, DropNearDuplicateBooks):
            return _DropBooks(paths[0], self.part)
        drops = np.sort(np.concatenate([np.zeros(0, np.uint32), *(_read_drops(p, self.part) for p in paths)]))
        if isinstance(self.rule, DropDuplicateLines):
            return _DropLines(drops)
        return _DropDocuments(drops, "repeated_id" if isinstance(self.rule, DropRepeatedIds) else "duplicate")


class _DropLines:
    """Drops lines by their number in the part; documents must come in the order in which the keys were written."""

    def __init__(self, drops: Uint32s) -> None:
        self._drops = drops
        self._line = 0

    def __call__(self, document: Document) -> Outcome:
        lines = document.text.count("\n") + 1
        span = np.array([self._line, self._line + lines], dtype=np.uint32)  # same type: no copy of the drops
        start, stop = np.searchsorted(self._drops, span)
        mask = np.zeros(lines, dtype=np.bool_)
        mask[self._drops[start:stop] - np.uint32(self._line)] = True
        self._line += lines
        return keep_lines(document, mask)


class _DropDocuments:
    def __init__(self, drops: Uint32s, reason: str) -> None:
        self._reason = reason
        self._drops = set(drops.tolist())
        self._number = -1

    def __call__(self, document: Document) -> Outcome:
        self._number += 1
        return Rejected(document, self._reason) if self._number in self._drops else document


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
    drops_path: str


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
    written = files.write_json(files.join(run, work.drops_path), drops)
    return Result({work.drops_path: written}, {"units": len(places), "dropped": len(found)})


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
