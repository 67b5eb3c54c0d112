"""Files of a run: small ranges of a file in an object store are fetched alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from apache_beam.io.filesystemio import Downloader, DownloaderStream
from apache_beam.io.filesystems import FileSystems

from pipeline import files
from pipeline.encoded_file import EncodedWriter, read_slot

SCHEMA = pa.schema([pa.field("key", pa.uint64(), nullable=False)])
SLOTS = 1_000


class Store(Downloader):
    """A file in an object store as Beam sees it, and how many bytes each request fetched."""

    def __init__(self, data: bytes) -> None:
        self.data, self.fetched = data, list[int]()

    @property
    def size(self) -> int:
        return len(self.data)

    def get_range(self, start: int, end: int) -> bytes:
        self.fetched.append(end - start)
        return self.data[start:end]


class BlobReader(io.BufferedIOBase):
    """As google.cloud.storage.fileio.BlobReader: a read fetches `_chunk_size` bytes or more."""

    def __init__(self, store: Store, chunk_size: int) -> None:
        self._store, self._chunk_size, self._position = store, chunk_size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (self._store.size if whence == 2 else 0)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and size > 0
        fetched = self._store.get_range(self._position, self._position + max(size, self._chunk_size))
        self._position += size
        return fetched[:size]


def buffered(store: Store) -> BinaryIO:
    return io.BufferedReader(DownloaderStream(store), 16 << 20)


def blob(store: Store) -> Any:
    return BlobReader(store, 16 << 20)


def batch(slot: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array([slot] * 1_000, pa.uint64())], schema=SCHEMA)


@pytest.mark.parametrize("opened", [buffered, blob])
def test_one_slot_of_an_encoded_file_is_fetched_alone(monkeypatch: pytest.MonkeyPatch, opened: Any) -> None:
    target = io.BytesIO()
    writer = EncodedWriter(files.HashingStream(target), SLOTS)
    writer.write_run((slot, batch(slot)) for slot in range(SLOTS))
    writer.finish()
    store = Store(target.getvalue())
    monkeypatch.setattr(FileSystems, "open", lambda path, compression_type: opened(store))
    with files.open_ranges("s3://bucket/group.bin") as stream:
        (found,) = read_slot(stream, 7, SLOTS, SCHEMA, "")
    assert found.equals(batch(7))
    assert store.fetched == [16, 16, batch(7).serialize().size]


def test_ranges_of_a_local_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(200)))
    with files.open_ranges(str(tmp_path / "a")) as stream:
        assert (stream.seek(-3, 2), stream.read(5), stream.seek(10), stream.read(2)) == (
            197, b"\xc5\xc6\xc7", 10, b"\n\x0b",
        )  # fmt: skip


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*/a: No such file"):
        files.open_ranges(str(tmp_path / "a"))
