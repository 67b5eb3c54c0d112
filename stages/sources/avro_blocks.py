"""Rows of an Avro object container file, as BigQuery exports tables.

In: a seekable stream. Out: block by block its rows as dictionaries, with the byte range of the block. Only
what tables need is read: a record of primitive types, unions of them, and arrays of such records. Every size
is checked against what is there before it is used. Format: Apache Avro specification 1.11, "Object Container
Files" and "Binary Encoding".
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import zstandard

MAGIC = b"Obj\x01"
MAX_HEADER_BYTES = 1 << 20  # ours: the schema of a table
SYNC_BYTES = 16


@dataclass(frozen=True, slots=True)
class AvroBlock:
    """The rows of one block, or why it cannot be read, and where it is."""

    rows: tuple[dict[str, object], ...]
    offset: int
    length: int
    damage: str = ""


class _Bytes:
    """A cursor over bytes; every read past the end is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.position + size > len(self.data):
            raise ValueError(f"{size} bytes wanted, {len(self.data) - self.position} are there")
        self.position += size
        return self.data[self.position - size : self.position]

    def long(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def string(self) -> str:
        return self.take(self.long()).decode("utf-8")


Decode = Callable[[_Bytes], object]


def read_blocks(stream: BinaryIO, max_block_bytes: int) -> Iterator[AvroBlock]:
    """The blocks in order. A damaged one is told as such; after one without its end mark nothing more is
    read.

    Raises ValueError when the file's head is not readable or the schema is none of a table.
    """
    head = _Bytes(stream.read(MAX_HEADER_BYTES))
    if head.take(len(MAGIC)) != MAGIC:
        raise ValueError("no Avro file")
    facts: dict[str, bytes] = {}
    while count := head.long():
        if count < 0:
            head.long()
        for _ in range(abs(count)):
            key = head.string()
            facts[key] = head.take(head.long())
    sync = head.take(SYNC_BYTES)
    schema = json.loads(facts.get("avro.schema", b"null"))
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise ValueError("its schema is none of a table")
    decode = _decoder(schema)
    codec = facts.get("avro.codec", b"null").decode("ascii", "replace")
    if codec not in ("null", "deflate", "snappy", "zstandard"):
        raise ValueError(f"the codec {codec} is not read; export it with DEFLATE")
    position = head.position
    while True:
        stream.seek(position)
        lead = _Bytes(stream.read(20))
        if not lead.data:
            return
        try:
            count, size = lead.long(), lead.long()
            if not 0 <= size <= max_block_bytes or count < 0:
                raise ValueError(f"a block of {size} bytes")
            stream.seek(position + lead.position)
            packed = stream.read(size)
            if len(packed) < size or stream.read(SYNC_BYTES) != sync:
                raise ValueError("a block without its end mark")
        except ValueError as error:
            yield AvroBlock((), position, 0, f"{error}; the rest was not read")
            return
        length = lead.position + size + SYNC_BYTES
        try:
            rows = _rows(_inflated(packed, codec, max_block_bytes), count, decode)
            yield AvroBlock(rows, position, length)
        except (
            ValueError,
            OverflowError,
            struct.error,
            zlib.error,
            zstandard.ZstdError,
            pa.ArrowException,
        ) as error:
            yield AvroBlock((), position, length, " ".join(str(error).split()))
        position += length


def _rows(data: bytes, count: int, decode: Decode) -> tuple[dict[str, object], ...]:
    if count > len(data):
        raise ValueError(f"{count} rows in {len(data)} bytes")
    cursor = _Bytes(data)
    rows = []
    for _ in range(count):
        row = decode(cursor)
        assert isinstance(row, dict)
        rows.append(row)
    return tuple(rows)


def _inflated(packed: bytes, codec: str, max_bytes: int) -> bytes:
    if codec == "null":
        return packed
    if codec == "deflate":
        inflater = zlib.decompressobj(-15)
        data = inflater.decompress(packed, max_bytes)
        if inflater.unconsumed_tail:
            raise ValueError(f"more than {max_bytes} bytes unpacked")
        return data
    if codec == "zstandard":
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            data = reader.read(max_bytes + 1)
    else:  # snappy says its unpacked size first, and a checksum follows it
        size, shift = 0, 0
        for byte in packed[:5]:
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if size > max_bytes:
            raise ValueError(f"more than {max_bytes} bytes unpacked")
        data = pa.Codec("snappy").decompress(packed[:-4], size, asbytes=True)
    if len(data) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes unpacked")
    return bytes(data)


def _double(cursor: _Bytes) -> float:
    return float(struct.unpack("<d", cursor.take(8))[0])


def _float(cursor: _Bytes) -> float:
    return float(struct.unpack("<f", cursor.take(4))[0])


_PRIMITIVES: dict[str, Decode] = {
    "null": lambda cursor: None,
    "boolean": lambda cursor: cursor.take(1) != b"\0",
    "int": _Bytes.long,
    "long": _Bytes.long,
    "float": _float,
    "double": _double,
    "string": _Bytes.string,
    "bytes": lambda cursor: cursor.take(cursor.long()),
}


def _decoder(schema: object, depth: int = 0) -> Decode:
    """A function that reads one value of a schema. ValueError for types that no table of BigQuery has."""
    if depth > 8:
        raise ValueError("a schema nested too deep")
    if isinstance(schema, str) and schema in _PRIMITIVES:
        return _PRIMITIVES[schema]
    if isinstance(schema, list) and schema:
        branches = [_decoder(branch, depth + 1) for branch in schema]

        def union(cursor: _Bytes) -> object:
            branch = cursor.long()
            if not 0 <= branch < len(branches):
                raise ValueError(f"branch {branch} of {len(branches)}")
            return branches[branch](cursor)

        return union
    kind = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(schema, dict) and kind == "record" and isinstance(schema.get("fields"), list):
        fields = [
            (str(field.get("name")), _decoder(field.get("type"), depth + 1))
            for field in schema["fields"]
            if isinstance(field, dict)
        ]
        return lambda cursor: {name: decode(cursor) for name, decode in fields}
    if isinstance(schema, dict) and kind == "array":
        item = _decoder(schema.get("items"), depth + 1)

        def array(cursor: _Bytes) -> object:
            found: list[object] = []
            while count := cursor.long():
                if count < 0:
                    cursor.long()
                if len(found) + abs(count) > len(cursor.data):
                    raise ValueError(f"an array of {abs(count)} items in {len(cursor.data)} bytes")
                found.extend(item(cursor) for _ in range(abs(count)))
            return found

        return array
    if isinstance(kind, str | list | dict) and isinstance(schema, dict):
        return _decoder(kind, depth + 1)  # {"type": "string", "logicalType": ...}
    raise ValueError(f"a column of the Avro type {str(schema)[:80]}; export the tables as they are")
