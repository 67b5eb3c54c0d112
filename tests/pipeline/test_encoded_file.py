"""Encoded files: each slot gives back its own batches, and damage is told."""

from __future__ import annotations

from io import BytesIO

import pyarrow as pa
import pytest

from pipeline.encoded_file import EncodedWriter, read_slot
from pipeline.files import HashingStream

SCHEMA = pa.schema([pa.field("key", pa.uint64(), nullable=False)])


def batch(*keys: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(keys, pa.uint64())], schema=SCHEMA)


def written() -> bytes:
    """Three slots in two runs; nothing in slot 1, and slot 2 in the second run only."""
    stream = BytesIO()
    writer = EncodedWriter(HashingStream(stream), 3)
    writer.write_run([(0, batch(1, 2))])
    writer.write_run([(0, batch(3)), (2, batch(4, 5))])
    writer.finish()
    return stream.getvalue()


def keys(data: bytes, slot: int, slots: int = 3) -> list[list[int]]:
    found = read_slot(BytesIO(data), slot, slots, SCHEMA, "group.bin")
    return [one.column("key").to_pylist() for one in found]


def test_a_slot_gives_back_its_batches_run_after_run() -> None:
    assert [keys(written(), slot) for slot in range(3)] == [[[1, 2], [3]], [], [[4, 5]]]


def test_reading_a_slot_takes_its_own_bytes_and_two_offsets_a_run() -> None:
    stream = BytesIO()
    writer = EncodedWriter(HashingStream(stream), 10_000)
    writer.write_run((slot, batch(slot)) for slot in range(10_000))
    writer.finish()
    read: list[int] = []

    class Counted(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            read.append(len(data))
            return data

    counted = Counted(stream.getvalue())
    assert [b.column("key").to_pylist() for b in read_slot(counted, 7, 10_000, SCHEMA, "")] == [[7]]
    assert read == [16, 16, batch(7).serialize().size]


def test_one_without_documents_has_no_batches() -> None:
    stream = BytesIO()
    writer = EncodedWriter(HashingStream(stream), 2)
    writer.write_run([])
    writer.finish()
    assert keys(stream.getvalue(), 1, slots=2) == []


def test_damage_is_told() -> None:
    data, told = written(), "group.bin does not end in the offsets of"
    with pytest.raises(ValueError, match=f"{told} 4 slots; delete it and run again"):
        keys(data, 0, slots=4)
    for size in (0, 10, 40):
        with pytest.raises(ValueError, match=f"{told} 3 slots"):
            keys(data[-size:] if size else b"", 0)
    table = len(data) - 16 - 2 * 4 * 8
    changed = data[:table] + (1 << 40).to_bytes(8, "little") + data[table + 8 :]
    with pytest.raises(ValueError, match=r"group\.bin has offsets outside of it; delete it and run again"):
        keys(changed, 0)
