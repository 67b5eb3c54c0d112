"""The files of one repository's archive, with the licence that holds for each.

In: a tar (plain, gzip, bzip2, xz) or zip, as GitHub, PyPI, npm and Debian hand them out. Out: a
`RepositoryFile` each. The repository is named by the top folder, or by the archive where that says nothing.
The licence of a file is that of the nearest folder above it with a licence file, so a vendored library keeps
its own. Read twice, first for the licences; links and paths that leave the folder are passed over; nothing is
written to disk.
"""

from __future__ import annotations

import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from stages.sources.license_texts import combined_license, is_license_name, license_of_text
from stages.sources.tar_members import tar_members

READ_ERRORS = (
    zipfile.BadZipFile,
    lzma.LZMAError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    RecursionError,
    KeyError,
    IndexError,
    struct.error,
    NotImplementedError,
)
UNNAMED_FOLDERS = frozenset({"package", "src", "source", "."})  # npm calls every top folder `package`
ARCHIVE_SUFFIX = re.compile(r"(?:\.orig)?\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|zip)$")

MAX_DIRECTORY_BYTES = 32 << 20  # ours: a zip's list of entries, which zipfile reads at once


class ArchiveLimits(Protocol):
    """The caps that a reader gives: unpacked bytes of one file and of all, and the number of files."""

    @property
    def max_file_bytes(self) -> int: ...
    @property
    def max_archive_bytes(self) -> int: ...
    @property
    def max_archive_files(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for the content of a file, or of the rest of an archive, that was not read."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """One file. `offset` and `length` are those of its bytes in the tar as unpacked, or of its entry in the
    zip.
    """

    repository: str
    path: str
    license: str | None
    content: bytes | Unread
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class _Member:
    """An entry of the archive; a size of -1 is none of a regular file."""

    path: str
    size: int
    content: Callable[[], bytes]
    offset: int
    length: int
    independent: bool  # of the other entries: damage in it is its own


def read_tar(stream: BinaryIO, origin: str, limits: ArchiveLimits) -> Iterator[RepositoryFile]:
    yield from _read(lambda: _tar_members(stream, limits.max_archive_bytes), origin, limits)


def read_zip(stream: BinaryIO, origin: str, limits: ArchiveLimits) -> Iterator[RepositoryFile]:
    yield from _read(lambda: _zip_members(stream, limits.max_file_bytes), origin, limits)


def _tar_members(stream: BinaryIO, max_bytes: int) -> Iterator[_Member]:
    occupied = 0
    for member in tar_members(stream):
        occupied += member.occupied  # of folders and devices too, which may state any size
        if occupied > max_bytes:
            raise _TooLarge(f"over {max_bytes} bytes")
        yield _Member(member.path, member.size, member.read, member.offset, max(member.size, 0), False)


def _zip_members(stream: BinaryIO, max_file_bytes: int) -> Iterator[_Member]:
    if _directory_bytes(stream) > MAX_DIRECTORY_BYTES:
        raise _TooLarge(f"a list of entries of more than {MAX_DIRECTORY_BYTES} bytes")
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or (entry.external_attr >> 16) & 0o170000 == 0o120000:
                yield _Member(entry.filename, -1, bytes, 0, 0, True)
                continue

            def content(entry: zipfile.ZipInfo = entry) -> bytes:
                if entry.flag_bits & 1:
                    raise ValueError("an encrypted entry")
                with archive.open(entry) as body:
                    found = body.read(max_file_bytes + 1)
                if len(found) > max_file_bytes:
                    raise ValueError("more bytes than its entry says")
                return found

            yield _Member(
                entry.filename, entry.file_size, content, entry.header_offset, entry.compress_size, True
            )


def _directory_bytes(stream: BinaryIO) -> int:
    """Bytes of a zip's central directory by its end record, the 64-bit one where there is one (APPNOTE
    4.3.14-16).
    """
    size = stream.seek(0, 2)
    stream.seek(max(size - (1 << 16) - 42, 0))
    tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    said = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    end64 = tail.rfind(b"PK\x06\x06")
    if end64 >= 0:
        said = max(said if said != 0xFFFFFFFF else 0, int.from_bytes(tail[end64 + 40 : end64 + 48], "little"))
    return said


def _read(
    members: Callable[[], Iterator[_Member]], origin: str, limits: ArchiveLimits
) -> Iterator[RepositoryFile]:
    repository = ARCHIVE_SUFFIX.sub("", posixpath.basename(origin))
    found: dict[str, dict[str, str | None]] = {}  # folder -> licence file -> SPDX expression
    tops: set[str] = set()
    try:
        for path, member in _capped(members(), limits):
            if len(tops) < 2:
                tops.add(path.partition("/")[0] if "/" in path else "")
            if member.size > limits.max_file_bytes or not is_license_name(path):
                continue
            try:
                text = member.content().decode("utf-8", errors="replace")
            except READ_ERRORS:
                if not member.independent:
                    raise
                text = ""  # a licence that cannot be read is unknown
            found.setdefault(posixpath.dirname(path), {})[path] = license_of_text(text)
    except _TooLarge:
        pass
    except READ_ERRORS as error:
        if not tops:
            raise ValueError(f"{origin}: not a readable archive ({error}); fetch it again") from error
    top = next(iter(tops)) if len(tops) == 1 else ""
    if top and top not in UNNAMED_FOLDERS:
        repository = top
    licenses = {folder: combined_license(files) for folder, files in found.items()}
    try:
        for path, member in _capped(members(), limits):
            inside = path.removeprefix(top + "/") if top else path
            spdx = _nearest(licenses, posixpath.dirname(path))
            content: bytes | Unread
            if member.size > limits.max_file_bytes:
                content = Unread("file_too_large", f"{member.size} bytes")
            else:
                try:
                    content = member.content()
                except READ_ERRORS as error:
                    if not member.independent:
                        raise
                    content = Unread("damaged_record", _one_line(error))
            yield RepositoryFile(repository, inside, spdx, content, member.offset, member.length)
    except _TooLarge as error:
        yield RepositoryFile(
            repository, "", None, Unread("archive_too_large", f"{error}; the rest was not read")
        )
    except READ_ERRORS as error:
        yield RepositoryFile(
            repository, "", None, Unread("damaged_record", f"{_one_line(error)}; the rest was not read")
        )


class _TooLarge(Exception):
    pass


def _capped(members: Iterator[_Member], limits: ArchiveLimits) -> Iterator[tuple[str, _Member]]:
    """The regular files with safe paths, until the archive goes past a limit."""
    total = 0
    for count, member in enumerate(members, 1):
        total += max(member.size, 0)
        if count > limits.max_archive_files or total > limits.max_archive_bytes:
            raise _TooLarge(f"over {limits.max_archive_files} files or {limits.max_archive_bytes} bytes")
        path = posixpath.normpath(member.path.replace("\\", "/"))
        if member.size < 0 or path.startswith(("/", "../")) or path in (".", "..") or not _is_plain(path):
            continue
        yield path, member


def _is_plain(path: str) -> bool:
    """No control characters, and nothing that is not UTF-8 (a tar's reader makes surrogates of such bytes)."""
    return path.isprintable() and not re.match(r"[A-Za-z]:", path)


def _nearest(licenses: dict[str, str | None], folder: str) -> str | None:
    while folder not in licenses and folder not in ("", "/"):
        folder = posixpath.dirname(folder)
    return licenses.get(folder)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
