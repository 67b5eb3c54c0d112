"""WARC reading: containers, damage, limits, and real files against warcio."""

from __future__ import annotations

import gzip
import io
import random
import re
import time
from pathlib import Path

import pytest
import zstandard
from warcio.archiveiterator import ArchiveIterator

from stages.warc import DamagedRecord, WarcRecord, read_records


def record(number: int, block: bytes = b"hello", length: int | None = None) -> bytes:
    head = (
        f"WARC/1.0\r\nContent-Length: {len(block) if length is None else length}\r\nWARC-TYPE: response\r\n"
    )
    return head.encode() + f"WARC-Record-ID: <urn:uuid:{number}>\r\n\r\n".encode() + block + b"\r\n\r\n"


def read(data: bytes, limit: int = 1 << 20) -> list[WarcRecord | DamagedRecord]:
    return list(read_records(io.BytesIO(data), "x.warc", limit))


def fates(records: list[WarcRecord | DamagedRecord]) -> list[str]:
    return [r.headers["warc-record-id"][10:-1] if isinstance(r, WarcRecord) else r.reason for r in records]


def members(count: int) -> list[bytes]:
    return [gzip.compress(record(n, bytes(range(256)) * 8), mtime=0) for n in range(count)]


def flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_reads_plain_gzip_and_zstd_alike() -> None:
    blocks = [record(0), record(1, b"")]
    plain = read(b"".join(blocks))
    gz = read(b"".join(map(gzip.compress, blocks)))
    zst = read(b"".join(map(zstandard.compress, blocks)))
    for records in (plain, gz, zst):
        assert fates(records) == ["0", "1"]
        assert [r.block for r in records if isinstance(r, WarcRecord)] == [b"hello", b""]
        assert [r.type for r in records if isinstance(r, WarcRecord)] == ["response", "response"]


def test_offset_and_length_are_those_of_the_member() -> None:
    data = members(3)
    places = [(r.offset, r.length) for r in read(b"".join(data))]
    assert places == [(0, len(data[0])), (len(data[0]), len(data[1])), (len(data[0] + data[1]), len(data[2]))]


def test_reads_many_records_in_one_member() -> None:
    assert fates(read(gzip.compress(b"".join(record(n) for n in range(5))))) == ["0", "1", "2", "3", "4"]


def test_reads_a_zstd_dictionary_in_the_first_frame() -> None:
    samples: list[bytes | bytearray | memoryview[int]] = [
        record(n, f"text of page {n} in many words {n * 7}".encode() * 9) for n in range(300)
    ]
    dictionary = zstandard.train_dictionary(4096, samples)
    raw = dictionary.as_bytes()
    frame = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw
    frames = zstandard.ZstdCompressor(dict_data=dictionary)
    data = frame + b"".join(frames.compress(s) for s in samples[:4])
    assert fates(read(data)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("at", [30, -6])
def test_a_flipped_byte_costs_one_record(at: int) -> None:
    data = members(4)
    data[1] = flipped(data[1], at)
    records = read(b"".join(data))
    assert fates(records) == ["0", "damaged_record", "2", "3"]
    assert (records[1].offset, records[1].length) == (len(data[0]), len(data[1]))


def test_a_member_cut_in_the_middle_costs_one_record() -> None:
    data = members(4)
    data[1] = data[1][: len(data[1]) // 2]
    assert fates(read(b"".join(data))) == ["0", "damaged_record", "2", "3"]


def test_a_damaged_first_member_costs_one_record() -> None:
    data = members(3)
    data[0] = flipped(data[0], 40)
    assert fates(read(b"".join(data))) == ["damaged_record", "1", "2"]


def test_a_magic_number_inside_a_damaged_member_is_no_member() -> None:
    decoy = gzip.compress(b"not a record", mtime=0)
    data = members(3)
    data[1] = flipped(gzip.compress(record(1, decoy * 3), compresslevel=0, mtime=0), -6)
    assert fates(read(b"".join(data))) == ["0", "damaged_record", "2"]


def test_a_file_cut_at_the_end_loses_its_last_record_only() -> None:
    assert fates(read(b"".join(members(3))[:-5])) == ["0", "1", "damaged_record"]


def test_garbage_between_members_is_reported_with_its_length() -> None:
    data = members(2)
    records = read(data[0] + b"\0garbage garbage" + data[1])
    assert fates(records) == ["0", "damaged_record", "1"]
    assert records[1].length == 16


@pytest.mark.parametrize("length", [3, 99, 600, 5000, 99_999_999_999])
@pytest.mark.parametrize("container", ["plain", "members", "one member", "zstd", "long member"])
def test_a_wrong_content_length_costs_one_record(length: int, container: str) -> None:
    data = [record(n, bytes([65 + n]) * 40) for n in range(7)]
    data[1] = record(1, b"y" * 40, length=length)
    data[3] = record(3, b"z" * 300)
    whole = b"".join(data)
    if container == "long member":  # the frame is not over when the record is judged
        data.append(record(7, random.Random(1).randbytes(200_000)))
        whole += data[-1]
    packed = {
        "plain": whole,
        "members": b"".join(map(gzip.compress, data)),
        "one member": gzip.compress(whole),
        "zstd": b"".join(map(zstandard.compress, data)),
        "long member": gzip.compress(whole),
    }[container]
    expected = ["0", "damaged_record", *map(str, range(2, len(data)))]
    assert fates(read(packed)) == expected


def test_wrong_lengths_one_after_another_cost_themselves_only() -> None:
    lengths = [None, 600, 99_999_999_999, None, 900, 70, None]
    data = b"".join(record(n, b"x" * 40, length=length) for n, length in enumerate(lengths))
    expected = ["0", "damaged_record", "damaged_record", "3", "damaged_record", "damaged_record", "6"]
    assert fates(read(data)) == expected
    assert fates(read(gzip.compress(data))) == expected


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_large_record_is_not_searched_for_records(compress: type[bytes]) -> None:
    inner = b"\r\n" + record(8) * 3
    data = [record(0), record(1, inner * 20), record(2)]
    assert fates(read(compress(b"".join(data)), limit=1000)) == ["0", "record_too_large", "2"]


def test_a_header_without_an_end_costs_one_record() -> None:
    data = record(0) + b"WARC/1.0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n" + record(2)
    records = read(data)
    assert fates(records) == ["0", "damaged_record", "2"]
    assert isinstance(records[1], DamagedRecord) and records[1].detail == "the header block has no end"


def nested_members(size: int) -> bytes:
    """Members whose stored blocks each hold the members behind, so that each byte is in a thousand of them."""
    head = b"WARC/1.0\r\nContent-Length: 99999999999\r\n\r\n"
    member = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\x00\xff\xff\x00\x00" + head
    return member * (size // len(member))


def test_members_that_hold_each_other_are_left_in_time() -> None:
    begin = time.process_time()
    records = read(gzip.compress(record(0)) + nested_members(4_000_000) + gzip.compress(record(2)))
    assert time.process_time() - begin < 4  # minutes where each member is inflated from its own start
    assert (fates(records)[0], fates(records)[-1]) == ("0", "2")
    assert set(fates(records)[1:-1]) == {"damaged_record"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_false_lengths_all_over_a_file_take_time_linear_in_it(compress: type[bytes]) -> None:
    data = compress(b"".join(record(n, b"x", length=900_000) for n in range(20_000)))
    begin = time.process_time()
    records = read(data)
    assert time.process_time() - begin < 4
    assert set(fates(records)) <= {"damaged_record", *map(str, range(20_000))}


COUNT, BAD = 80, 20


def eighty() -> list[bytes]:
    return [
        record(n, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"<p>%d" % n) for n in range(COUNT)
    ]


def damaged(kind: str) -> bytes:
    """Eighty records, one a member, with one kind of damage at number 20."""
    raw = eighty()
    packed = [gzip.compress(data, mtime=0) for data in raw]
    size = re.search(rb"Content-Length: \d+", raw[BAD])
    assert size is not None
    with_length = {
        "too long": raw[BAD].replace(size[0], size[0] + b"0"),
        "too short": raw[BAD].replace(size[0], b"Content-Length: 7"),
        "not a number": raw[BAD].replace(size[0], b"Content-Length: abc"),
        "header cut out": raw[BAD].replace(b"Content-Type: text/html\r\n", b""),
    }
    match kind:
        case "flipped":
            packed[BAD] = flipped(packed[BAD], len(packed[BAD]) // 2)
        case "checksum":
            packed[BAD] = packed[BAD][:-8] + bytes(4) + packed[BAD][-4:]
        case "cut":
            packed[BAD] = packed[BAD][: len(packed[BAD]) // 2]
        case "last cut":
            packed[-1] = packed[-1][: len(packed[-1]) // 2]
        case "garbage":
            packed[BAD] = b"\0garbage garbage" * 9
        case "one member":
            return gzip.compress(
                b"".join([*raw[:BAD], with_length["not a number"], *raw[BAD + 1 :]]), mtime=0
            )
        case _:
            packed[BAD] = gzip.compress(with_length[kind], mtime=0)
    return b"".join(packed)


@pytest.mark.parametrize(
    "kind",
    [
        "flipped", "checksum", "cut", "garbage", "too long", "too short", "not a number", "header cut out",
        "one member", "last cut",
    ],
)  # fmt: skip
def test_each_kind_of_damage_costs_one_record_and_is_counted(kind: str) -> None:
    lost = COUNT - 1 if kind == "last cut" else BAD
    expected = [str(n) for n in range(COUNT)]
    expected[lost] = "damaged_record"
    assert fates(read(damaged(kind))) == expected


def test_a_record_over_the_limit_is_passed_over() -> None:
    data = [record(0), record(1, b"a" * 5000), record(2)]
    for compress in (bytes, gzip.compress, zstandard.compress):
        assert fates(read(b"".join(map(compress, data)), limit=1000)) == ["0", "record_too_large", "2"]


def test_a_bomb_is_left_before_it_is_inflated() -> None:
    bomb = gzip.compress(record(1, bytes(64 << 20)))
    records = read(gzip.compress(record(0)) + bomb + gzip.compress(record(2)), limit=1 << 20)
    assert fates(records) == ["0", "record_too_large", "2"]
    assert isinstance(records[1], DamagedRecord)
    assert records[1].length == len(bomb)
    assert "bytes inflate to over" in records[1].detail


def test_a_block_that_ends_at_a_bare_line_feed_goes_up_to_the_next_record() -> None:
    data = b"WARC/1.0\nWARC-Type: conversion\nContent-Length: 3\n\nlonger than three\nlines\n\n" * 2
    blocks = [r.block for r in read(data) if isinstance(r, WarcRecord)]
    assert blocks == [b"longer than three\nlines\n"] * 2


def test_a_file_that_is_no_warc_is_an_error() -> None:
    for data in (b"", b"PK\x03\x04 zip", gzip.compress(b'{"text": "json"}\n')):
        with pytest.raises(ValueError, match=r"^x\.warc: not a WARC file \(.*\); give .*$"):
            read(data)


@pytest.mark.parametrize("lost", [1, 8, 20])
def test_a_file_of_one_record_that_lost_its_end_is_called_damaged(lost: int) -> None:
    with pytest.raises(ValueError, match=r"^x\.warc: damaged, none of its .* \(.*\); download it again$"):
        read(gzip.compress(record(0, b"page " * 100))[:-lost])
    with pytest.raises(ValueError, match="damaged, none of its records"):
        read(gzip.compress(record(0, length=99)))


def test_real_files_give_what_warcio_gives(shared_data: Path) -> None:
    checked = 0
    for path in sorted((shared_data / "commoncrawl" / "original").glob("*.warc*")):
        if path.name == "cc_net-sample.warc.txt":  # warcio refuses its line ends
            continue
        with path.open("rb") as stream:
            ours = [(r.headers["warc-record-id"], r.block) for r in read_records(stream, path.name)]  # type: ignore[union-attr]
        with path.open("rb") as stream:
            theirs = [
                (r.rec_headers.get_header("WARC-Record-ID"), r.raw_stream.read())
                for r in ArchiveIterator(stream, no_record_parse=True)
            ]
        assert ours == theirs
        checked += len(ours)
    assert checked == 1683
