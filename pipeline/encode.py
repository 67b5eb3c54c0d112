"""From documents to a tokenizer and token shards: sample, train, encode, gather.

Documents are shuffled over the whole source while the shards are built: each document has a key (a hash of seed, source
and id) that says its shard and its place in it, so the order depends on nothing else. Encoding writes, for each part of
documents, one record batch a split and shard; a gathering task reads its own batches of every encoded part.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import files
from pipeline.parts import documents_of, read_documents
from pipeline.tasks import Result
from tokenizer.encoding import Encoder
from tokenizer.order import shard_of, shuffle_key, split_of
from tokenizer.shards import ShardMetadata, Tokens, token_batch, token_schema, write_shard
from tokenizer.training import sample_fraction_keeps, train_tokenizer

TOKENIZER_PATH = "tokenizer/tokenizer.model"


@dataclass(frozen=True)
class SampleTexts:
    """The documents of one part whose hash falls under `fraction`, for training the tokenizer."""

    source: str
    part: str
    output: str
    fraction: float
    seed: int


SAMPLE_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


def sample_texts(run: str, work: SampleTexts) -> Result:
    ids, texts, size = [], [], 0
    for batch in read_documents(files.join(run, work.part), ["id", "text"]):
        for id, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True):
            if sample_fraction_keeps(work.seed, work.source, id, work.fraction):
                ids.append(id)
                texts.append(text)
                size += len(text.encode())
    with files.create(files.join(run, work.output)) as stream:
        table = pa.table([ids, texts], schema=SAMPLE_SCHEMA)
        pq.write_table(table, pa.PythonFile(stream, mode="w"), compression="zstd")
    return Result({work.output: stream.written()}, {"documents": len(ids), "bytes": size})


@dataclass(frozen=True)
class TrainTokenizer:
    samples: tuple[str, ...]
    vocabulary: int


def train_tokenizer_on_samples(run: str, work: TrainTokenizer) -> Result:
    def texts() -> Iterator[str]:
        for path in work.samples:
            for batch in read_documents(files.join(run, path)):
                yield from batch["text"].to_pylist()

    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as folder:
        local = os.path.join(folder, "tokenizer.model")
        report = train_tokenizer(texts(), local, vocabulary=work.vocabulary)
        written = files.put(local, files.join(run, TOKENIZER_PATH))
    return Result({TOKENIZER_PATH: written}, dict(report))


# Encoded documents are sorted and written in runs of this many tokens, so that memory does not grow with the part.
TOKENS_PER_RUN = 32 << 20


@dataclass(frozen=True)
class EncodePart:
    """One part of documents, to be spread over `shards[split]` shards."""

    source: str
    part: str
    part_number: int
    output: str
    shards: Mapping[str, int]
    validation_fraction: float
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
            split = split_of(work.source, document.id, work.validation_fraction)
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
    batches: list[pa.RecordBatch] = []
    for path, numbers in work.encoded:
        with files.open_binary(files.join(run, path)) as part:
            reader = pa.ipc.open_file(pa.PythonFile(part, mode="r"))
            batches.extend(reader.get_batch(number) for number in numbers)
    keyed = schema.append(pa.field("key", pa.uint64(), nullable=False))
    table = pa.Table.from_batches(batches, schema=keyed)
    indices = pc.sort_indices(table, sort_keys=[("key", "ascending"), ("id", "ascending")])
    ordered = table.take(indices).select(schema.names).combine_chunks()
    with files.create(files.join(run, work.output)) as stream:
        size = write_shard(
            pa.PythonFile(stream, mode="w"),
            (batch.cast(schema) for batch in ordered.to_batches()),
            ShardMetadata(identity, work.source, work.split),
        )
    return Result({work.output: stream.written()}, asdict(size))
