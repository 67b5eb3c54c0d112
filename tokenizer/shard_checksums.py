"""Checksums of a record batch of tokens, which it carries with it: a reader checks what it touches, and no more.

In: a record batch of `tokenizer.shards.token_schema`. Out: XXH3-64 digests, in hexadecimal: one for each 64 KiB of its
tokens, one for the borders of its documents, one for its other columns. They stand in the record batch's own metadata
in the file. The index of the source keeps one more of each record batch: of its frame, which is all else that stands in
the file for it, these checksums, Arrow's own tables and padding. So neither a changed byte nor a record batch of
another run goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from tokenizer.shards import Tokens

BLOCK_BYTES = 1 << 16  # of tokens under one checksum: 5 us to check at first touch, 0.02 % more to store
DIGITS = 16  # of one checksum

_TOKENS, _OFFSETS, _DOCUMENTS = b"tokens_xxh3_64", b"offsets_xxh3_64", b"documents_xxh3_64"


@dataclass(frozen=True, slots=True)
class BatchChecksums:
    """Hexadecimal digits: 16 for each block of the tokens, 16 for the borders of documents, 16 for id, part and row."""

    tokens: bytes
    offsets: bytes
    documents: bytes

    def as_metadata(self) -> dict[bytes, bytes]:
        return {_TOKENS: self.tokens, _OFFSETS: self.offsets, _DOCUMENTS: self.documents}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes]) -> BatchChecksums:
        """ValueError when one is missing."""
        names = (_TOKENS, _OFFSETS, _DOCUMENTS)
        if missing := [name.decode() for name in names if name not in metadata]:
            raise ValueError(f"a record batch without {missing[0]}")
        return cls(*(metadata[name] for name in names))


def batch_tokens(batch: pa.RecordBatch) -> Tokens:
    """The tokens of all its documents, one after the other; a view."""
    column = batch.column("tokens")
    borders = column.offsets.to_numpy(zero_copy_only=True)
    tokens: Tokens = column.values.to_numpy(zero_copy_only=True)[borders[0] : borders[-1]]
    return tokens


def batch_offsets(batch: pa.RecordBatch) -> npt.NDArray[np.int32]:
    """Where its documents begin in `batch_tokens`, and where the last one ends."""
    borders: npt.NDArray[np.int32] = batch.column("tokens").offsets.to_numpy(zero_copy_only=True)
    return borders - borders[0] if borders[0] else borders


def checksums_of(batch: pa.RecordBatch) -> BatchChecksums:
    """The checksums of a record batch, whatever it is a slice of."""
    data = batch_tokens(batch).view(np.uint8)
    blocks = (data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES))
    return BatchChecksums(
        b"".join(checksum(block) for block in blocks),
        checksum(np.ascontiguousarray(batch_offsets(batch))),
        documents_checksum(batch),
    )


def checksum(data: npt.NDArray[np.uint8] | npt.NDArray[np.int32]) -> bytes:
    """XXH3-64 of the bytes of a contiguous array, as hexadecimal digits."""
    return xxhash.xxh3_64_hexdigest(data.data).encode()


def documents_checksum(batch: pa.RecordBatch) -> bytes:
    """Of the lengths of the ids, the ids, the parts and the rows."""
    ids = batch.column("id")
    digest = xxhash.xxh3_64()
    digest.update(pc.binary_length(ids).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
    _, borders, data = ids.buffers()
    if len(ids) and data is not None:
        first, last = np.frombuffer(borders, np.int32)[[ids.offset, ids.offset + len(ids)]]
        digest.update(memoryview(data)[first:last])
    for name in ("part", "row"):
        digest.update(batch.column(name).to_numpy(zero_copy_only=True).tobytes())
    return digest.hexdigest().encode()


def frame_checksum(data: npt.NDArray[np.uint8], batch: pa.RecordBatch) -> str:
    """XXH3-64, in hexadecimal, of the bytes of a file in which a record batch stands, without those of its contents.

    `batch` was read from `data` without a copy.
    """
    start, at, digest = data.ctypes.data, 0, xxhash.xxh3_64()
    for address, size in sorted(_contents(batch)):
        digest.update(data[at : max(0, address - start)].data)
        at = max(0, address - start + size)
    digest.update(data[at:].data)
    return digest.hexdigest()


def _contents(batch: pa.RecordBatch) -> list[tuple[int, int]]:
    """Address and bytes of each array of a record batch: what its checksums are of."""
    lists, ids = batch.column("tokens"), batch.column("id")
    found = [(_address(lists.offsets), 4 * (len(lists) + 1))]
    tokens = batch_tokens(batch)
    found.append((tokens.ctypes.data, tokens.nbytes))
    _, borders, text = ids.buffers()
    if borders is not None:
        found.append((borders.address + 4 * ids.offset, 4 * (len(ids) + 1)))
    if borders is not None and text is not None and len(ids):
        first, last = np.frombuffer(borders, np.int32)[[ids.offset, ids.offset + len(ids)]].tolist()
        found.append((text.address + first, last - first))
    found += [(_address(batch.column(name)), 4 * batch.num_rows) for name in ("part", "row")]
    return found


def _address(array: pa.Array) -> int:
    """Of the first value of an array of 32-bit integers."""
    numbers: npt.NDArray[np.int32] = array.to_numpy(zero_copy_only=True)
    return numbers.ctypes.data
