"""Writes token shards: record batches of documents in their final order in, one shard and its index entry out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import xxhash

from tokenizer.shard_checksums import checksums_of, frame_checksum
from tokenizer.shard_index import BatchEntries
from tokenizer.shards import ShardMetadata, Tokens, token_dtype, token_schema

# Of a record batch; random reads slow down below 2^20 (measured: many small views).
TOKENS_PER_BATCH = 1 << 22
MAGIC = b"ARROW1\0\0"  # that an Arrow file begins with, padded to 8 bytes
MAX_TOKENS_PER_ARROW_LIST = (1 << 31) - 1  # Arrow's list type counts with int32


def token_batch(
    tokens: Sequence[Tokens],
    ids: Sequence[str],
    parts: Sequence[int],
    rows: Sequence[int],
    vocabulary_size: int,
) -> pa.RecordBatch:
    """Encoded documents as one record batch; ValueError when they hold more than 2^31 - 1 tokens together."""
    schema = token_schema(vocabulary_size)
    offsets = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(document) for document in tokens], out=offsets[1:])
    if offsets[-1] > MAX_TOKENS_PER_ARROW_LIST:
        raise ValueError(
            f"{offsets[-1]} tokens in one batch that starts with {ids[0]!r}: pass fewer documents at once"
        )
    dtype = token_dtype(vocabulary_size)
    values = np.concatenate(tokens) if tokens else np.empty(0, dtype)
    assert values.dtype == dtype, (
        f"tokens are {values.dtype}, the vocabulary of {vocabulary_size} needs {dtype}"
    )
    lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
    columns = [
        lists,
        *(pa.array(c, schema.field(n).type) for n, c in (("id", ids), ("part", parts), ("row", rows))),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def write_shard(stream: BinaryIO, batches: Iterable[pa.RecordBatch], metadata: ShardMetadata) -> BatchEntries:
    """Writes one shard to `stream` (left open) and says what its record batches hold.

    The bytes depend on the documents and their order only, not on how they came in batches: they are
    regrouped into record batches that end with the document which reaches `TOKENS_PER_BATCH`. Memory: one
    such batch and the one that came in. A shard without documents is a valid file. ValueError when a batch
    has other columns than `token_schema`.
    """
    schema = metadata.schema()
    tokens, documents, sizes = [], [], []
    checksums: list[str] = []
    copied = _Copied(stream)
    with ipc.new_file(pa.PythonFile(copied, mode="w"), schema) as writer:
        for group in _regrouped(batches, schema):
            writer.write_batch(group, custom_metadata=checksums_of(group).as_metadata())
            written = copied.taken()
            documents.append(group.num_rows)
            tokens.append(len(group.column("tokens").flatten()))
            sizes.append(len(written))
            checksums.append(_frame_checksum(written, schema, first=not checksums))
    checksums.append(xxhash.xxh3_64_hexdigest(copied.taken()))
    return BatchEntries(tuple(tokens), tuple(documents), tuple(sizes), tuple(checksums))


class _Copied:
    """A stream that passes on what Arrow writes, and keeps it until it is taken."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._kept, self._written = stream, bytearray(), 0

    def write(self, data: bytes) -> int:
        self._kept += data
        self._written += len(data)
        self._stream.write(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Left to the owner of the stream, as `close` is."""

    close = flush

    def taken(self) -> bytes:
        """All that was written since the last call."""
        kept, self._kept = bytes(self._kept), bytearray()
        return kept


def _frame_checksum(written: bytes, schema: pa.Schema, first: bool) -> str:
    """Of a record batch as it was written; before the first one stands the header of the file."""
    data = np.frombuffer(written, np.uint8)
    stream = pa.BufferReader(written)
    if first:
        stream.seek(len(MAGIC))
        ipc.read_message(stream)  # the schema
    batch = ipc.read_record_batch(ipc.read_message(stream), schema)
    return frame_checksum(data, batch)


def _regrouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The same rows in batches that end with the row which brings them to `TOKENS_PER_BATCH`."""
    pending: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        if not batch.schema.equals(schema):
            raise ValueError(
                f"{schema.metadata[b'source'].decode()}: batch columns {batch.schema.names} of other types"
            )
        ends = held + np.cumsum(batch.column("tokens").value_lengths().to_numpy(), dtype=np.int64)
        start = before = 0
        while (stop := int(np.searchsorted(ends, before + TOKENS_PER_BATCH)) + 1) <= batch.num_rows:
            yield _joined([*pending, batch.slice(start, stop - start)], schema)
            pending, start, before = [], stop, int(ends[stop - 1])
        if start < batch.num_rows:
            pending.append(batch.slice(start))
        held = (int(ends[-1]) if batch.num_rows else held) - before
    if pending:
        yield _joined(pending, schema)


def _joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.concat_arrays([batch.column(name) for batch in batches]) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
