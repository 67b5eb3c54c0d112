"""Zip files from outside, read member by member in memory, within caps: nothing is written to disk.

In: a seekable stream. Out: `Archive`, which reads a member by its name. Refused: encrypted members, more members or
inflated bytes than the caps allow, a member that inflates to a multiple of its packed size that only bombs have. A
member is found by its exact name, so that a path that leads outside (`../x`, `/x`) is a name that no book refers to.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

MAX_MEMBERS = 10_000  # ours: a Bible with a file a chapter has 1,200
MAX_DIRECTORY_BYTES = MAX_MEMBERS * 400  # ours: 46 bytes and a name of 100 characters are usual
MAX_RATIO = 200  # ours, of members over `MIN_RATIO_BYTES`: text packs 3 to 10 times, deflate's limit is 1,032
MIN_RATIO_BYTES = 1 << 20
_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC = b"PK\x05\x06", b"PK\x06\x07"
_ENCRYPTED = 0x1


class BadArchive(ValueError):
    """An archive that is not read further; `reason` is a rejection reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass
class Archive:
    """An open zip file; `left` is how many bytes may still be inflated."""

    zip: zipfile.ZipFile
    left: int
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(self.zip.namelist())

    def has(self, name: str) -> bool:
        return name in self.zip.NameToInfo

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises BadArchive: `damaged_record`, `drm`, `book_too_large`."""
        try:
            info = self.zip.getinfo(name)
        except KeyError:
            raise BadArchive("damaged_record", f"{name[:200]} is not in the archive") from None
        if info.flag_bits & _ENCRYPTED:
            raise BadArchive("drm", f"{name[:200]} is encrypted")
        limit = self.left
        if info.file_size > MIN_RATIO_BYTES:
            limit = min(limit, max(MIN_RATIO_BYTES, info.compress_size * MAX_RATIO))
        try:
            with self.zip.open(info) as member:
                data = member.read(limit + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            ValueError,
            struct.error,
            lzma.LZMAError,
        ) as error:
            raise BadArchive("damaged_record", f"{name[:200]}: {error}") from None
        if len(data) > limit:
            raise BadArchive("book_too_large", f"{name[:200]} inflates to over {limit} bytes")
        self.left -= len(data)
        return data


def open_archive(stream: BinaryIO, max_inflated_bytes: int) -> Archive:
    """Opens a zip file; reads of it may inflate so many bytes altogether.

    Raises BadArchive: `damaged_record` when its directory is not readable, `book_too_large` when it is too large.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - (1 << 16) - _END.size))
    tail = stream.read()
    place = tail.rfind(_END_MAGIC, 0, max(0, len(tail) - _END.size + len(_END_MAGIC)))
    if place < 0:
        raise BadArchive("damaged_record", "the zip file has no directory; it may be cut short")
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, place)
    zip64 = tail[max(0, place - 20) : place].startswith(_ZIP64_MAGIC)
    if zip64 or members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise BadArchive("book_too_large", f"{members} members, with a directory of {directory_bytes} bytes")
    stream.seek(0)
    try:
        opened = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise BadArchive("damaged_record", f"zip: {error}") from None
    return Archive(opened, max_inflated_bytes)
