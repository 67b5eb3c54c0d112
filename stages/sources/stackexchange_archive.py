"""A site's 7z archive, inflated member by member as a stream, within caps.

In: the archive as archive.org has it (all tables of a site, or for Stack Overflow one table an archive). Out: the
bytes of the wanted tables, handed on as they are inflated; nothing is written to disk. What its header says is
checked before anything is inflated: the sizes, the ratio, the methods and their memory.
"""

from __future__ import annotations

import contextlib
import errno
import lzma
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import py7zr
from py7zr.exceptions import AbsolutePathError, ArchiveError, PasswordRequired

SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
# The tables of a dump, https://meta.stackexchange.com/questions/2677.
TABLES = ("Badges", "Comments", "PostHistory", "PostLinks", "Posts", "Tags", "Users", "Votes")

# Coders by their ids (7-Zip, DOC/Methods.txt): those whose output a decoder stops at the size that was stated.
_COPY, _LZMA2, _LZMA, _PPMD, _BZIP2 = b"\x00", b"\x21", b"\x03\x01\x01", b"\x03\x04\x01", b"\x04\x02\x02"
_DELTA, _X86 = b"\x03", b"\x03\x03\x01\x03"  # filters before them, which keep the size
_METHODS = (_COPY, _LZMA2, _LZMA, _PPMD, _BZIP2, _DELTA, _X86)
_AES = b"\x06\xf1\x07\x01"
# What py7zr lets through when the headers of an archive are damaged, found by changing bytes at random.
_DAMAGE = (
    *(lzma.LZMAError, EOFError, OSError, struct.error, UnicodeError),
    *(LookupError, TypeError, OverflowError, AssertionError, AttributeError, MemoryError),
)
_SMALL_BYTES = 16 << 20  # what inflates to less is no bomb, whatever its ratio

Sink = Callable[[bytes], None]


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may ask for: bytes inflated, times its own size, and memory of a decoder."""

    max_inflated_bytes: int
    max_inflation_ratio: int
    max_decoder_bytes: int


class TableArchive:
    """An open archive. ValueError in one line when it is none, damaged, encrypted, or over the limits."""

    def __init__(self, stream: BinaryIO, origin: str, limits: ArchiveLimits) -> None:
        self._origin = origin
        self._limits = limits
        size = stream.seek(0, 2)
        stream.seek(0)
        with self._told():
            self._archive = py7zr.SevenZipFile(stream)
            self._members = {
                info.filename: int(info.uncompressed)
                for info in self._archive.list()
                if not info.is_directory
            }
            self._check(size)

    def tables(self) -> Mapping[str, int]:
        """The tables in the archive (`Posts`) with their sizes in bytes, whatever folder they are in.

        Raises ValueError when one is there twice.
        """
        found: dict[str, int] = {}
        for name, size in self._members.items():
            table = _table(name)
            if table in found:
                raise ValueError(
                    f"{self._origin}: two files named {table}.xml in the archive; give one with one"
                )
            if table:
                found[table] = size
        return found

    def inflate(self, sinks: Mapping[str, Sink]) -> None:
        """Hands the bytes of each table to its sink, in the order in which the archive has them."""
        names = [name for name in self._members if _table(name) in sinks]
        with self._told():
            self._archive.extract(targets=names, factory=_Members(sinks))

    def _check(self, size: int) -> None:
        folders = getattr(self._archive.header.main_streams, "unpackinfo", None)
        coders = [coder for folder in (folders.folders if folders else ()) for coder in folder.coders]
        if any(coder["method"] == _AES for coder in coders):
            raise ValueError(f"{self._origin}: the 7z archive is encrypted; give one without a password")
        for coder in coders:
            if coder["method"] not in _METHODS:
                raise ValueError(
                    f"{self._origin}: the 7z archive uses method {coder['method'].hex()}; pack it anew with LZMA2"
                )
            memory = _decoder_bytes(coder["method"], coder.get("properties") or b"")
            if memory > self._limits.max_decoder_bytes:
                raise ValueError(
                    f"{self._origin}: the 7z archive needs {memory} bytes to be inflated, over "
                    f"max_decoder_bytes={self._limits.max_decoder_bytes}; raise the cap, or pack it anew"
                )
        inflated = sum(self._members.values())
        if inflated > self._limits.max_inflated_bytes:
            raise ValueError(
                f"{self._origin}: inflates to {inflated} bytes, over "
                f"max_inflated_bytes={self._limits.max_inflated_bytes}; raise the cap"
            )
        if inflated > max(_SMALL_BYTES, size * self._limits.max_inflation_ratio):
            raise ValueError(
                f"{self._origin}: inflates to {inflated} bytes, {inflated // max(size, 1)} times its size, over "
                f"max_inflation_ratio={self._limits.max_inflation_ratio}; raise the cap if it is to be trusted"
            )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the archive as one line."""
        try:
            yield
        except PasswordRequired as error:
            raise ValueError(
                f"{self._origin}: the 7z archive is encrypted; give one without a password"
            ) from error
        except (ArchiveError, AbsolutePathError) as error:
            raise ValueError(
                f"{self._origin}: the 7z archive cannot be read ({_line(error)}); download it anew"
            ) from error
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # a full or broken disk; damage is seen as a seek to nowhere
            raise ValueError(
                f"{self._origin}: the 7z archive is damaged ({_line(error)}); download it anew"
            ) from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _table(name: str) -> str:
    """The table that a member holds, empty for none."""
    table, _, suffix = name.rpartition("/")[2].rpartition(".")
    return table if suffix == "xml" and table in TABLES else ""


def _decoder_bytes(method: bytes, properties: bytes) -> int:
    """The memory that a coder's properties ask for: its dictionary, or the model of PPMd."""
    if method == _LZMA2 and len(properties) == 1:
        bits = min(properties[0], 40)
        return (2 | bits & 1) << (bits // 2 + 11)
    if method in (_LZMA, _PPMD) and len(properties) >= 5:
        return int.from_bytes(properties[1:5], "little")
    return 0


class _Member(py7zr.Py7zIO):
    """What py7zr writes a member to: here, straight on to its sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        self._sink(bytes(s))
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        return None

    def size(self) -> int:
        return self._size


class _Members(py7zr.WriterFactory):
    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self._sinks = sinks

    def create(self, filename: str) -> _Member:
        return _Member(self._sinks[_table(filename)])
