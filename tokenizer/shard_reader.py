"""Reads token shards: all shards of a source and split as one long sequence of tokens.

In: a source's folder with its index. Out: tokens at any position as views into mapped files, without a copy, and the
documents that they belong to. A shard is opened when it is first touched, and so is each of its record batches. A block
of 64 KiB of tokens is held against its checksum when it is first read, document borders and ids likewise, and all that
stands around them in the file: a changed byte ends in a ValueError that names the file, whatever it meant, and reading
costs no more than what is read.

What is remembered of a record batch is four integers and one byte for each block: memory does not grow with what was
read, beyond that (16 MB for a terabyte).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc as ipc

from tokenizer.shard_checksums import (
    BLOCK_BYTES,
    DIGITS,
    BatchChecksums,
    batch_offsets,
    checksum,
    documents_checksum,
    frame_checksum,
)
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shards import ShardMetadata, Tokens, one_line, token_dtype

# Between the start of a record batch's metadata and its checksums; Arrow's own part of it is under 1 KiB.
_METADATA_BYTES = 1 << 14


class DocumentAt(NamedTuple):
    """A document of the stream: its id, where its text is, and its tokens [start, stop)."""

    id: str
    part: int
    row: int
    start: int
    stop: int


class _OpenShard:
    """A mapped shard. `tokens` and `integers` are views of the whole file by the width of a token and of an offset."""

    def __init__(self, path: Path, entry: ShardEntry, metadata: ShardMetadata) -> None:
        try:
            self._buffer = pa.memory_map(str(path)).read_buffer()
            self._reader = ipc.open_file(pa.BufferReader(self._buffer))
            found = ShardMetadata.from_schema(self._reader.schema, str(path))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{path}: cannot be read as a token shard ({one_line(error)}): {_WAY_OUT}"
            ) from error
        if found != metadata:
            raise ValueError(f"{path}: {found} differs from {INDEX_NAME} ({metadata}): {_WAY_OUT}")
        if self._reader.num_record_batches != len(entry.batches.tokens) or len(self._buffer) != entry.bytes:
            raise ValueError(f"{path}: another size than in {INDEX_NAME}: {_WAY_OUT}")
        self.path, self.entry = path, entry
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self._buffer, np.uint8)
        self._ends = list(accumulate(entry.batches.bytes, initial=0))  # of record batches, in the file
        if checksum(self.bytes[self._ends[-1] :]).decode() != entry.batches.checksums[-1]:
            raise ValueError(f"{path}: its footer is not that of {INDEX_NAME}: {_WAY_OUT}")
        self.tokens: Tokens = _whole(self.bytes, 4).view(token_dtype(metadata.tokenizer.vocabulary_size))
        self.integers: npt.NDArray[np.int32] = _whole(self.bytes, 4).view(np.int32)

    def batch(self, number: int) -> tuple[pa.RecordBatch, BatchChecksums]:
        """A record batch whose frame is that of the index; its content is not yet checked."""
        try:
            batch, metadata = self._reader.get_batch_with_custom_metadata(number)
            batch.validate()
            checksums = BatchChecksums.from_metadata(metadata or {})
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ValueError(f"{self.path}: damaged record batch ({one_line(error)}): {_WAY_OUT}") from error
        entry, borders = self.entry.batches, batch.column("tokens").offsets.to_numpy(zero_copy_only=True)
        if (
            any(batch.column(name).null_count for name in batch.schema.names)
            or not 0 <= borders[0] <= borders[-1] <= len(batch.column("tokens").values)
            or (int(borders[-1] - borders[0]), batch.num_rows)
            != (entry.tokens[number], entry.documents[number])
        ):
            raise ValueError(f"{self.path}: damaged record batch {number}: {_WAY_OUT}")
        data = self.bytes[self._ends[number] : self._ends[number + 1]]
        if frame_checksum(data, batch) != entry.checksums[number]:
            raise ValueError(f"{self.path}: record batch {number} is not that of {INDEX_NAME}: {_WAY_OUT}")
        return batch, checksums

    def places(self, number: int) -> tuple[int, int, int]:
        """Where in the file a record batch has its tokens and its document borders (items), and the digits of their
        checksums (bytes)."""
        batch, checksums = self.batch(number)
        column, width = batch.column("tokens"), self.tokens.itemsize
        borders, values = column.offsets, column.values
        first = int(borders[0].as_py())
        places = [
            array.buffers()[1].address + (array.offset + skipped) * size - self._buffer.address
            for array, skipped, size in ((values, first, width), (borders, 0, 4))
            if array.buffers()[1] is not None
        ]
        if len(places) != 2 or any(
            place < 0 or place % size or place > len(self.bytes)
            for place, size in zip(places, (width, 4), strict=True)
        ):
            raise ValueError(f"{self.path}: tokens that cannot be mapped (compressed?): {_WAY_OUT}")
        start = max(0, places[1] - len(checksums.tokens) - _METADATA_BYTES)
        digits = self.bytes[start : places[1]].tobytes().rfind(checksums.tokens)
        blocks = -(-self.entry.batches.tokens[number] * width // BLOCK_BYTES)
        if digits < 0 or len(checksums.tokens) != blocks * DIGITS:
            raise ValueError(f"{self.path}: damaged checksums of record batch {number}: {_WAY_OUT}")
        return places[0] // width, places[1] // 4, start + digits


_WAY_OUT = "copy it again or build the shards again"


def _whole(data: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    """The bytes without those behind the last whole item."""
    return data[: len(data) // width * width]


class TokenStream:
    """The tokens of one source and split, in the order of the shards, as one sequence."""

    def __init__(self, folder: Path, index: ShardIndex, split: str) -> None:
        """Opens nothing yet; `check_files` says whether the shards are there."""
        self.folder, self.metadata = folder, index.metadata(split)
        self.entries = index.splits[split]
        self.documents = sum(entry.documents for entry in self.entries)
        counts = [count for entry in self.entries for count in entry.batches.tokens]
        self.dtype = token_dtype(index.tokenizer.vocabulary_size)
        self._starts = np.zeros(len(counts) + 1, np.int64)  # of record batches, in the stream
        np.cumsum(counts, out=self._starts[1:])
        self._start_list: list[int] = self._starts.tolist()
        # Of each record batch: its shard, its number there, the first of its blocks, and where things are in the file.
        self._shard_of = [n for n, entry in enumerate(self.entries) for _ in entry.batches.tokens]
        self._number_of = [n for entry in self.entries for n in range(len(entry.batches.tokens))]
        blocks = np.cumsum([0, *(-(-count * self.dtype.itemsize // BLOCK_BYTES) for count in counts)])
        self._first_block: list[int] = blocks.tolist()
        self._seen = bytearray(int(blocks[-1]))  # blocks that were checked
        self._places: list[tuple[int, int, int] | None] = [None] * len(counts)
        self._borders_seen = bytearray(len(counts))
        self._open: list[_OpenShard | None] = [None] * len(self.entries)

    def __len__(self) -> int:
        """Number of tokens."""
        return self._start_list[-1]

    def slice(self, start: int, stop: int) -> Tokens:
        """Tokens [start, stop): a read-only view where they lie in one record batch, a copy where they do not.

        IndexError when the range is not within the stream, ValueError when the shard is damaged.
        """
        self._check_range(start, stop)
        views: list[Tokens] = []
        number = bisect_right(self._start_list, start) - 1
        while start < stop:
            base, end = self._start_list[number], min(stop, self._start_list[number + 1])
            if start < end:
                views.append(self._view(number, start - base, end - base))
                start = end
            number += 1
        if len(views) == 1:
            return views[0]
        return np.concatenate(views) if views else np.empty(0, self.dtype)

    def rows(
        self,
        starts: npt.NDArray[np.int64],
        out: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Puts the tokens from starts[i] on into row places[i] of `out`, [n, length], by default row i; as `slice`,
        but quicker for many."""
        length = out.shape[1]
        if len(starts):
            self._check_range(int(starts.min()), int(starts.max()) + length)
        numbers = np.searchsorted(self._starts, starts, side="right") - 1
        at = starts - self._starts[numbers]
        room = self._starts[numbers + 1] - starts
        into = range(len(starts)) if places is None else places.tolist()
        found = zip(into, numbers.tolist(), at.tolist(), room.tolist(), starts.tolist(), strict=True)
        for place, number, first, left, start in found:
            if length <= left:
                out[place] = self._view(number, first, first + length)
            else:
                out[place] = self.slice(start, start + length)

    def boundaries(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Positions in [start, stop) at which a document begins, ascending, from the offsets of the shards."""
        self._check_range(start, stop)
        found = [np.empty(0, np.int64)]
        number = bisect_right(self._start_list, start) - 1
        while number < len(self._places) and self._start_list[number] < stop:
            base, borders = self._start_list[number], self._borders(number)
            first, last = np.searchsorted(borders[:-1], (start - base, stop - base))
            found.append(borders[first:last].astype(np.int64) + base)
            number += 1
        return np.concatenate(found)

    def document_at(self, token: int) -> DocumentAt:
        """The document that holds the token at this position; IndexError when there is none."""
        self._check_range(token, token + 1)
        number = bisect_right(self._start_list, token) - 1
        borders = self._borders(number)
        row = int(np.searchsorted(borders, token - self._start_list[number], side="right")) - 1
        return self.document_of(number, row)

    def document_of(self, number: int, row: int) -> DocumentAt:
        """The document in a row of record batch `number` of the stream."""
        batch, base = self.documents_of(number), self._start_list[number]
        borders = batch_offsets(batch)
        id, part, where = (batch.column(name)[row].as_py() for name in ("id", "part", "row"))
        return DocumentAt(id, part, where, base + int(borders[row]), base + int(borders[row + 1]))

    @property
    def record_batches(self) -> int:
        """How many there are in all shards."""
        return len(self._places)

    def batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All record batches in order, each with the position of its first token; all but the tokens is checked."""
        for number in range(len(self._places)):
            yield self._start_list[number], self.documents_of(number)

    def documents_of(self, number: int) -> pa.RecordBatch:
        """Record batch `number` of the stream, whose borders, ids, parts and rows are checked against their sums."""
        shard = self._shard(number)
        batch, checksums = shard.batch(self._number_of[number])
        self._borders(number)
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            raise ValueError(f"{shard.path}: damaged record batch ({one_line(error)}): {_WAY_OUT}") from error
        if documents_checksum(batch) != checksums.documents:
            raise ValueError(f"{shard.path}: ids, parts or rows have changed: {_WAY_OUT}")
        return batch

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"tokens {start} to {stop} of {self.metadata.source}, which has {len(self)}")

    def _shard(self, number: int) -> _OpenShard:
        """The shard of a record batch, opened."""
        which = self._shard_of[number]
        shard = self._open[which]
        if shard is None:
            entry = self.entries[which]
            shard = self._open[which] = _OpenShard(self.folder / entry.name, entry, self.metadata)
        return shard

    def _located(self, number: int) -> tuple[int, int, int]:
        places = self._places[number]
        if places is None:
            places = self._places[number] = self._shard(number).places(self._number_of[number])
        return places

    def _view(self, number: int, start: int, stop: int) -> Tokens:
        """Tokens [start, stop) of a record batch, of which there is at least one."""
        base = (self._places[number] or self._located(number))[0]
        width, first = self.dtype.itemsize, self._first_block[number]
        last_block = first + (stop * width - 1) // BLOCK_BYTES
        block = first + start * width // BLOCK_BYTES
        while (block := self._seen.find(0, block, last_block + 1)) >= 0:
            self._check_block(number, block - first)
            self._seen[block] = 1
        tokens = self._shard(number).tokens
        return tokens[base + start : base + stop]

    def _check_block(self, number: int, block: int) -> None:
        shard, (tokens, _, digits) = self._shard(number), self._located(number)
        width, count = self.dtype.itemsize, self._start_list[number + 1] - self._start_list[number]
        start = tokens * width + block * BLOCK_BYTES
        stop = min(start + BLOCK_BYTES, (tokens + count) * width)
        expected = shard.bytes[digits + block * DIGITS : digits + (block + 1) * DIGITS].tobytes()
        if checksum(shard.bytes[start:stop]) != expected:
            raise ValueError(f"{shard.path}: bytes {start} to {stop} have changed: {_WAY_OUT}")

    def _borders(self, number: int) -> npt.NDArray[np.int32]:
        """Where the documents of a record batch begin in it, and where the last one ends; checked at first use."""
        shard, (_, place, _) = self._shard(number), self._located(number)
        count = shard.entry.batches.documents[self._number_of[number]] + 1
        borders = shard.integers[place : place + count]
        if not self._borders_seen[number]:
            checksums = shard.batch(self._number_of[number])[1]
            if checksum(borders - borders[0]) != checksums.offsets or np.any(np.diff(borders) < 0):
                raise ValueError(f"{shard.path}: borders of documents have changed: {_WAY_OUT}")
            self._borders_seen[number] = 1
        return borders - borders[0] if borders[0] else borders
