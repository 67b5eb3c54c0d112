"""Reads WARC files record by record: bytes of a .warc, .warc.gz or .warc.zst in, records and damaged places out.

The container is told by its first bytes, never by the file's name. A damaged place costs the record it is in and
nothing else: reading goes on at the next compressed frame that holds a record, or in plain text at the next
line `WARC/1.x`. Nothing is read whole but one record at a time, and a record has a size limit, also against bombs.

Sources: WARC 1.1 (ISO 28500:2017), RFC 1952 (gzip: one record a member), RFC 8878 (zstd) and IIPC's "Use of Zstandard
compression in WARC files" (one record a frame, dictionary in a first skippable frame 0x184D2A5D).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from stages.warc_bytes import (
    GZIP_MAGIC,
    READ_BYTES,
    RECORD_START,
    ZSTD_MAGIC,
    Ahead,
    BrokenBytes,
    Damage,
    Frame,
    Gzip,
    Plain,
    Rework,
    Source,
    Zstd,
)

SKIPPABLE_MAGIC = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
HEADER_END = re.compile(rb"\r?\n\r?\n")

MAX_RECORD_BYTES = 64 << 20  # Common Crawl cuts payloads at 1 MiB (5 MiB since 2025)
MAX_HEADER_BYTES = 64 << 10  # of the WARC header block; real ones have about 600 bytes
MAX_DICTIONARY_BYTES = 16 << 20
PROBE_BYTES = 512  # compressed bytes that show whether a frame begins with a record


@dataclass(frozen=True, slots=True)
class WarcRecord:
    """One record: its type, its headers (names in lower case, the first of a repeated name), and its block.

    `offset` and `length` in bytes are those of the compressed frame (plain file: of the record); where one frame holds
    several records, `length` goes as far as this record needed, and `position` is where in the
    inflated frame it begins.
    """

    type: str
    headers: Mapping[str, str]
    block: bytes
    offset: int
    length: int
    position: int = 0


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A place of `length` bytes at `offset` that gave no record; reason is `damaged_record` or `record_too_large`."""

    offset: int
    length: int
    reason: str
    detail: str
    position: int = 0


def read_records(
    stream: BinaryIO, origin: str, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[WarcRecord | DamagedRecord]:
    """Every record of a WARC file in file order, and in place of a record that cannot be read a DamagedRecord.

    `stream` is seekable and holds the raw file; `origin` names it in errors; a record whose block is larger than
    `max_record_bytes` is passed over. Raises ValueError when the file is no WARC file at all.
    """
    stream.seek(0)
    start = stream.read(16)
    stream.seek(0)
    if start[:3] == GZIP_MAGIC:
        yield from _read_frames(stream, origin, Gzip(), 0, max_record_bytes)
    elif start[:4] == ZSTD_MAGIC or SKIPPABLE_MAGIC.match(start):
        dictionary, offset = _dictionary(stream, origin)
        yield from _read_frames(stream, origin, Zstd(dictionary), offset, max_record_bytes)
    elif RECORD_START.match(start.lstrip(b"\r\n")):
        source = Plain(stream)
        for record in _read_source(source, max_record_bytes, Rework()):
            yield _placed(record, record.position, source.position - record.position, 0)
    else:
        what = "the file is empty" if not start else f"it begins with {start[:8]!r}"
        raise ValueError(
            f"{origin}: not a WARC file ({what}); give a .warc, .warc.gz or .warc.zst, or download it again"
        )


def _placed(
    record: WarcRecord | DamagedRecord, offset: int, length: int, position: int
) -> WarcRecord | DamagedRecord:
    if isinstance(record, WarcRecord):
        return WarcRecord(record.type, record.headers, record.block, offset, length, position)
    return DamagedRecord(offset, length, record.reason, record.detail, position)


def _read_frames(
    stream: BinaryIO, origin: str, codec: Gzip | Zstd, offset: int, max_record_bytes: int
) -> Iterator[WarcRecord | DamagedRecord]:
    """The records of a file of frames, from `offset` on, where `stream` stands."""
    ahead = Ahead(stream)
    rework = Rework()
    found = False
    first = ""  # what is wrong with the first frame that begins with a record and gives none
    while start := ahead.start(8):
        if codec.name == "zstd" and SKIPPABLE_MAGIC.match(start):
            offset += 8 + int.from_bytes(start[4:8], "little")
            ahead.seek(offset)
            continue
        frame = Frame(ahead, codec, max_record_bytes + MAX_HEADER_BYTES)
        broken: Damage | None = None
        try:
            for record in _read_source(frame, max_record_bytes, rework):
                found = found or isinstance(record, WarcRecord) or record.reason == "record_too_large"
                if not found and frame.begins_record and isinstance(record, DamagedRecord):
                    first = first or record.detail
                yield _placed(record, offset, frame.consumed, record.position)
        except Damage as damage:
            broken = damage
        if broken is None:
            offset += frame.consumed
            continue
        found = found or broken.reason == "record_too_large"
        if frame.begins_record:
            first = first or broken.detail
        # A frame that was cut off ends before the next one; frames that hold each other are left at the place reached.
        again = rework.allows(frame.inflated, offset + frame.consumed)
        following = _next_frame(stream, codec, offset + 1 if again else offset + max(frame.consumed, 1))
        yield DamagedRecord(offset, following - offset, broken.reason, broken.detail, frame.position)
        ahead.seek(following)
        offset = following
    if not found and first:
        raise ValueError(
            f"{origin}: damaged, none of its records can be read whole ({first}); download it again"
        )
    if not found:
        raise ValueError(
            f"{origin}: not a WARC file (its {codec.name} frames hold no WARC record); give the path of a WARC file"
        )


def _read_source(
    source: Source, max_record_bytes: int, rework: Rework
) -> Iterator[WarcRecord | DamagedRecord]:
    """The records in `source`, told from each other by their headers; offset and length are left for the caller.

    A record is given out only when what follows it is right too (the next record, or the end of a frame whose checksum
    holds). Otherwise its Content-Length is false, and its block is searched for the next record. Where header lines
    end in a bare LF the file went through an editor or a checkout, and its Content-Length is not true any more: the
    block then goes up to the next record. Damage of the bytes goes through as BrokenBytes.
    """
    while source.skip_line_ends():
        begin = source.position
        body = -1
        try:
            headers, bare = _headers(source)
            if bare:
                block = source.take_to_record(max_record_bytes)
                yield WarcRecord(headers.get("warc-type", "").lower(), headers, block, 0, 0, begin)
                continue
            length = headers.get("content-length", "")
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                raise Damage("damaged_record", f"Content-Length is {length[:40]!r}")
            size = int(length)
            body = source.position
            source.check(size)
            if size > max_record_bytes:
                source.skip(size)
                block = b""
            else:
                source.held = body - 1
                block = source.take(size)
            while source.skip_line_ends() and len(source.data) - source.at < 16 and source.more():
                pass
            if source.at < len(source.data) and not RECORD_START.match(source.data, source.at):
                raise Damage("damaged_record", f"Content-Length is {size}, the block goes on behind it")
        except BrokenBytes:
            raise
        except Damage as damage:
            if body >= 0:
                source.rewind(body, rework)
            elif source.position == begin:
                source.at += 1
            source.held = -1
            while not source.skip_to_record():
                if not source.more():
                    source.at = len(source.data)
                    break
            yield DamagedRecord(0, 0, damage.reason, damage.detail, begin)
            continue
        source.held = -1
        if size > max_record_bytes:
            yield DamagedRecord(
                0, 0, "record_too_large", f"Content-Length {size} is over {max_record_bytes} bytes", begin
            )
            continue
        yield WarcRecord(headers.get("warc-type", "").lower(), headers, block, 0, 0, begin)


def _headers(source: Source) -> tuple[dict[str, str], bool]:
    """The header block at the source's place, which is passed over, and whether its lines end in a bare LF."""
    while True:
        end = HEADER_END.search(source.data, source.at, source.at + MAX_HEADER_BYTES)
        if end or len(source.data) - source.at >= MAX_HEADER_BYTES or not source.more():
            break
    if not RECORD_START.match(source.data, source.at):
        raise Damage("damaged_record", f"no record here but {source.data[source.at : source.at + 20]!r}")
    if not end:
        raise Damage("damaged_record", "the header block has no end")
    headers: dict[str, str] = {}
    name = ""
    for line in source.data[source.at : end.start()].decode("utf-8", "replace").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:  # a folded value
            headers[name] = f"{headers[name]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name not in headers:
            headers[name] = value.strip()
        else:
            name = ""
    source.at = end.end()
    return headers, b"\r" not in end.group()


def _next_frame(stream: BinaryIO, codec: Gzip | Zstd, offset: int) -> int:
    """Where the next frame that begins with a record is, from `offset` on; the end of the file when there is none."""
    stream.seek(offset)
    data = stream.read(READ_BYTES)
    while True:
        last = len(data) < READ_BYTES
        at = data.find(codec.magic)
        while at >= 0 and (last or at + PROBE_BYTES <= len(data)):
            try:
                if codec.frame().decompress(data[at : at + PROBE_BYTES]).startswith(b"WARC/"):
                    return offset + at
            except codec.errors:
                pass
            at = data.find(codec.magic, at + 1)
        if last:
            return offset + len(data)
        keep = at if at >= 0 else len(data) - len(codec.magic) + 1
        offset += keep
        data = data[keep:] + stream.read(keep)


def _dictionary(stream: BinaryIO, origin: str) -> tuple[bytes, int]:
    """The dictionary of a .warc.zst (empty when it has none), and where the first frame of records begins."""
    head = stream.read(8)
    if head[:4] != DICTIONARY_MAGIC:
        stream.seek(0)
        return b"", 0
    size = int.from_bytes(head[4:8], "little")
    if size > MAX_DICTIONARY_BYTES:
        raise ValueError(
            f"{origin}: its dictionary has {size} bytes, over {MAX_DICTIONARY_BYTES}; recompress the file"
        )
    data = stream.read(size)
    if data[:4] == ZSTD_MAGIC:
        try:
            with zstandard.ZstdDecompressor(max_window_size=128 << 20).stream_reader(data) as reader:
                data = reader.read(MAX_DICTIONARY_BYTES)
        except zstandard.ZstdError as error:
            raise ValueError(
                f"{origin}: its dictionary cannot be read ({error}); download it again"
            ) from None
    return data, 8 + size
