"""Token shards: the files in which the pipeline hands tokens to the trainer, writer and reader side by side.

A shard is an uncompressed Arrow IPC *file*, so that it can be memory-mapped and read without a copy. One row
is one document: its tokens (BOS first, EOS last), its id, and the part and row of the documents table it was
made from, so that a training step can be traced back to its texts. The schema's metadata says which tokenizer
made the tokens and which source and split they belong to; a reader refuses what does not fit.

In: record batches of documents in their final order. Out: shards named `train-00000-of-00004.arrow`, and
readers that see all shards of a source and split as one long sequence of tokens. The shards of a split divide
the 64-bit shuffle key into equal ranges, so the sequence is the same for any number of shards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc as ipc

from tokenizer.order import SPLITS

Tokens = npt.NDArray[np.uint16 | np.uint32]

FORMAT_VERSION = "1"
TOKENS_PER_BATCH = (
    1 << 22
)  # of a record batch; random reads slow down below 2^20 (measured: many small views)
MAX_TOKENS_PER_ARROW_LIST = (1 << 31) - 1  # Arrow's list type counts with int32


@dataclass(frozen=True, slots=True)
class TokenizerIdentity:
    """What two parts must agree on to mean the same tokens; `sha256` is of the model file, in hex."""

    sha256: str
    vocabulary_size: int
    bos_id: int
    eos_id: int


@dataclass(frozen=True, slots=True)
class ShardMetadata:
    """What a shard says of itself in the metadata of its schema; `split` is "train" or "validation"."""

    tokenizer: TokenizerIdentity
    source: str
    split: str

    def schema(self) -> pa.Schema:
        """The Arrow schema of the shard, with this metadata in it."""
        if self.split not in SPLITS:
            raise ValueError(f"split {self.split!r} of {self.source}: must be one of {', '.join(SPLITS)}")
        metadata = {
            "format_version": FORMAT_VERSION,
            "tokenizer_sha256": self.tokenizer.sha256,
            "vocabulary_size": str(self.tokenizer.vocabulary_size),
            "bos_id": str(self.tokenizer.bos_id),
            "eos_id": str(self.tokenizer.eos_id),
            "source": self.source,
            "split": self.split,
        }
        return token_schema(self.tokenizer.vocabulary_size).with_metadata(metadata)

    @classmethod
    def from_schema(cls, schema: pa.Schema, where: str) -> ShardMetadata:
        """The metadata of a schema; ValueError naming `where` when it is no shard of this version."""
        found = {key.decode("utf-8", "replace"): value for key, value in (schema.metadata or {}).items()}
        version = found.get("format_version", b"").decode("utf-8", "replace")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{where}: token shard format {version!r}, this version reads {FORMAT_VERSION!r}: "
                "build the shards again"
            )
        try:
            metadata = cls(
                TokenizerIdentity(
                    sha256=found["tokenizer_sha256"].decode("ascii"),
                    vocabulary_size=int(found["vocabulary_size"]),
                    bos_id=int(found["bos_id"]),
                    eos_id=int(found["eos_id"]),
                ),
                source=found["source"].decode("utf-8"),
                split=found["split"].decode("utf-8"),
            )
        except (KeyError, ValueError) as error:
            raise ValueError(f"{where}: damaged shard metadata ({error}): build the shards again") from error
        if not schema.equals(metadata.schema()):
            raise ValueError(f"{where}: the columns are not those of a token shard: build the shards again")
        return metadata


def token_dtype(vocabulary_size: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """The type of a token: uint16 while every id fits, uint32 above 65,536 pieces."""
    return np.dtype(np.uint16) if vocabulary_size <= 1 << 16 else np.dtype(np.uint32)


def token_schema(vocabulary_size: int) -> pa.Schema:
    """The columns of a shard, without its metadata."""
    return pa.schema(
        [
            pa.field("tokens", pa.list_(pa.from_numpy_dtype(token_dtype(vocabulary_size))), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("part", pa.int32(), nullable=False),
            pa.field("row", pa.int32(), nullable=False),
        ]
    )


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


@dataclass(frozen=True, slots=True)
class ShardSize:
    """How much a shard holds."""

    documents: int
    tokens: int


def write_shard(stream: BinaryIO, batches: Iterable[pa.RecordBatch], metadata: ShardMetadata) -> ShardSize:
    """Writes one shard to `stream` (left open) and says how much it holds.

    The bytes depend on the documents and their order only, not on how they came in batches: they are
    regrouped into record batches that end with the document which reaches `TOKENS_PER_BATCH`. Memory: one
    such batch and the one that came in. A shard without documents is a valid file. ValueError when a batch
    has other columns than `token_schema`.
    """
    schema = metadata.schema()
    documents = total = 0
    with ipc.new_file(stream, schema) as writer:
        for group in _regrouped(batches, schema):
            documents += group.num_rows
            total += len(group.column("tokens").flatten())
            writer.write_batch(group)
    return ShardSize(documents, total)


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


@dataclass(frozen=True)
class Shard:
    """An open shard: read-only views into the mapped file, a record batch each.

    `tokens[b]` are the tokens of record batch b; `starts` (record batches + 1) are the positions in the shard
    at which they begin, and its length. `offsets[b]` are the borders of the documents within `tokens[b]`.
    """

    path: Path
    metadata: ShardMetadata
    documents: int
    starts: npt.NDArray[np.int64]
    tokens: tuple[Tokens, ...]
    offsets: tuple[npt.NDArray[np.int32], ...]
    batches: tuple[pa.RecordBatch, ...]

    def __len__(self) -> int:
        """Number of tokens."""
        return int(self.starts[-1])

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Maps a shard into memory; ValueError with path and cause when it is damaged or no token shard."""
        try:
            reader = ipc.open_file(pa.memory_map(str(path)))
            metadata = ShardMetadata.from_schema(reader.schema, str(path))
            batches = tuple(reader.get_batch(number) for number in range(reader.num_record_batches))
            for batch in batches:
                batch.validate()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{path}: cannot be read as a token shard ({one_line(error)}): build it again"
            ) from error
        tokens, offsets = [], []
        for batch in batches:
            column = batch.column("tokens")
            if any(batch.column(name).null_count for name in batch.schema.names):
                raise ValueError(f"{path}: damaged token shard (missing values): build it again")
            borders = column.offsets.to_numpy(zero_copy_only=True)
            values = column.values.to_numpy(zero_copy_only=True)
            if not 0 <= borders[0] <= borders[-1] <= len(values):
                raise ValueError(
                    f"{path}: damaged token shard (document borders out of range): build it again"
                )
            tokens.append(values[borders[0] : borders[-1]])
            offsets.append(borders - borders[0] if borders[0] else borders)
        starts = np.zeros(len(batches) + 1, np.int64)
        np.cumsum([len(view) for view in tokens], out=starts[1:])
        documents = sum(batch.num_rows for batch in batches)
        return cls(path, metadata, documents, starts, tuple(tokens), tuple(offsets), batches)

    def views(self, start: int, stop: int) -> Iterator[Tokens]:
        """Tokens [start, stop) of the shard as views into the file, in order, without a copy."""
        batch = int(np.searchsorted(self.starts, start, side="right")) - 1
        while start < stop:
            base, end = int(self.starts[batch]), min(stop, int(self.starts[batch + 1]))
            if start < end:
                yield self.tokens[batch][start - base : end - base]
                start = end
            batch += 1

    def document_at(self, token: int) -> tuple[str, int, int]:
        """(id, part, row) of the document that holds the token at this position of the shard."""
        number = int(np.searchsorted(self.starts, token, side="right")) - 1
        row = int(np.searchsorted(self.offsets[number], token - self.starts[number], side="right")) - 1
        batch = self.batches[number]
        return (
            batch.column("id")[row].as_py(),
            batch.column("part")[row].as_py(),
            batch.column("row")[row].as_py(),
        )


class TokenStream:
    """The tokens of the shards of one source and split, in the order of their names, as one sequence."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Opens the shards; ValueError when there is none, or two differ in tokenizer, source or split."""
        self.shards = tuple(Shard.open(path) for path in sorted(paths, key=lambda path: path.name))
        if not self.shards:
            raise ValueError("no token shard was given: run the pipeline up to its shards first")
        first = self.shards[0]
        for shard in self.shards:
            if shard.metadata != first.metadata:
                raise ValueError(
                    f"{shard.path}: {shard.metadata} differs from {first.path.name} ({first.metadata}): "
                    "build all shards of a source in one run"
                )
        self.metadata = first.metadata
        self.documents = sum(shard.documents for shard in self.shards)
        self.starts = np.cumsum([0, *map(len, self.shards)], dtype=np.int64)

    def __len__(self) -> int:
        """Number of tokens."""
        return int(self.starts[-1])

    def slice(self, start: int, stop: int) -> Tokens:
        """Tokens [start, stop): a read-only view where they lie in one record batch, a copy where they do
        not.

        IndexError when the range is not within the stream.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"tokens {start} to {stop} of {self.metadata.source}, which has {len(self)}")
        views: list[Tokens] = []
        shard = int(np.searchsorted(self.starts, start, side="right")) - 1
        while start < stop:
            base, end = int(self.starts[shard]), min(stop, int(self.starts[shard + 1]))
            views.extend(self.shards[shard].views(start - base, end - base))
            start = end
            shard += 1
        if len(views) == 1:
            return views[0]
        return np.concatenate(views) if views else np.empty(0, self.dtype)

    @property
    def dtype(self) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
        return token_dtype(self.metadata.tokenizer.vocabulary_size)

    def document_at(self, token: int) -> tuple[str, int, int]:
        """(id, part, row) of the document that holds the token; IndexError when there is none."""
        if not 0 <= token < len(self):
            raise IndexError(f"token {token} of {self.metadata.source}, which has {len(self)}")
        shard = int(np.searchsorted(self.starts, token, side="right")) - 1
        return self.shards[shard].document_at(token - int(self.starts[shard]))


def shard_name(split: str, number: int, shards: int) -> str:
    """File name of shard `number` of `shards`: `train-00000-of-00004.arrow`."""
    return f"{split}-{number:05d}-of-{shards:05d}.arrow"


def list_shards(folder: Path, split: str) -> list[Path]:
    """The shards of a split in a source's folder, in order; empty when there is none.

    ValueError when one of the numbered set is missing, or shards of two sets lie side by side.
    """
    pattern = re.compile(rf"{re.escape(split)}-[0-9]{{5}}-of-([0-9]{{5}})\.arrow")
    found = {
        path.name: match
        for path in folder.glob(f"{split}-*.arrow")
        if (match := pattern.fullmatch(path.name))
    }
    if not found:
        return []
    shards = int(min(match[1] for match in found.values()))
    expected = [shard_name(split, number, shards) for number in range(shards)]
    if odd := sorted(found.keys() ^ set(expected)):
        trouble = "missing" if odd[0] in expected else "left from another run"
        raise ValueError(f"{folder / odd[0]}: {trouble}: build the {split} shards again")
    return [folder / name for name in expected]


def check_compatible(metadata: ShardMetadata, tokenizer: TokenizerIdentity, where: str) -> None:
    """ValueError when the shard at `where` was not made with this tokenizer."""
    if metadata.tokenizer != tokenizer:
        found = metadata.tokenizer
        raise ValueError(
            f"{where}: made with tokenizer {found.sha256[:12]} of {found.vocabulary_size} pieces "
            f"(BOS {found.bos_id}, EOS {found.eos_id}), not with {tokenizer.sha256[:12]} of "
            f"{tokenizer.vocabulary_size} (BOS {tokenizer.bos_id}, EOS {tokenizer.eos_id}): "
            "use that tokenizer or build the shards again"
        )


def one_line(error: Exception) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())
