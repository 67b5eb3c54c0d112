"""The members of a tar, read as a stream: names, sizes, contents, and nothing that a hostile header can blow
up.

In: a tar, plain or packed with gzip, bzip2 or xz. Out: its members in order; a content is read before the
next member is asked for, or skipped. Python's own tarfile is not used: it holds a header of any length, and
until 3.11.10 takes time in the square of it. Read are the POSIX ustar header, pax records (`path`, `size`)
and GNU long names (IEEE Std 1003.1, pax; GNU tar manual, "Basic Tar Format"); sparse files, links and devices
are members without content.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
MAX_HEADER_BYTES = 1 << 16  # ours: pax records or a long name of one member
MAX_HEADERS_IN_A_ROW = 8  # ours: a long name, a long link, pax records and global ones are four
XZ_MEMORY_BYTES = 256 << 20  # ours: xz -9 needs 65 MiB to unpack
_SKIPPED_AT_ONCE = 1 << 20


class TarError(ValueError):
    """The archive cannot be read on from here."""


@dataclass(slots=True)
class TarMember:
    """A member; `size` is -1 for what is no regular file. `offset` is that of the content in the tar as unpacked,
    `occupied` how many bytes are skipped to get to the next member.
    """

    path: str
    size: int
    offset: int
    occupied: int
    _tar: _Tar

    def read(self) -> bytes:
        """The whole content. TarError when the archive ends before."""
        return self._tar.take(self.size)


class _Xz:
    """Unpacks xz within a cap of memory, which lzma.LZMAFile cannot."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)

    def read(self, size: int) -> bytes:
        while not self._decompressor.eof:
            packed = self._stream.read(1 << 16) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not packed:
                raise EOFError("the xz stream ends too early")
            if block := self._decompressor.decompress(packed, size):
                return block
        return b""


class _Tar:
    def __init__(self, stream: BinaryIO) -> None:
        magic = stream.read(6)
        stream.seek(0)
        self._source: gzip.GzipFile | bz2.BZ2File | _Xz | BinaryIO = stream
        if magic.startswith(b"\x1f\x8b"):
            self._source = gzip.GzipFile(fileobj=stream)
        elif magic.startswith(b"BZh"):
            self._source = bz2.BZ2File(stream)
        elif magic.startswith(b"\xfd7zXZ"):
            self._source = _Xz(stream)
        self.position = 0

    def take(self, size: int, partly: bool = False) -> bytes:
        """The next `size` bytes; fewer at the end only when asked for `partly`."""
        pieces, wanted = [], size
        while wanted and (piece := self._source.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self.position += size - wanted
        if wanted and not partly:
            raise TarError(f"the archive ends {wanted} bytes before the end of a member")
        return b"".join(pieces)

    def skip_to(self, position: int) -> None:
        while self.position < position:
            self.take(min(position - self.position, _SKIPPED_AT_ONCE))

    def padded(self, size: int) -> bytes:
        """A header's body, and its padding."""
        if size > MAX_HEADER_BYTES:
            raise TarError(f"a header of {size} bytes")
        return self.take(-(-size // BLOCK) * BLOCK)[:size]


def tar_members(stream: BinaryIO) -> Iterator[TarMember]:
    """The members in order. TarError, or the error of the packing, where the archive cannot be read on."""
    stream.seek(0)
    tar = _Tar(stream)
    path, size, sparse, in_a_row = "", -1, False, 0
    while len(header := tar.take(BLOCK, partly=True)) == BLOCK and header.strip(b"\0"):
        _check(header)
        kind, stated = header[156:157], _number(header[124:136])
        in_a_row += 1
        if in_a_row > MAX_HEADERS_IN_A_ROW:
            raise TarError(f"more than {MAX_HEADERS_IN_A_ROW} headers for one member")
        if kind == b"x":
            records = _pax(tar.padded(stated))
            path = records.get(b"path", b"").decode("utf-8", "surrogateescape") or path
            if b"size" in records:
                size = _decimal(records[b"size"])
            sparse = sparse or any(key.startswith(b"GNU.sparse") for key in records)
            continue
        if kind == b"L":
            path = tar.padded(stated).rstrip(b"\0").decode("utf-8", "surrogateescape")
            continue
        if kind in b"gKXNV":
            tar.padded(stated)
            continue
        extended = kind == b"S" and header[482:483] not in (b"", b"\0")
        while extended:  # the map of a sparse file goes on in blocks of its own
            extended = tar.take(BLOCK)[504:505] != b"\0"
        length = stated if size < 0 else size
        has_content = kind in (b"0", b"\0", b"7") and not sparse
        start = tar.position
        name = path or _name(header)
        if name.endswith("/") and has_content:  # a folder as the oldest tars wrote it
            has_content = False
        # Links and devices have no content whatever their size says; of other kinds it is skipped.
        occupied = 0 if kind in b"123456" else length
        yield TarMember(name, length if has_content else -1, start, occupied, tar)
        tar.skip_to(start + -(-occupied // BLOCK) * BLOCK)
        path, size, sparse, in_a_row = "", -1, False, 0
    if header and len(header) < BLOCK:
        raise TarError("the archive ends inside of a header")


def _check(header: bytes) -> None:
    stated = _number(header[148:156])
    if stated != sum(header) - sum(header[148:156]) + 8 * 32:
        raise TarError("a header with a wrong checksum")


def _number(field: bytes) -> int:
    """Octal digits, or a binary number when the first bit is set (GNU)."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):
        raise TarError("a header with a wrong number")
    return int(digits or b"0", 8)


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise TarError("a size that is no number")
    return int(digits)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _pax(body: bytes) -> dict[bytes, bytes]:
    """Records `LENGTH KEY=VALUE\\n`, the length counting the whole record."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(body) and body[position]:
        blank = body.find(b" ", position, position + 8)
        length = _decimal(body[position:blank]) if blank > position else 0
        record = body[blank + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or position + length > len(body):
            raise TarError("pax records that cannot be read")
        records[key] = value[:-1]
        position += length
    return records
