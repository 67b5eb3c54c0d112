"""The files of one repository's archive, with the licence that holds for each.

In: a tar (plain, gzip, bzip2, xz) or zip, as GitHub, PyPI, npm and Debian hand them out. Out: (repository,
path inside it, SPDX id, bytes). The repository is named by the top folder, or by the archive where that says
nothing. The licence of a file is that of the nearest folder above it with a licence file, so a vendored
library keeps its own. Read twice, first for the licences; links and paths that leave the folder are passed
over; nothing is written to disk.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from stages.sources.license_texts import combined_license, is_license_name, license_of_text

READ_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    RecursionError,
    KeyError,
)
UNNAMED_FOLDERS = frozenset({"package", "src", "source", "."})  # npm calls every top folder `package`
ARCHIVE_SUFFIX = re.compile(r"(?:\.orig)?\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|zip)$")


class ArchiveLimits(Protocol):
    """The caps that a reader gives: unpacked bytes of one file and of all, and the number of files."""

    @property
    def max_file_bytes(self) -> int: ...
    @property
    def max_archive_bytes(self) -> int: ...
    @property
    def max_archive_files(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FileTooLarge:
    """Stands for the content of a file, or of the rest of an archive, that was not read."""

    reason: str
    detail: str


Member = tuple[str, int, Callable[[], bytes]]  # path, unpacked size, its content
RepositoryFile = tuple[str, str, str | None, bytes | FileTooLarge]


def read_tar(stream: BinaryIO, origin: str, limits: ArchiveLimits) -> Iterator[RepositoryFile]:
    yield from _read(lambda: _tar_members(stream), origin, limits)


def read_zip(stream: BinaryIO, origin: str, limits: ArchiveLimits) -> Iterator[RepositoryFile]:
    yield from _read(lambda: _zip_members(stream, limits.max_file_bytes), origin, limits)


def _tar_members(stream: BinaryIO) -> Iterator[Member]:
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # tarfile remembers every member
            if not member.isreg() or member.issparse():
                yield member.name, -1, bytes  # still counts as a member, with its header
                continue
            body = archive.extractfile(member)
            assert body is not None  # a regular file has content
            yield member.name, member.size, body.read


def _zip_members(stream: BinaryIO, max_file_bytes: int) -> Iterator[Member]:
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or (entry.external_attr >> 16) & 0o170000 == 0o120000:
                yield entry.filename, -1, bytes
                continue

            def content(entry: zipfile.ZipInfo = entry) -> bytes:
                if entry.flag_bits & 1:
                    raise ValueError("an encrypted entry")
                with archive.open(entry) as body:
                    return body.read(max_file_bytes + 1)

            yield entry.filename, entry.file_size, content


def _read(
    members: Callable[[], Iterator[Member]], origin: str, limits: ArchiveLimits
) -> Iterator[RepositoryFile]:
    repository = ARCHIVE_SUFFIX.sub("", posixpath.basename(origin))
    found: dict[str, dict[str, str | None]] = {}  # folder -> licence file -> SPDX id
    tops: set[str] = set()
    try:
        for path, size, content in _capped(members(), limits):
            tops.add(path.partition("/")[0] if "/" in path else "")
            if size > limits.max_file_bytes or not is_license_name(path):
                continue
            text = content().decode("utf-8", errors="replace")
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
        for path, size, content in _capped(members(), limits):
            inside = path.removeprefix(top + "/") if top else path
            spdx = _nearest(licenses, posixpath.dirname(path))
            if size > limits.max_file_bytes:
                yield repository, inside, spdx, FileTooLarge("file_too_large", f"{size} bytes")
                continue
            yield repository, inside, spdx, content()
    except _TooLarge as error:
        yield repository, "", None, FileTooLarge("archive_too_large", f"{error}; the rest was not read")
    except READ_ERRORS as error:
        yield repository, "", None, FileTooLarge("damaged_record", f"{error}; the rest was not read")


class _TooLarge(Exception):
    pass


def _capped(members: Iterator[Member], limits: ArchiveLimits) -> Iterator[Member]:
    """The regular files with safe paths, until the archive goes past a limit."""
    total = 0
    for count, (name, size, content) in enumerate(members, 1):
        total += max(size, 0)
        if count > limits.max_archive_files or total > limits.max_archive_bytes:
            raise _TooLarge(f"over {limits.max_archive_files} files or {limits.max_archive_bytes} bytes")
        path = posixpath.normpath(name.replace("\\", "/"))
        if size < 0 or path.startswith(("/", "../")) or path in (".", "..") or not _is_plain(path):
            continue
        yield path, size, content


def _is_plain(path: str) -> bool:
    """No control characters, and nothing that is not UTF-8 (tarfile makes surrogates of such bytes)."""
    return path.isprintable()


def _nearest(licenses: dict[str, str | None], folder: str) -> str | None:
    while folder not in licenses and folder:
        folder = posixpath.dirname(folder)
    return licenses.get(folder)
