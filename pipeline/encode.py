"""From documents to token shards: encode, gather, index.

Documents are shuffled over the whole source while the shards are built: each document has a key (a hash of seed, source
and id) that says its shard and its place in it, so the order depends on nothing else. Encoding writes, for each group
of consecutive parts of documents, one record batch a split and shard (`pipeline.encoded_file`); a gathering task reads
its own batches of every encoded file, so that it holds one shard in memory, about twice. There are about as many
encoded files as shards, and only the files know where in them a shard's documents are: what a task is told, and what
its marker holds, is the same for any number of either. The index lists what the shards hold (`tokenizer.shard_index`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import files
from pipeline.encoded_file import EncodedWriter, read_slot
from pipeline.make_tokenizer import TOKENIZER_PATH
from pipeline.parts import documents_of
from pipeline.tasks import Result
from pipeline.validation_split import Splitter
from tokenizer.encoding import Encoder
from tokenizer.order import SPLITS, shard_of, shuffle_key
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, Tokens, token_schema

# Encoded documents are written in runs of this size, so that memory does not grow with the group. A group of about
# `shards.tokens`, 256 MiB, is one run, unless its documents are very short.
BYTES_PER_RUN = 384 << 20
# Of a document that waits for its run, beside its tokens (measured: 450 with an id of 36 characters).
BYTES_PER_ROW = 512
ROWS_PER_TAKE = 4096  # of a shard that are brought in order at once


def encoded_path(folder: str, number: int) -> str:
    """Where the encoded file of a group is."""
    return f"{folder}/group-{number:05d}.bin"


def _slot_of(shards: Mapping[str, int], split: str, shard: int) -> int:
    """The number of a shard among those of all splits."""
    return sum(shards[before] for before in SPLITS[: SPLITS.index(split)]) + shard


@dataclass(frozen=True)
class EncodeParts:
    """Consecutive parts of documents, to be spread over `shards[split]` shards; `first` is the number of the first one.

    `moved` is the file of `decide_validation`.
    """

    source: str
    parts: tuple[str, ...]
    first: int
    output: str
    shards: Mapping[str, int]
    validation_fraction: float
    moved: str
    seed: int


@dataclass(frozen=True)
class _Row:
    key: int
    id: str
    part: int
    row: int
    tokens: Tokens


def encode_parts(run: str, work: EncodeParts) -> Result:
    """Writes the documents of the parts as tokens."""
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as model:
        encoder = Encoder(model)
    splitter = Splitter(run, work.source, work.moved, work.validation_fraction)
    documents = tokens = size = held = 0
    pending: dict[int, list[_Row]] = {}
    with files.create(files.join(run, work.output)) as stream:
        writer = EncodedWriter(stream, sum(work.shards.values()))
        for part, path in enumerate(work.parts, work.first):
            for number, document in enumerate(documents_of(files.join(run, path))):
                split = splitter.split_of(document.id)
                key = shuffle_key(work.seed, work.source, document.id)
                encoded = encoder.encode(document.text)
                slot = _slot_of(work.shards, split, shard_of(key, work.shards[split]))
                pending.setdefault(slot, []).append(_Row(key, document.id, part, number, encoded))
                documents, tokens, size = documents + 1, tokens + len(encoded), size + document.text_bytes
                held += encoded.nbytes + BYTES_PER_ROW
                if held >= BYTES_PER_RUN:
                    _write_run(writer, pending, encoder.vocabulary_size)
                    held = 0
        _write_run(writer, pending, encoder.vocabulary_size)
        writer.finish()
    return Result({work.output: stream.written()}, {"documents": documents, "bytes": size, "tokens": tokens})


def _schema(vocabulary_size: int) -> pa.Schema:
    return token_schema(vocabulary_size).append(pa.field("key", pa.uint64(), nullable=False))


def _write_run(writer: EncodedWriter, pending: dict[int, list[_Row]], vocabulary_size: int) -> None:
    """Writes what is pending, slot by slot, and forgets it on the way."""
    writer.write_run((slot, _batch(pending.pop(slot), vocabulary_size)) for slot in sorted(pending))


def _batch(rows: list[_Row], vocabulary_size: int) -> pa.RecordBatch:
    batch = token_batch(
        [row.tokens for row in rows],
        [row.id for row in rows],
        [row.part for row in rows],
        [row.row for row in rows],
        vocabulary_size,
    )
    keys = pa.array([row.key for row in rows], pa.uint64())
    return pa.RecordBatch.from_arrays([*batch.columns, keys], schema=_schema(vocabulary_size))


@dataclass(frozen=True)
class GatherShard:
    """One shard: its documents in the encoded files of a folder, which are numbered from 0 to `groups` - 1."""

    source: str
    split: str
    shard: int
    shards: Mapping[str, int]
    encoded: str
    groups: int
    output: str


def gather_shard(run: str, work: GatherShard) -> Result:
    """Brings a shard's documents together in the order of (key, id)."""
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as model:
        identity = Encoder(model).identity
    schema = token_schema(identity.vocabulary_size)
    table = pa.Table.from_batches(
        _batches_of(run, work, identity.vocabulary_size), _schema(identity.vocabulary_size)
    )
    table = table.combine_chunks()
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


def _batches_of(run: str, work: GatherShard, vocabulary_size: int) -> Iterator[pa.RecordBatch]:
    """The documents of a shard, in the order of the parts."""
    slot, slots = _slot_of(work.shards, work.split, work.shard), sum(work.shards.values())
    for number in range(work.groups):
        path = files.join(run, encoded_path(work.encoded, number))
        with files.open_ranges(path) as stream:
            yield from read_slot(stream, slot, slots, _schema(vocabulary_size), path)


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
