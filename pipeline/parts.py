"""Part files of documents: compressed Parquet, one part per input, written and read in batches of bounded size.

`StepCounts` is the account of one step over one part: in = kept + removed by reason, in documents and in bytes of
text. A step that edits the documents it keeps (drops lines, strips markup) shows it as `bytes_edited`, so that
bytes_in = bytes_kept + bytes_edited + removed bytes.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import files
from pipeline.files import Written
from stages.document import REMOVED_SCHEMA, SCHEMA, Document, Rejected, from_batch, removed_to_batch, to_batch

# A row group is closed at whichever comes first: small enough to read back in little memory, large enough for zstd.
ROWS_PER_GROUP = 4096
BYTES_PER_GROUP = 32 << 20
ZSTD_LEVEL = 3
# Columns of few values; a dictionary of all texts would be built and thrown away.
DICTIONARIES = ["source", "language", "license", "step", "reason", "origin.file"]


def part_name(number: int, count: int) -> str:
    """The name of a part of what a run leaves behind."""
    return f"part-{number:05d}-of-{count:05d}"


def work_part_name(number: int) -> str:
    """The name of a part on the way: it does not hold the count, so that one file more is not a new beginning."""
    return f"part-{number:05d}"


@dataclass
class StepCounts:
    """The account of one step over one part, in documents and in UTF-8 bytes of text."""

    step: str
    documents_in: int = 0
    bytes_in: int = 0
    documents_kept: int = 0
    bytes_kept: int = 0
    bytes_edited: int = 0  # bytes in of the kept documents minus their bytes out
    removed: dict[str, list[int]] = field(default_factory=dict)  # reason -> [documents, bytes in]

    def keep(self, bytes_in: int, bytes_out: int) -> None:
        self.documents_in += 1
        self.bytes_in += bytes_in
        self.documents_kept += 1
        self.bytes_kept += bytes_out
        self.bytes_edited += bytes_in - bytes_out

    def remove(self, reason: str, bytes_in: int) -> None:
        self.documents_in += 1
        self.bytes_in += bytes_in
        count = self.removed.setdefault(reason, [0, 0])
        count[0] += 1
        count[1] += bytes_in

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "documents_in": self.documents_in,
            "bytes_in": self.bytes_in,
            "documents_kept": self.documents_kept,
            "bytes_kept": self.bytes_kept,
            "bytes_edited": self.bytes_edited,
            "removed": {r: {"documents": d, "bytes": b} for r, (d, b) in sorted(self.removed.items())},
        }


class _BatchedParquet(ABC):
    """A Parquet file that is opened at its first row and closed whole."""

    def __init__(self, path: str, schema: pa.Schema, read_once: bool = False) -> None:
        self._path, self._schema, self._read_once = path, schema, read_once
        self._stack = contextlib.ExitStack()
        self._rows: list[Any] = []
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._stream: files.HashingStream | None = None

    def add(self, row: Any, row_bytes: int) -> None:
        self._rows.append(row)
        self._bytes += row_bytes
        if len(self._rows) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self.flush()

    @abstractmethod
    def batch(self, rows: list[Any]) -> pa.RecordBatch:
        """The rows as a batch of the schema."""

    def open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._stream = self._stack.enter_context(files.create(self._path))
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._stream, mode="w"),
                self._schema,
                # LZ4 takes three quarters of the time of zstd's level 1, writing and reading, for a third more bytes.
                compression="lz4" if self._read_once else "zstd",
                compression_level=None if self._read_once else ZSTD_LEVEL,
                use_dictionary=DICTIONARIES,
            )
        return self._writer

    def flush(self) -> None:
        if self._rows:
            self.open().write_batch(self.batch(self._rows), row_group_size=len(self._rows))
            self._rows, self._bytes = [], 0

    def close(self) -> Written:
        self.flush()
        self.open().close()
        assert self._stream is not None
        self._stack.close()
        return self._stream.written()

    def abandon(self, error: BaseException) -> None:
        """Leaves no trace of a file whose writing failed."""
        self._stack.__exit__(type(error), error, error.__traceback__)


class _Documents(_BatchedParquet):
    def batch(self, rows: list[Any]) -> pa.RecordBatch:
        return to_batch(rows)


class _Removed(_BatchedParquet):
    def batch(self, rows: list[Any]) -> pa.RecordBatch:
        return removed_to_batch(rows)


class PartWriter:
    """Writes one part: its documents, and what each step removed in a file of its own under `removed/`.

    `removed_characters` is how much of a removed text is kept for inspection (None: all of it).
    """

    def __init__(self, run: str, source: str, folder: str, part: str, removed_characters: int | None) -> None:
        self._run, self._source, self._part = run, source, part
        self._removed_characters = removed_characters
        self._documents_path = f"{folder}/{part}.parquet"
        on_the_way = folder.startswith("work/")
        self._documents = _Documents(files.join(run, self._documents_path), SCHEMA, read_once=on_the_way)
        self._removed: dict[str, _Removed] = {}
        self._kept = 0
        self._bytes = 0
        self._seen: dict[str, dict[str, list[int]]] = {"languages": {}, "licenses": {}, "domains": {}}

    def keep(self, document: Document, text_bytes: int) -> None:
        # Titles, addresses and metadata are waiting in memory too.
        self._documents.add(document, text_bytes + _extra_characters(document))
        self._kept += 1
        self._bytes += text_bytes
        self._see("languages", document.language or "unknown", text_bytes)
        self._see("licenses", document.license or "unknown", text_bytes)
        if domain := document.metadata.get("domain") or document.metadata.get("site"):
            self._see("domains", domain, text_bytes)

    def _see(self, kind: str, name: str, text_bytes: int) -> None:
        count = self._seen[kind].setdefault(name, [0, 0])
        count[0] += 1
        count[1] += text_bytes

    def remove(self, step: str, rejected: Rejected, text_bytes: int) -> None:
        writer = self._removed.get(step)
        if writer is None:
            path = files.join(self._run, f"removed/{self._source}/{step}/{self._part}.parquet")
            writer = self._removed[step] = _Removed(path, REMOVED_SCHEMA)
        # A copy of what is written, so that a row does not hold on to the whole text, title and metadata until then.
        was = rejected.document
        text = was.text if self._removed_characters is None else was.text[: self._removed_characters]
        kept = Document(was.id, was.source, text, was.origin, url=was.url, language=was.language)
        size = len(text) + _extra_characters(kept) + len(rejected.detail)
        writer.add((step, replace(rejected, document=kept), text_bytes), size)

    def close(self) -> dict[str, Written]:
        """Finishes all files; relative path -> what was written."""
        outputs = {self._documents_path: self._documents.close()}
        for step, writer in sorted(self._removed.items()):
            outputs[f"removed/{self._source}/{step}/{self._part}.parquet"] = writer.close()
        return outputs

    def abandon(self, error: BaseException) -> None:
        for writer in (self._documents, *self._removed.values()):
            writer.abandon(error)

    def statistics(self) -> dict[str, Any]:
        """What the part holds: documents, bytes, and documents (and bytes) by language, licence and domain."""
        return {
            "documents": self._kept,
            "bytes": self._bytes,
            **{kind: _largest(seen) for kind, seen in self._seen.items()},
        }


def _extra_characters(document: Document) -> int:
    """Characters of a document besides its text."""
    fields = (document.id, document.url or "", document.title or "", *document.metadata.values())
    return sum(map(len, fields))


NAMES_PER_PART = 500  # of languages, licences and domains each: what a marker may hold of a part


def _largest(seen: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    ordered = sorted(seen.items(), key=lambda item: (-item[1][0], item[0]))[:NAMES_PER_PART]
    return {name: {"documents": documents, "bytes": size} for name, (documents, size) in ordered}


def read_documents(path: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The batches of one part, a row group at a time, with all columns or only those named.

    Raises ValueError naming the path when it is not there or damaged.
    """
    with _parquet(path) as parquet:
        for group in range(parquet.num_row_groups):
            # One thread: the workers are as many as the cores.
            yield from parquet.read_row_group(group, columns=columns, use_threads=False).to_batches()


@contextlib.contextmanager
def _parquet(path: str) -> Iterator[pq.ParquetFile]:
    with files.open_binary(path) as stream:
        try:
            yield pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{path} is damaged ({' '.join(str(error).split())}); delete it and run again"
            ) from error


def documents_of(path: str) -> Iterator[Document]:
    for batch in read_documents(path):
        yield from from_batch(batch)


def count_rows(path: str) -> int:
    """Rows of a part, from its footer."""
    with _parquet(path) as parquet:
        return int(parquet.metadata.num_rows)


def add_counts(accounts: Iterable[Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The accounts of many parts added up, step by step in the order in which steps first appear."""
    total: dict[str, dict[str, Any]] = {}
    for account in accounts:
        for counts in account:
            into = total.setdefault(counts["step"], {"step": counts["step"], "removed": {}})
            for name, value in counts.items():
                if isinstance(value, int):
                    into[name] = into.get(name, 0) + value
            for reason, removed in counts["removed"].items():
                seen = into["removed"].setdefault(reason, {"documents": 0, "bytes": 0})
                seen["documents"] += removed["documents"]
                seen["bytes"] += removed["bytes"]
    return list(total.values())
