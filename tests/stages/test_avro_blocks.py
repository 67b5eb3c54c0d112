"""Avro files against fastavro, which Beam brings along, and damaged and hostile ones."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zlib

import fastavro
import pytest

from stages.sources.avro_blocks import AvroBlock, read_blocks

SCHEMA = {
    "type": "record",
    "name": "Root",
    "fields": [
        {"name": "id", "type": ["null", "string"]},
        {"name": "content", "type": ["null", "string"]},
        {"name": "binary", "type": ["null", "boolean"]},
        {"name": "size", "type": ["null", "long"]},
        {"name": "share", "type": "double"},
        {
            "name": "language",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Language",
                    "fields": [
                        {"name": "name", "type": ["null", "string"]},
                        {"name": "bytes", "type": ["null", "long"]},
                    ],
                },
            },
        },
    ],
}
ROWS = [
    {
        "id": f"{number:040x}",
        "content": None if number % 7 == 0 else "é\n" * number,
        "binary": number % 7 == 0,
        "size": -number * 10**9,
        "share": number / 3,
        "language": [{"name": "C", "bytes": number}] * (number % 3),
    }
    for number in range(200)
]


def written(codec: str = "null") -> bytes:
    stream = io.BytesIO()
    fastavro.writer(
        stream, fastavro.parse_schema(SCHEMA), ROWS, codec=codec, sync_interval=2_000, sync_marker=b"s" * 16
    )
    return stream.getvalue()


def blocks(content: bytes, max_block_bytes: int = 1 << 20) -> list[AvroBlock]:
    return list(read_blocks(io.BytesIO(content), max_block_bytes))


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_reads_the_rows_that_were_written(codec: str) -> None:
    content = written(codec)
    found = blocks(content)
    assert [row for block in found for row in block.rows] == ROWS
    assert len(found) > 3
    assert not any(block.damage for block in found)
    ends = [block.offset + block.length for block in found]
    assert ends[-1] == len(content)
    assert [block.offset for block in found[1:]] == ends[:-1]


def test_reads_snappy_as_bigquery_writes_it() -> None:
    pa = pytest.importorskip("pyarrow")
    content = written()
    first = blocks(content)[0]
    head = content[: first.offset].replace(b"\x08null", b"\x0csnappy")
    lead = content[first.offset : first.offset + first.length - 16]
    cursor = 0
    for _ in range(2):
        while lead[cursor] >= 0x80:
            cursor += 1
        cursor += 1
    packed = pa.Codec("snappy").compress(lead[cursor:], asbytes=True) + b"crc!"
    size = len(packed) * 2
    block = lead[: 2 if lead[0] >= 0x80 else 1] + bytes(
        [size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]
    )
    found = blocks(head + block + packed + b"s" * 16)
    assert found[0].rows == first.rows


def test_a_block_that_is_damaged_costs_its_own_rows_only() -> None:
    content = bytearray(written("deflate"))
    second = blocks(bytes(content))[1]
    content[second.offset + 12] ^= 0xFF
    found = blocks(bytes(content))
    assert found[1].damage
    assert len(found[1].rows) == 0
    whole = blocks(written("deflate"))
    assert [block.rows for block in found[2:]] == [block.rows for block in whole[2:]]


def test_a_truncated_file_says_where() -> None:
    content = written()
    found = blocks(content[:-5])
    assert found[-1].damage == "a block without its end mark; the rest was not read"
    assert [block.rows for block in found[:-1]] == [block.rows for block in blocks(content)[:-1]]


def header(schema: object, codec: bytes = b"null") -> bytes:
    text = json.dumps(schema).encode()
    assert 64 <= len(text) < 8192
    length = bytes([len(text) * 2 & 0x7F | 0x80, len(text) * 2 >> 7])
    return (
        b"Obj\x01\x04\x16avro.schema" + length + text + b"\x14avro.codec" + bytes([len(codec) * 2]) + codec
        + b"\0" + b"s" * 16
    )  # fmt: skip


TEXT_ROW = {"type": "record", "name": "RootOfTheTable", "fields": [{"name": "id", "type": "string"}]}
NULL_ROW = {"type": "record", "name": "RootOfTheTable", "fields": [{"name": "id", "type": "null"}]}
NULL_ARRAY = {
    "type": "record",
    "name": "RootOfTheTable",
    "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}],
}


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (header(TEXT_ROW) + b"\x02\x04\xfe\x01" + b"s" * 16, "127 bytes wanted"),
        (header(TEXT_ROW) + b"\x02\x02\x01" + b"s" * 16, "-1 bytes wanted"),
        (header(TEXT_ROW) + b"\x02" + b"\xff" * 9 + b"\x01", "a block of -"),
        (header(TEXT_ROW) + b"\x02" + b"\xff" * 12, "a number of more than 64 bits"),
        (header(NULL_ROW) + b"\xfe\xff\xff\xff\x0f\x02\x00" + b"s" * 16, "rows in 1 bytes"),
        (header(NULL_ARRAY) + b"\x02\x0a\xfe\xff\xff\xff\x0f" + b"s" * 16, "an array of"),
        (header(TEXT_ROW) + b"\x02\x04\x02\xff" + b"s" * 16, "'utf-8' codec"),
        (header(TEXT_ROW, b"deflate") + b"\x02\x04\xff\xff" + b"s" * 16, "Error -3"),
    ],
)
def test_sizes_are_checked_before_they_are_used(content: bytes, damage: str) -> None:
    (found,) = blocks(content)
    assert damage in found.damage
    assert found.rows == ()


def test_a_bomb_is_not_unpacked() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"\0" * 50_000_000) + packer.flush()
    size = len(packed) * 2
    lead = b"\x02" + bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    (found,) = blocks(header(TEXT_ROW, b"deflate") + lead + packed + b"s" * 16)
    assert found.damage == f"more than {1 << 20} bytes unpacked"


def with_field(kind: object) -> object:
    return {"type": "record", "name": "R" * 60, "fields": [{"name": "m", "type": kind}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Obj\x01\xff\xff", "bytes wanted"),
        (header(["null", "string", "x" * 60]), "none of a table"),
        (header(with_field({"type": "map"})), "the Avro type"),
        (header(TEXT_ROW, b"bzip2"), "the codec bzip2"),
        (header(with_field(json.loads("[" * 20 + '"null"' + "]" * 20))), "too deep"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blocks(content)


def test_random_damage_never_escapes() -> None:
    content = written("deflate")
    source = random.Random(1)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(source.randrange(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        with contextlib.suppress(ValueError):
            blocks(bytes(damaged))
