"""Copies of crawl files for the benchmarks: distinct records, the same ones every time."""

from __future__ import annotations

import gzip
import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from stages.document import Document
from stages.sources.common_crawl import CommonCrawl

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PAGE = b"<html><body><p>The same line.</p></body></html>"


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_make_corpus", BENCHMARKS / "make_corpus.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A folder with one page as WARC and as WET."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
    for name, kind, payload, headers in (
        ("a.warc.gz", "response", PAGE, http),
        ("a.warc.wet.gz", "conversion", b"Title\nThe same line.\n", None),
    ):
        with (folder / name).open("wb") as stream:
            writer = WARCWriter(stream, gzip=True)
            record = writer.create_warc_record(
                "http://example.org/", kind, payload=io.BytesIO(payload), http_headers=headers,
                warc_content_type="" if headers else "text/plain",
            )  # fmt: skip
            writer.write_record(record)
            record.raw_stream.close()
    return folder


def documents(paths: list[Path]) -> Iterator[Document]:
    for path in paths:
        with path.open("rb") as stream:
            for outcome in CommonCrawl().read(stream, path.name):
                assert isinstance(outcome, Document), outcome
                yield outcome


@pytest.mark.parametrize("kind", ["warc", "wet"])
def test_each_copy_has_ids_and_one_line_of_its_own(
    corpus: ModuleType, crawl: Path, tmp_path: Path, kind: str
) -> None:
    paths = corpus.make_corpus(crawl, tmp_path / "made", kind, 3)
    found = list(documents(paths))
    assert [path.name[:12] for path in paths] == ["copy-000-000", "copy-001-000", "copy-002-000"]
    assert len({document.id for document in found}) == 3
    lines = [[line for line in document.text.split("\n") if line] for document in found]
    assert [line[0] for line in lines] == ["The same line."] * 3
    assert [len(line) for line in lines] == [1, 2, 2]
    assert lines[1][1] != lines[2][1]
    assert not any(character.isdigit() for character in lines[1][1] + lines[2][1])


def test_equal_input_gives_equal_records(corpus: ModuleType, crawl: Path, tmp_path: Path) -> None:
    first, again = (list(documents(corpus.make_corpus(crawl, tmp_path / name, "warc", 2))) for name in "ab")
    assert first == again


def test_a_page_gets_the_headers_that_common_crawl_writes(
    corpus: ModuleType, crawl: Path, tmp_path: Path
) -> None:
    (path,) = corpus.make_corpus(crawl, tmp_path / "made", "warc", 1)
    content = gzip.decompress(path.read_bytes())
    assert b"WARC-Identified-Payload-Type: text/html\r\n" in content
    assert b"Content-Type: text/html; charset=UTF-8\r\n" in content
    assert b"Content-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE) in content


def test_a_folder_without_such_files_is_an_error(corpus: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no"):
        corpus.make_corpus(tmp_path, tmp_path / "made", "wet", 1)
