"""Key files and drop files: how a duplicate search passes 64-bit keys and its verdicts between tasks.

A key file holds the keys of the units of one part (lines, documents, MinHash bands), each with a 32-bit tag and the
number of its unit, sorted by bucket: a bucket is one of `BUCKETS` equal ranges of keys, so that a search task can read
the same range of every part. A drop file holds, part by part, the numbers of the units that go. All integers are
little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.files import HashingStream, Written
from stages.document import Document

Uint64s = npt.NDArray[np.uint64]
Uint32s = npt.NDArray[np.uint32]

# One search task holds about 40 bytes a key of its buckets in all parts of the window, so the finest cut bounds its
# memory: with 4,096 buckets five whole dumps (some 3e10 lines of pages, 0.5 TB of keys) are 120 MB of keys a bucket.
BUCKETS = 4096
_HEADER = struct.Struct("<8sQQ")
_KEYS_MAGIC, _DROPS_MAGIC = b"lckeys01", b"lcdrop01"


def _bucket_of(keys: Uint64s) -> npt.NDArray[np.uint16]:
    return (keys >> np.uint64(64 - (BUCKETS - 1).bit_length())).astype(np.uint16)


class KeyCollector:
    """The keys of one part, document by document in order, written sorted by bucket.

    The tag of a key is the number of its document in the part, or what `tag_of` says of the document.
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


@dataclass(frozen=True)
class Keys:
    """Keys of one or more parts with their tags, unit numbers and part numbers in the window, all of one length."""

    keys: Uint64s
    tags: Uint32s
    units: Uint32s
    parts: Uint32s

    @staticmethod
    def of_part(part: int, keys: Uint64s, tags: Uint32s, units: Uint32s) -> Keys:
        return Keys(keys, tags, units, np.full(len(keys), part, dtype=np.uint32))

    @staticmethod
    def joined(pieces: Sequence[Keys]) -> Keys:
        """All pieces as one, in the order given."""
        return Keys(
            np.concatenate([np.zeros(0, np.uint64), *(p.keys for p in pieces)]),
            np.concatenate([np.zeros(0, np.uint32), *(p.tags for p in pieces)]),
            np.concatenate([np.zeros(0, np.uint32), *(p.units for p in pieces)]),
            np.concatenate([np.zeros(0, np.uint32), *(p.parts for p in pieces)]),
        )

    def packed(self) -> bytes:
        """One part's keys as bytes, for a shuffle."""
        part = int(self.parts[0]) if len(self.parts) else 0
        arrays = (self.keys.astype("<u8"), self.tags.astype("<u4"), self.units.astype("<u4"))
        return struct.pack("<QQ", part, len(self.keys)) + b"".join(a.tobytes() for a in arrays)

    @staticmethod
    def unpacked(data: bytes) -> Keys:
        part, count = struct.unpack_from("<QQ", data)
        return Keys.of_part(
            part,
            np.frombuffer(data, "<u8", count, 16).astype(np.uint64),
            np.frombuffer(data, "<u4", count, 16 + 8 * count).astype(np.uint32),
            np.frombuffer(data, "<u4", count, 16 + 12 * count).astype(np.uint32),
        )


def _array(stream: BinaryIO, kind: str, start: int, count: int) -> npt.NDArray[np.generic]:
    stream.seek(start)
    data = stream.read(count * np.dtype(kind).itemsize)
    if len(data) != count * np.dtype(kind).itemsize:
        raise ValueError("a key file is cut short; delete it and run again")
    return np.frombuffer(data, dtype=kind)


def split_by_buckets(keys: Keys, spans: Sequence[tuple[int, int]]) -> list[Keys]:
    """The keys of each span of buckets (first, last exclusive), of one part's keys in the order of its file."""
    buckets = _bucket_of(keys.keys)
    pieces = []
    for first, last in spans:
        a, b = np.searchsorted(buckets, (first, last))
        pieces.append(Keys(keys.keys[a:b], keys.tags[a:b], keys.units[a:b], keys.parts[a:b]))
    return pieces


def read_keys(path: str, part: int, first: int, last: int) -> Keys:
    """The keys of the buckets first..last-1 of the key file of part number `part`."""
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
    return Keys.of_part(part, cast(Uint64s, keys), cast(Uint32s, tags), cast(Uint32s, units))


def write_drops(path: str, parts: Uint32s, units: Uint32s, part_count: int) -> Written:
    """Writes the units that go, in any order; part by part and ascending in the file."""
    places = np.sort((parts.astype(np.uint64) << np.uint64(32)) | units)  # one sort of numbers, not of pairs
    beginnings = np.arange(part_count + 1, dtype=np.uint64) << np.uint64(32)
    starts = np.searchsorted(places, beginnings).astype("<u8")
    with files.create(path) as stream:
        stream.write(_HEADER.pack(_DROPS_MAGIC, len(places), part_count))
        stream.write(starts.tobytes())
        stream.write(places.astype("<u4").tobytes())  # the low half
    return stream.written()


def read_drops(path: str, first: int, count: int) -> tuple[Uint32s, Uint32s]:
    """(part numbers from 0, units that go) of the parts first..first+count-1, in order of both."""
    with files.open_binary(path) as stream:
        magic, _, parts = _HEADER.unpack(stream.read(_HEADER.size))
        if magic != _DROPS_MAGIC or first + count > parts:
            raise ValueError(f"{path} does not hold verdicts for part {first}; delete it and run again")
        starts = _array(stream, "<u8", _HEADER.size + 8 * first, count + 1).astype(np.int64)
        base = _HEADER.size + 8 * (parts + 1)
        units = _array(stream, "<u4", base + 4 * int(starts[0]), int(starts[-1] - starts[0]))
    return np.repeat(np.arange(count, dtype=np.uint32), np.diff(starts)), cast(Uint32s, units)
