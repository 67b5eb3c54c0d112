"""From documents to token shards: encode, gather, index.

Documents are shuffled over the whole source while the shards are built: each document has a key (a hash of seed, source
and id) that says its shard and its place in it, so the order depends on nothing else. Encoding writes, for each part of
documents, one record batch a split and shard; a gathering task reads its own batches of every encoded part, so that it
holds one shard in memory, about twice. The index lists what the shards hold (`tokenizer.shard_index`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import files
from pipeline.make_tokenizer import TOKENIZER_PATH
from pipeline.parts import documents_of
from pipeline.tasks import Result
from pipeline.validation_split import Splitter
from tokenizer.encoding import Encoder
from tokenizer.order import shard_of, shuffle_key
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, Tokens, token_schema

# Encoded documents are sorted and written in runs of this many tokens, so that memory does not grow with the part.
TOKENS_PER_RUN = 32 << 20
ROWS_PER_TAKE = 4096  # of a shard that are brought in order at once


@dataclass(frozen=True)
class EncodePart:
    """One part of documents, to be spread over `shards[split]` shards; `moved` is the file of `decide_validation`."""

    source: str
    part: str
    part_number: int
    output: str
    shards: Mapping[str, int]
    validation_fraction: float
    moved: str
    seed: int


@dataclass(frozen=True)
class _Row:
    key: int
    id: str
    row: int
    tokens: Tokens


def encode_part(run: str, work: EncodePart) -> Result:
    """Writes the part's documents as tokens; one record batch holds those of one run, split and shard.

    The statistics list which [split, shard] each record batch is for, in order.
    """
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as model:
        encoder = Encoder(model)
    splitter = Splitter(run, work.source, work.moved, work.validation_fraction)
    schema = token_schema(encoder.vocabulary_size).append(pa.field("key", pa.uint64(), nullable=False))
    slices: list[list[Any]] = []
    documents = tokens = size = held = 0
    pending: dict[tuple[str, int], list[_Row]] = {}
    with (
        files.create(files.join(run, work.output)) as stream,
        pa.ipc.new_file(pa.PythonFile(stream, mode="w"), schema) as writer,
    ):

        def write_run() -> None:
            for (split, shard), rows in sorted(pending.items()):
                batch = token_batch(
                    [r.tokens for r in rows],
                    [r.id for r in rows],
                    [work.part_number] * len(rows),
                    [r.row for r in rows],
                    encoder.vocabulary_size,
                )
                keys = pa.array([r.key for r in rows], pa.uint64())
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, keys], schema=schema))
                slices.append([split, shard])
            pending.clear()

        for number, document in enumerate(documents_of(files.join(run, work.part))):
            split = splitter.split_of(document.id)
            key = shuffle_key(work.seed, work.source, document.id)
            encoded = encoder.encode(document.text)
            row = _Row(key, document.id, number, encoded)
            pending.setdefault((split, shard_of(key, work.shards[split])), []).append(row)
            documents, tokens, held = documents + 1, tokens + len(encoded), held + len(encoded)
            size += document.text_bytes
            if held >= TOKENS_PER_RUN:
                write_run()
                held = 0
        write_run()
    statistics = {"documents": documents, "bytes": size, "tokens": tokens, "slices": slices}
    return Result({work.output: stream.written()}, statistics)


@dataclass(frozen=True)
class GatherShard:
    """One shard: the record batches of the encoded parts that belong to it, as (path, numbers of its batches)."""

    source: str
    split: str
    encoded: tuple[tuple[str, tuple[int, ...]], ...]
    output: str


def gather_shard(run: str, work: GatherShard) -> Result:
    """Brings a shard's documents together in the order of (key, id)."""
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as model:
        identity = Encoder(model).identity
    schema = token_schema(identity.vocabulary_size)
    table = _table_of(run, work, schema.append(pa.field("key", pa.uint64(), nullable=False)))
    order = pc.sort_indices(table, sort_keys=[("key", "ascending"), ("id", "ascending")])
    documents = table.select(schema.names)

    def ordered() -> Iterator[pa.RecordBatch]:
        metadata = ShardMetadata(identity, work.source, work.split)
        for start in range(0, len(order), ROWS_PER_TAKE):
            piece = documents.take(order.slice(start, ROWS_PER_TAKE)).combine_chunks()
            yield from (batch.cast(metadata.schema()) for batch in piece.to_batches())

    with files.create(files.join(run, work.output)) as stream:
        batches = write_shard(
            pa.PythonFile(stream, mode="w"), ordered(), ShardMetadata(identity, work.source, work.split)
        )
    statistics = {
        "documents": sum(batches.documents),
        "tokens": sum(batches.tokens),
        "batches": asdict(batches),
    }
    return Result({work.output: stream.written()}, statistics)


def _table_of(run: str, work: GatherShard, schema: pa.Schema) -> pa.Table:
    """The documents of a shard in one piece, in the order of the parts."""
    batches: list[pa.RecordBatch] = []
    for path, numbers in work.encoded:
        with files.open_binary(files.join(run, path)) as part:
            reader = pa.ipc.open_file(pa.PythonFile(part, mode="r"))
            batches.extend(reader.get_batch(number) for number in numbers)
    return pa.Table.from_batches(batches, schema=schema).combine_chunks()


@dataclass(frozen=True)
class IndexShards:
    """The shards of a source: split -> shards in order."""

    source: str
    splits: Mapping[str, tuple[ShardEntry, ...]]
    output: str


def index_shards(run: str, work: IndexShards) -> Result:
    """Writes the index beside the shards."""
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as model:
        identity = Encoder(model).identity
    with files.create(files.join(run, work.output)) as stream:
        stream.write(ShardIndex(work.source, identity, work.splits).encoded())
    return Result({work.output: stream.written()}, {"shards": {s: len(e) for s, e in work.splits.items()}})


def index_path(source: str) -> str:
    return f"shards/{source}/{INDEX_NAME}"
