"""Files of a run, local or in an object store, through Beam's FileSystems; raw inputs also from http(s) servers.

Every file is written under a temporary name and renamed when it is whole, and its SHA-256 and size are taken on the
way, so that a marker can name exactly what was written. Raw inputs are always opened uncompressed: readers inflate.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.http_files import open_http
from pipeline.http_requests import is_http

TEMPORARY_SUFFIX = ".tmp"
_HASHED_BYTES = 256 << 10  # a block; of 1 MiB each would be new memory, and the hash take half as long again


@dataclass(frozen=True)
class Written:
    """What stands at a path: size in bytes and SHA-256 in hex."""

    bytes: int
    sha256: str


class HashingStream(io.RawIOBase):
    """A write-only stream that hashes and counts what passes through it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self._bytes = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._bytes

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._target.write(view)
        self._digest.update(view)
        self._bytes += len(view)
        return len(view)

    def written(self) -> Written:
        return Written(self._bytes, self._digest.hexdigest())


def join(folder: str, *names: str) -> str:
    return FileSystems.join(folder, *names)


def split(path: str) -> tuple[str, str]:
    """(folder, name) of a path."""
    folder, name = FileSystems.split(path)
    return folder, name


def open_binary(path: str) -> BinaryIO:
    """The raw bytes of a file or of an http(s) address, never decompressed.

    Raises ValueError naming the path when it is not there or cannot be read.
    """
    if is_http(path):
        return open_http(path)
    try:
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except (OSError, BeamIOError) as error:
        raise ValueError(f"cannot read {path}: {_reason(error)}") from error


def open_ranges(path: str) -> BinaryIO:
    """As `open_binary`, for small ranges of a large file: what is read is what is fetched.

    Beam's streams of object stores fetch 16 MiB for a read of any size.
    """
    stream: Any = open_binary(path)
    if isinstance(stream, io.BufferedReader):  # of S3, Azure, HDFS and this machine
        return io.BufferedReader(stream.detach(), 1)
    if hasattr(stream, "_chunk_size"):  # of Google Cloud Storage, where nothing else sets it
        stream._chunk_size = 1
    return cast(BinaryIO, stream)


def _reason(error: Exception) -> str:
    """One line of an error, without Beam's wrapping."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextlib.contextmanager
def create(path: str) -> Iterator[HashingStream]:
    """Writes `path` whole or not at all: a temporary name beside it, renamed at the end."""
    folder, name = FileSystems.split(path)
    temporary = FileSystems.join(folder, f".{name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    raw = FileSystems.create(
        temporary, mime_type="application/octet-stream", compression_type=CompressionTypes.UNCOMPRESSED
    )
    try:
        with contextlib.closing(raw):
            stream = HashingStream(raw)
            yield stream
    except BaseException:
        FileSystems.delete([temporary])
        raise
    FileSystems.rename([temporary], [path])


def write_json(path: str, value: Any, sort_keys: bool = True) -> Written:
    """Writes a value as JSON."""
    text = json.dumps(value, indent=1, sort_keys=sort_keys, ensure_ascii=False) + "\n"
    with create(path) as stream:
        stream.write(text.encode("utf-8"))
    return stream.written()


def read_json(path: str) -> Any:
    with open_binary(path) as stream:
        try:
            return json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not JSON ({error}); delete it and run again") from error


def exists(path: str) -> bool:
    return bool(FileSystems.exists(path))


def match(folder: str, pattern: str) -> list[str]:
    """Paths of the files under a folder that match a pattern, sorted; none when the folder is not there."""
    matched = FileSystems.match([FileSystems.join(folder, pattern)])[0].metadata_list
    return sorted(found.path for found in matched)


@dataclass(frozen=True)
class Standing:
    """What the store says of a file: size in bytes, and when it was written, in seconds."""

    bytes: int
    written_at: float


def standing(path: str) -> Standing | None:
    """Size and time of a file, None when it is not there."""
    matched = FileSystems.match([path])[0].metadata_list
    return Standing(matched[0].size_in_bytes, matched[0].last_updated_in_seconds) if matched else None


def is_local(path: str) -> bool:
    """Whether this machine can map a file or folder."""
    return os.path.exists(path)


def delete(paths: list[str]) -> None:
    if paths:
        FileSystems.delete(paths)


def sha256_of(path: str) -> Written:
    """Size and SHA-256 of a file, read once in blocks that stay in the cache."""
    digest, size = hashlib.sha256(), 0
    with open_binary(path) as stream:
        while block := stream.read(_HASHED_BYTES):
            digest.update(block)
            size += len(block)
    return Written(size, digest.hexdigest())


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """A local path with the content of `path`: itself when it is local, else a temporary copy (models are mapped)."""
    if is_local(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as folder:
        local = os.path.join(folder, os.path.basename(path))
        with open_binary(path) as source, open(local, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield local


def put(local: str, path: str) -> Written:
    """Copies a finished local file to `path` (whole or not at all)."""
    with open(local, "rb") as source, create(path) as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
    return stream.written()
