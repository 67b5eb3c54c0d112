"""Part files: what waits in memory is counted, and a removed row holds what is written of it only."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import parts
from pipeline.parts import PartWriter
from stages.document import Document, Origin, Rejected


def document(number: int, text: str = "x", title: str | None = None, url: str | None = None) -> Document:
    return Document(str(number), "commoncrawl", text, Origin("a.warc"), url=url, title=title)


def row_groups(path: Path) -> list[int]:
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def test_titles_and_addresses_fill_a_row_group_as_text_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BYTES_PER_GROUP", 1_000)
    writer = PartWriter(str(tmp_path), "commoncrawl", "documents", "part", 100)
    for number in range(4):
        writer.keep(document(number, title="t" * 300, url="u" * 300), 1)
    for number in range(4):
        writer.remove("step", Rejected(document(number, url="u" * 600), "why", detail="d" * 300), 1)
    writer.close()
    assert row_groups(tmp_path / "documents/part.parquet") == [2, 2]
    assert row_groups(tmp_path / "removed/commoncrawl/step/part.parquet") == [2, 2]


def test_a_removed_document_waits_without_what_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[tuple[str, Rejected, int]] = []
    monkeypatch.setattr(parts._Removed, "add", lambda self, row, size: waiting.append(row))
    writer = PartWriter(str(tmp_path), "commoncrawl", "documents", "part", 10)
    whole = document(1, "text " * 10, title="t" * 5_000, url="u").with_metadata(license="l" * 5_000)
    writer.remove("step", Rejected(whole, "why", 0.5, "detail"), 50)
    assert waiting == [("step", Rejected(document(1, "text text ", url="u"), "why", 0.5, "detail"), 50)]


@pytest.mark.parametrize(
    ("folder", "codec"), [("work/commoncrawl/read", "LZ4"), ("documents/commoncrawl", "ZSTD")]
)
def test_a_part_that_is_read_once_is_packed_faster_than_one_that_stays(
    tmp_path: Path, folder: str, codec: str
) -> None:
    writer = PartWriter(str(tmp_path), "commoncrawl", folder, "part", None)
    writer.keep(document(1, "text"), 4)
    writer.remove("step", Rejected(document(2), "why"), 1)
    writer.close()
    written = pq.ParquetFile(tmp_path / folder / "part.parquet").metadata.row_group(0)
    removed = pq.ParquetFile(tmp_path / "removed/commoncrawl/step/part.parquet").metadata.row_group(0)
    assert (written.column(2).compression, removed.column(0).compression) == (codec, "ZSTD")
    assert [d.text for d in parts.documents_of(str(tmp_path / folder / "part.parquet"))] == ["text"]
