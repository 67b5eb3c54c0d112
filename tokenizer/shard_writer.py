"""Writes token shards: record batches of documents in their final order in, one shard and its index entry out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from tokenizer.shard_checksums import checksums_of
from tokenizer.shard_index import BatchEntries
from tokenizer.shards import ShardMetadata, Tokens, token_dtype, token_schema

# Of a record batch; random reads slow down below 2^20 (measured: many small views).
TOKENS_PER_BATCH = 1 << 22
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
    tokens, documents, checksums = [], [], []
    with ipc.new_file(stream, schema) as writer:
        for group in _regrouped(batches, schema):
            found = checksums_of(group)
            writer.write_batch(group, custom_metadata=found.as_metadata())
            documents.append(group.num_rows)
            tokens.append(len(group.column("tokens").flatten()))
            checksums.append(found.digest)
    return BatchEntries(tuple(tokens), tuple(documents), tuple(checksums))


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
