"""Encoded files: documents as tokens on their way to the shards, so laid out that one shard's bytes are easily found.

A file is written in runs. A run is one Arrow record batch message a slot (a shard of a split) that has documents, in
the order of the slots. Behind all runs stands a table of 64-bit offsets, little-endian, run after run: where each slot
begins, and where the last one ends; then how many runs and slots there are. A reader of one slot reads the end of the
file and two offsets a run, however many slots there are, and nobody else has to know where a slot is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from pipeline.files import HashingStream

_COUNTS = struct.Struct("<QQ")  # runs, slots
_OFFSET = np.dtype("<u8")


class EncodedWriter:
    """Writes runs to `stream` from its beginning, and the table at the end. Holds 8 bytes a slot and run."""

    def __init__(self, stream: HashingStream, slots: int) -> None:
        self._stream, self._slots, self._position = stream, slots, 0
        self._runs: list[bytes] = []

    def write_run(self, batches: Iterable[tuple[int, pa.RecordBatch]]) -> None:
        """Writes the batches of a run, each with the number of its slot, in the order of the slots."""
        sizes = np.zeros(self._slots + 1, _OFFSET)
        sizes[0] = self._position
        for slot, batch in batches:
            message = batch.serialize()
            self._stream.write(message)
            sizes[slot + 1] = message.size
        offsets = np.cumsum(sizes, dtype=_OFFSET)
        self._position = int(offsets[-1])
        self._runs.append(offsets.tobytes())

    def finish(self) -> None:
        for offsets in self._runs:
            self._stream.write(offsets)
        self._stream.write(_COUNTS.pack(len(self._runs), self._slots))


def read_slot(
    stream: BinaryIO, slot: int, slots: int, schema: pa.Schema, where: str
) -> Iterator[pa.RecordBatch]:
    """The record batches of one slot of `slots`, run after run. ValueError naming `where` when the file is damaged."""

    def read(position: int, size: int) -> bytes:
        stream.seek(position)
        data = stream.read(size)
        if len(data) != size:
            raise ValueError(f"{where} is cut short; delete it and run again")
        return data

    end = stream.seek(0, os.SEEK_END) - _COUNTS.size
    runs, found = _COUNTS.unpack(read(end, _COUNTS.size)) if end >= 0 else (0, 0)
    row = _OFFSET.itemsize * (slots + 1)
    table = end - runs * row
    if found != slots or table < 0:
        raise ValueError(f"{where} does not end in the offsets of {slots} slots; delete it and run again")
    for run in range(runs):
        at = table + run * row + slot * _OFFSET.itemsize
        begin, stop = np.frombuffer(read(at, 2 * _OFFSET.itemsize), _OFFSET).tolist()
        if not 0 <= begin <= stop <= table:
            raise ValueError(f"{where} has offsets outside of it; delete it and run again")
        if begin < stop:
            yield pa.ipc.read_record_batch(pa.py_buffer(read(begin, stop - begin)), schema)
