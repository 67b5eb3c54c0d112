"""A take-down in the shards: the documents that left, and shards without them.

`join_places` brings together where the documents that go stand. `take_down_shard` writes a shard without them: those
that stay keep their order and their tokens, and their row is that of the new part. A shard of which no row changes is
linked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import files
from pipeline.derived_run import carry, read_gone
from pipeline.files import Written
from pipeline.key_files import Uint64s
from pipeline.tasks import OUTSIDE, Result
from tokenizer.shard_index import BatchEntries, ShardEntry
from tokenizer.shard_writer import write_shard
from tokenizer.shards import ShardMetadata

# A document that left a shard, (part << 32 | row) of the base, and its tokens.
SHARD_GONE = pa.schema([("place", pa.uint64()), ("tokens", pa.int64())])


@dataclass(frozen=True)
class JoinPlaces:
    """The lists of what left a source, and its parts in order."""

    gone: tuple[str, ...]
    parts: tuple[str, ...]
    output: str


def join_places(run: str, work: JoinPlaces) -> Result:
    """Writes where the documents that go stand, ascending: (part << 32) | row, 8 bytes each."""
    numbers = {path: number for number, path in enumerate(work.parts)}
    places = np.fromiter(
        ((numbers[row["path"]] << 32) | row["row"] for row in read_gone(run, work.gone)), np.uint64
    )
    with files.create(files.join(run, work.output)) as stream:
        stream.write(np.sort(places).astype("<u8").tobytes())
    return Result({work.output: stream.written()}, {"documents": len(places)})


@dataclass(frozen=True)
class TakeDownShard:
    """One shard of the base; `places` is the file of `join_places` of its source."""

    base: str = field(metadata=OUTSIDE)
    path: str
    expected: Written
    entry: ShardEntry
    metadata: ShardMetadata
    places: str
    output: str


def take_down_shard(run: str, work: TakeDownShard) -> Result:
    """The shard without what left; `output` names its documents that did, with their tokens.

    Raises ValueError for a shard that is not as its index says.
    """
    with files.open_binary(files.join(run, work.places)) as given:
        dropped: Uint64s = np.frombuffer(given.read(), "<u8").astype(np.uint64)
    places, tokens = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    changes = False
    for batch in _batches(work):
        where = _places_of(batch)
        changes |= bool(np.any(_dropped_before(dropped, where) > 0)) or bool(np.isin(where, dropped).any())
        gone = np.isin(where, dropped)
        places.append(where[gone])
        tokens.append(batch.column("tokens").value_lengths().to_numpy()[gone].astype(np.int64))
    listed = pa.table([np.concatenate(places), np.concatenate(tokens)], SHARD_GONE)
    with (
        files.create(files.join(run, work.output)) as stream,
        pa.ipc.new_file(pa.PythonFile(stream, mode="w"), SHARD_GONE) as writer,
    ):
        writer.write_table(listed)
    outputs = {work.output: stream.written()}
    if not changes:
        outputs[work.path] = carry(work.base, run, work.path, work.expected)
        return Result(outputs, _shard_statistics(work.entry.batches, 0))
    old = files.join(work.base, work.path)
    if files.sha256_of(old) != work.expected:
        raise ValueError(f"{old} is not as its manifest says; see llama-corpus verify {work.base}")
    with files.create(files.join(run, work.path)) as target:
        batches = write_shard(pa.PythonFile(target, mode="w"), _batches_without(work, dropped), work.metadata)
    outputs[work.path] = target.written()
    return Result(outputs, _shard_statistics(batches, len(listed)))


def _shard_statistics(batches: BatchEntries, gone: int) -> dict[str, Any]:
    return {
        "documents": sum(batches.documents),
        "tokens": sum(batches.tokens),
        "batches": asdict(batches),
        "gone": gone,
    }


def _places_of(batch: pa.RecordBatch) -> Uint64s:
    part, row = (batch.column(name).to_numpy().astype(np.uint64) for name in ("part", "row"))
    places: Uint64s = (part << np.uint64(32)) | row
    return places


def _dropped_before(dropped: Uint64s, places: Uint64s) -> npt.NDArray[np.int64]:
    """How many rows of the same part, before each of these, left."""
    starts = places & ~np.uint64(0xFFFFFFFF)
    before: npt.NDArray[np.int64] = np.searchsorted(dropped, places) - np.searchsorted(dropped, starts)
    return before


def _batches(work: TakeDownShard) -> Iterator[pa.RecordBatch]:
    """The record batches of the base's shard."""
    path = files.join(work.base, work.path)
    local = files.is_local(path)
    with pa.memory_map(path) if local else pa.PythonFile(files.open_binary(path), mode="r") as stream:
        try:
            reader = pa.ipc.open_file(stream)
            found = ShardMetadata.from_schema(reader.schema, path)
            if found != work.metadata or reader.num_record_batches != len(work.entry.batches.tokens):
                raise ValueError(f"{path} is not the shard of its index; see llama-corpus verify {work.base}")
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        except pa.ArrowException as error:
            raise ValueError(f"{path} is damaged ({error}); see llama-corpus verify {work.base}") from error


def _batches_without(work: TakeDownShard, dropped: Uint64s) -> Iterator[pa.RecordBatch]:
    """The documents that stay, in their order."""
    schema = work.metadata.schema()
    for batch in _batches(work):
        where = _places_of(batch)
        rows = batch.column("row").to_numpy() - _dropped_before(dropped, where)
        columns = [
            batch.column("tokens"),
            batch.column("id"),
            batch.column("part"),
            pa.array(rows.astype(np.int32)),
        ]
        whole = pa.RecordBatch.from_arrays(columns, schema=schema)
        yield whole.filter(pa.array(~np.isin(where, dropped)))


def entry_of(path: str, written: Written, statistics: Mapping[str, Any]) -> ShardEntry:
    """The index entry of a shard, from what its task reported."""
    batches = {name: tuple(values) for name, values in statistics["batches"].items()}
    return ShardEntry(path.rpartition("/")[2], written.bytes, BatchEntries(**batches))
