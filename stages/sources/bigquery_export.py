"""Rows of a table that BigQuery exported: Parquet, JSON lines (gzip or plain) or Avro.

In: a seekable stream. Out: its rows as dictionaries with where they are, or a `Rejected` for what cannot be
read. Formats are told by the first bytes. A row of Parquet has no byte range of its own: its place is that of
the compressed column `content` (or the first one) of its row group, and the row's number in the file is in
its name; a row of Avro has the range of its block, a line its own. Offsets of a gzip file count unpacked
bytes.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from stages.document import Document, Origin, Rejected
from stages.sources.avro_blocks import MAGIC as AVRO_MAGIC
from stages.sources.avro_blocks import read_blocks

ROWS_PER_BATCH = 256
PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"


class TableLimits(Protocol):
    """The caps that a reader gives, in bytes: a line of JSON, and a row group or block as unpacked."""

    @property
    def max_line_bytes(self) -> int: ...
    @property
    def max_row_group_bytes(self) -> int: ...
    @property
    def max_block_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Row:
    """Values by column, where the row is, and its number in the file."""

    values: dict[str, object]
    origin: Origin
    number: int


def is_table(magic: bytes) -> bool:
    """Whether a file that begins so is read as a table (gzip is looked into by `read_rows`)."""
    return magic.startswith((PARQUET_MAGIC, AVRO_MAGIC, b"{"))


def columns_of(stream: BinaryIO, origin: str) -> frozenset[str] | None:
    """The columns of a Parquet file; None for a format whose rows tell them."""
    magic = stream.read(4)
    stream.seek(0)
    return frozenset(_parquet(stream, origin).schema_arrow.names) if magic == PARQUET_MAGIC else None


def read_rows(
    stream: BinaryIO, origin: str, columns: Sequence[str], limits: TableLimits
) -> Iterator[Row | Rejected]:
    """All rows in order, with those of the `columns` that are there. ValueError for a file that is no table."""
    stream.seek(0)
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(PARQUET_MAGIC):
        yield from _parquet_rows(stream, origin, columns, limits)
    elif magic.startswith(AVRO_MAGIC):
        yield from _avro_rows(stream, origin, columns, limits)
    elif magic.startswith(GZIP_MAGIC):
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield from _lines(unpacked, origin, limits)
    else:
        yield from _lines(stream, origin, limits)


def _damaged(origin: str, name: str, place: Origin, reason: str, detail: str) -> Rejected:
    document = Document(f"{posixpath.basename(origin)}{name}", "github", "", place)
    return Rejected(document, reason, detail=detail)


def _lines(stream: BinaryIO | gzip.GzipFile, origin: str, limits: TableLimits) -> Iterator[Row | Rejected]:
    offset = number = 0
    while True:
        number += 1
        try:
            line = stream.readline(limits.max_line_bytes + 1)
            length, too_long = len(line), len(line) > limits.max_line_bytes
            while too_long and line and not line.endswith(b"\n"):
                line = stream.readline(limits.max_line_bytes)
                length += len(line)
        except (OSError, EOFError, zlib.error) as error:
            yield _damaged(origin, f":{number}", Origin(origin, offset), "damaged_record", f"gzip: {error}")
            return
        if not length:
            return
        place = Origin(origin, offset, length)
        offset += length
        if too_long:
            detail = f"a line of {length} bytes"
            yield _damaged(origin, f":{number}", place, "file_too_large", detail)
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _damaged(origin, f":{number}", place, "damaged_record", f"line {number}: {error}")
            continue
        if isinstance(row, dict):
            yield Row(row, place, number - 1)
        else:
            yield _damaged(origin, f":{number}", place, "damaged_record", f"line {number}: no object")


def _parquet(stream: BinaryIO, origin: str) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(stream)
        assert table.schema_arrow is not None  # read here, where a damaged one is told
        return table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{origin}: not a readable Parquet file ({one_line(error)}); export it again"
        ) from error


def _parquet_rows(
    stream: BinaryIO, origin: str, columns: Sequence[str], limits: TableLimits
) -> Iterator[Row | Rejected]:
    table = _parquet(stream, origin)
    wanted = [column for column in columns if column in table.schema_arrow.names]
    first = 0
    for group in range(table.num_row_groups):
        metadata = table.metadata.row_group(group)
        number, first = first, first + metadata.num_rows
        if metadata.total_byte_size > limits.max_row_group_bytes:
            detail = f"a row group of {metadata.total_byte_size} bytes"
            yield _damaged(origin, f"#row_group={group}", Origin(origin), "file_too_large", detail)
            continue
        place: Origin | None = None
        try:
            for batch in table.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=wanted):
                if (
                    place is None
                ):  # the metadata of a damaged column ends the process where nothing was read before
                    place = _chunk(metadata, origin)
                for values in batch.to_pylist():
                    yield Row(values, place, number)
                    number += 1
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            at = place or Origin(origin)
            yield _damaged(origin, f"#row_group={group}", at, "damaged_record", one_line(error))


def _chunk(metadata: pq.RowGroupMetaData, origin: str) -> Origin:
    """Where the column `content` of a row group (or its first column) lies in the file."""
    columns = [metadata.column(number) for number in range(metadata.num_columns)]
    chunk = next((column for column in columns if column.path_in_schema == "content"), columns[0])
    begin = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None:
        begin = min(begin, chunk.dictionary_page_offset)
    return Origin(origin, begin, chunk.total_compressed_size)


def _avro_rows(
    stream: BinaryIO, origin: str, columns: Sequence[str], limits: TableLimits
) -> Iterator[Row | Rejected]:
    number = 0
    wanted = frozenset(columns)
    try:
        for block in read_blocks(stream, limits.max_block_bytes):
            place = Origin(origin, block.offset, block.length)
            if block.damage:
                yield _damaged(origin, f"#block={block.offset}", place, "damaged_record", block.damage)
            for values in block.rows:
                yield Row({name: value for name, value in values.items() if name in wanted}, place, number)
                number += 1
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{origin}: not a readable Avro file ({one_line(error)}); export it again"
        ) from error


def one_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
