"""Reads WARC files record by record: bytes of a .warc, .warc.gz or .warc.zst in, records and damaged places out.

The container is told by its first bytes, never by the file's name. A damaged place costs the record it is in and
nothing else: reading goes on at the next compressed frame that holds a record, or in plain text at the next
line `WARC/1.x`. Nothing is read whole but one record at a time, and a record has a size limit, also against bombs.

Sources: WARC 1.1 (ISO 28500:2017), RFC 1952 (gzip: one record a member), RFC 8878 (zstd) and IIPC's "Use of Zstandard
compression in WARC files" (one record a frame, dictionary in a first skippable frame 0x184D2A5D).
"""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import isal_zlib

ISAL_ERROR = cast(type[Exception], isal_zlib.IsalError)  # its stub calls the class an instance

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
HEADER_END = re.compile(rb"\r?\n\r?\n")
RECORD_START = re.compile(rb"WARC/[01]\.\d+\r?\n")

MAX_RECORD_BYTES = 64 << 20  # Common Crawl cuts payloads at 1 MiB (5 MiB since 2025)
MAX_HEADER_BYTES = 64 << 10  # of the WARC header block; real ones have about 600 bytes
MAX_DICTIONARY_BYTES = 16 << 20
MAX_INFLATION = 200  # inflated bytes a compressed byte, beyond one record's limit; HTML has 20, a bomb 1,032
READ_BYTES = 1 << 20  # of a plain file, and of a search
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


class _Damage(Exception):
    """What is wrong with the record that is being read."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Gzip:
    """gzip members. 16 KiB of input inflate to 17 MB at most, so a call is bounded."""

    name, magic, step = "gzip", GZIP_MAGIC, 16 << 10
    errors: tuple[type[Exception], ...] = (ISAL_ERROR, zlib.error)

    def frame(self) -> _Decompressor:
        frame: _Decompressor = isal_zlib.decompressobj(31)
        return frame


class _Zstd:
    """zstd frames. 1 KiB of input inflates to 32 MiB at most (256 blocks of one repeated byte): a call is bounded."""

    name, magic, step = "zstd", ZSTD_MAGIC, 1 << 10
    errors: tuple[type[Exception], ...] = (zstandard.ZstdError,)

    def __init__(self, dictionary: bytes) -> None:
        data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._context = zstandard.ZstdDecompressor(dict_data=data, max_window_size=128 << 20)

    def frame(self) -> _Decompressor:
        frame: _Decompressor = self._context.decompressobj()
        return frame


class _Source(ABC):
    """Bytes of one frame, or of a plain file: `data[at:]` is what is there, `more()` adds to it."""

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self.passed = 0  # inflated bytes no longer in `data`

    @abstractmethod
    def _piece(self) -> bytes:
        """The next bytes; none at the end. Raises _Damage where they cannot be had."""

    def more(self) -> bool:
        """Adds the next bytes; False when there are no more. Raises _Damage where they cannot be had."""
        piece = self._piece()
        self.passed += self.at
        self.data = self.data[self.at :] + piece
        self.at = 0
        return bool(piece)

    @property
    def position(self) -> int:
        return self.passed + self.at

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, or _Damage."""
        if len(self.data) - self.at < size:
            pieces = [self.data[self.at :]]
            have = len(pieces[0])
            self.passed += self.at
            self.data, self.at = b"", 0
            while have < size:
                piece = self._piece()
                if not piece:
                    self.passed += have
                    raise _Damage("damaged_record", f"Content-Length is {size}, only {have} bytes follow")
                pieces.append(piece)
                have += len(piece)
            self.data = b"".join(pieces)
        self.at += size
        return self.data[self.at - size : self.at]

    def skip(self, size: int) -> None:
        """Passes over `size` bytes without keeping them."""
        while (here := len(self.data) - self.at) < size:
            size -= here
            self.at = len(self.data)
            if not self.more():
                return
        self.at += size

    def skip_line_ends(self) -> bool:
        """Passes over CR and LF; False at the end of the bytes."""
        while True:
            rest = self.data[self.at : self.at + 64].lstrip(b"\r\n")
            if rest:
                self.at += min(64, len(self.data) - self.at) - len(rest)
                return True
            self.at = min(self.at + 64, len(self.data))
            if self.at == len(self.data) and not self.more():
                return False

    def take_to_record(self, limit: int) -> bytes:
        """The bytes up to the next line `WARC/1.x`, or to the end, without the blank lines before it."""
        pieces: list[bytes] = []
        size = 0
        while True:
            before = self.at
            found = self.skip_to_record()
            size += self.at - before
            if size > limit:
                raise _Damage(
                    "record_too_large", f"a block without a true Content-Length is over {limit} bytes"
                )
            pieces.append(self.data[before : self.at])
            if found:
                break
            if not self.more():
                pieces.append(self.data[self.at :])
                self.at = len(self.data)
                break
        return b"".join(pieces).rstrip(b"\r\n") + b"\n"

    def skip_to_record(self) -> bool:
        """Passes over what there is, as far as the next line `WARC/1.x`; False when no such line is there."""
        for found in RECORD_START.finditer(self.data, self.at):
            if found.start() and self.data[found.start() - 1 : found.start()] == b"\n":
                self.at = found.start()
                return True
        self.at = max(self.at, len(self.data) - 32)  # a start may stand across two pieces
        return False


class _Plain(_Source):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def _piece(self) -> bytes:
        return self._stream.read(READ_BYTES)


class _Frame(_Source):
    """The inflated bytes of one frame; `rest` is what was read of the file beyond it."""

    def __init__(self, stream: BinaryIO, codec: _Gzip | _Zstd, rest: bytes, allowance: int) -> None:
        super().__init__()
        self._stream, self._codec, self._frame = stream, codec, codec.frame()
        self.rest, self._allowance = rest, allowance
        self.consumed = self._inflated = 0

    @property
    def ended(self) -> bool:
        return self._frame.eof

    def _piece(self) -> bytes:
        step = self._codec.step
        while not self._frame.eof:
            if not self.rest:
                self.rest = self._stream.read(READ_BYTES)
                if not self.rest:
                    raise _Damage("damaged_record", f"the file ends inside a {self._codec.name} frame")
            chunk, self.rest = self.rest[:step], self.rest[step:]
            try:
                piece = self._frame.decompress(chunk)
            except self._codec.errors as error:
                raise _Damage("damaged_record", f"{self._codec.name}: {error}") from None
            self.consumed += len(chunk)
            if self._frame.eof:
                unused = self._frame.unused_data
                self.consumed -= len(unused)
                self.rest = unused + self.rest
            self._inflated += len(piece)
            if self._inflated > self._allowance + MAX_INFLATION * self.consumed:
                raise _Damage("record_too_large", f"{self.consumed} bytes inflate to over {self._inflated}")
            if piece:
                return piece
        return b""


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
        yield from _read_frames(stream, origin, _Gzip(), 0, max_record_bytes)
    elif start[:4] == ZSTD_MAGIC or SKIPPABLE_MAGIC.match(start):
        dictionary, offset = _dictionary(stream, origin)
        yield from _read_frames(stream, origin, _Zstd(dictionary), offset, max_record_bytes)
    elif RECORD_START.match(start.lstrip(b"\r\n")):
        source = _Plain(stream)
        for record in _read_source(source, max_record_bytes):
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
    stream: BinaryIO, origin: str, codec: _Gzip | _Zstd, offset: int, max_record_bytes: int
) -> Iterator[WarcRecord | DamagedRecord]:
    """The records of a file of frames, from `offset` on, where `stream` stands."""
    rest = b""
    found = False
    while True:
        if len(rest) < 8:
            rest += stream.read(READ_BYTES)
        if not rest:
            break
        if codec.name == "zstd" and SKIPPABLE_MAGIC.match(rest):
            offset += 8 + int.from_bytes(rest[4:8], "little")
            stream.seek(offset)
            rest = b""
            continue
        frame = _Frame(stream, codec, rest, max_record_bytes + MAX_HEADER_BYTES)
        broken: _Damage | None = None
        try:
            for record in _read_source(frame, max_record_bytes):
                found = found or isinstance(record, WarcRecord) or record.reason == "record_too_large"
                yield _placed(record, offset, frame.consumed, record.position)
        except _Damage as damage:
            broken = damage
        if broken is None:
            offset, rest = offset + frame.consumed, frame.rest
            continue
        found = found or broken.reason == "record_too_large"
        following = _next_frame(stream, codec, offset + 1)
        yield DamagedRecord(offset, following - offset, broken.reason, broken.detail, frame.position)
        stream.seek(following)
        offset, rest = following, b""
    if not found:
        raise ValueError(
            f"{origin}: not a WARC file (its {codec.name} frames hold no WARC record); give the path of a WARC file"
        )


def _read_source(source: _Source, max_record_bytes: int) -> Iterator[WarcRecord | DamagedRecord]:
    """The records in `source`, told from each other by their headers; offset and length are left for the caller.

    A record is given out only when what follows it is right too (the next record, or the end of a frame whose checksum
    holds). Where header lines end in a bare LF the file went through an editor or a checkout, and its Content-Length
    is not true any more: the block then goes up to the next record. Damage of the bytes goes through as _Damage.
    """
    while source.skip_line_ends():
        begin = source.position
        try:
            headers, bare = _headers(source)
            if bare:
                block = source.take_to_record(max_record_bytes)
                yield WarcRecord(headers.get("warc-type", "").lower(), headers, block, 0, 0, begin)
                continue
            length = headers.get("content-length", "")
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                raise _Damage("damaged_record", f"Content-Length is {length[:40]!r}")
            size = int(length)
            if size > max_record_bytes:
                source.skip(size)
                source.skip_line_ends()
                yield DamagedRecord(
                    0, 0, "record_too_large", f"Content-Length {size} is over {max_record_bytes} bytes", begin
                )
                continue
            block = source.take(size)
            while source.skip_line_ends() and len(source.data) - source.at < 16 and source.more():
                pass
            if source.at < len(source.data) and not RECORD_START.match(source.data, source.at):
                raise _Damage("damaged_record", f"Content-Length is {size}, the block goes on behind it")
        except _Damage as damage:
            if isinstance(source, _Frame) and not source.ended:
                raise
            while not source.skip_to_record():
                if not source.more():
                    source.at = len(source.data)
                    break
            yield DamagedRecord(0, 0, damage.reason, damage.detail, begin)
            continue
        yield WarcRecord(headers.get("warc-type", "").lower(), headers, block, 0, 0, begin)


def _headers(source: _Source) -> tuple[dict[str, str], bool]:
    """The header block at the source's place, which is passed over, and whether its lines end in a bare LF."""
    while True:
        end = HEADER_END.search(source.data, source.at, source.at + MAX_HEADER_BYTES)
        if end or len(source.data) - source.at >= MAX_HEADER_BYTES or not source.more():
            break
    if not RECORD_START.match(source.data, source.at):
        raise _Damage("damaged_record", f"no record here but {source.data[source.at : source.at + 20]!r}")
    if not end:
        raise _Damage("damaged_record", "the header block has no end")
    headers: dict[str, str] = {}
    name = ""
    for line in source.data[source.at : end.start()].decode("utf-8", "replace").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:  # a folded value
            headers[name] = f"{headers[name]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or name in headers:
            name = ""
            continue
        headers[name] = value.strip()
    source.at = end.end()
    return headers, b"\r" not in end.group()


def _next_frame(stream: BinaryIO, codec: _Gzip | _Zstd, offset: int) -> int:
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
