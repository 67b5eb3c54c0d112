"""Common Crawl records: one outcome a record, the right reason, and real files."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stages.document import Document, Origin, Rejected, from_batch, to_batch
from stages.sources.common_crawl import CommonCrawl
from stages.warc import read_records

PAGE = (
    b"<html><head><title> A\n title </title></head><body><p>Caf\xc3\xa9</p>\r\n<script>no</script><p>Two</p>"
)


def response(http: bytes, kind: bytes = b"response", more: bytes = b"") -> bytes:
    return (
        b"WARC/1.0\r\nWARC-Type: " + kind + b"\r\nWARC-Record-ID: <urn:uuid:0f-1>\r\n"
        b"WARC-Target-URI: http://Example.org:80/a\r\nWARC-Date: 2020-01-02T03:04:05.6Z\r\n" + more
        + b"Content-Length: %d\r\n\r\n" % len(http) + http + b"\r\n\r\n"
    )  # fmt: skip


def page(body: bytes = PAGE, *headers: str, status: str = "200 OK", kind: str = "text/html") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", *headers, "", ""]
    return response("\r\n".join(lines).encode() + body)


def read(data: bytes, max_record_bytes: int = 16 << 20) -> list[Document | Rejected]:
    return list(CommonCrawl(max_record_bytes).read(io.BytesIO(data), "folder/x.warc"))


def only(data: bytes, max_record_bytes: int = 16 << 20) -> Document | Rejected:
    (outcome,) = read(data, max_record_bytes)
    return outcome


def rejection(data: bytes, max_record_bytes: int = 16 << 20) -> tuple[str, str]:
    outcome = only(data, max_record_bytes)
    assert isinstance(outcome, Rejected)
    assert outcome.document.id == "0f-1"
    return outcome.reason, outcome.detail


def test_reads_a_page_with_all_that_its_record_says() -> None:
    data = page(kind="text/html; charset=utf-8")
    assert only(data) == Document(
        id="0f-1",
        source="commoncrawl",
        text="Café\n\nTwo",
        origin=Origin("folder/x.warc", 0, len(data)),
        url="http://Example.org:80/a",
        title="A title",
        created=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
        metadata={"domain": "example.org", "charset": "utf-8"},
    )


@pytest.mark.parametrize("kind", [b"request", b"metadata", b"warcinfo", b"revisit", b"resource"])
def test_other_records_are_no_pages(kind: bytes) -> None:
    assert rejection(response(b"x", kind)) == ("not_a_page", kind.decode())


def test_a_dns_response_is_no_page() -> None:
    assert rejection(response(b"1.2.3.4", more=b"Content-Type: text/dns\r\n")) == (
        "not_a_page",
        "response of text/dns",
    )


def test_only_status_200_passes() -> None:
    outcome = only(page(status="404 Not Found"))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.detail, outcome.score) == ("http_status", "404", 404.0)


def test_damaged_http_headers_are_told() -> None:
    assert rejection(response(b"hello")) == ("http_header_damaged", "no status line")
    assert rejection(response(b"HTTP/1.1 200 OK\r\nA: b\r\n")) == (
        "http_header_damaged",
        "the header has no end",
    )


def test_only_html_passes() -> None:
    assert rejection(page(kind="image/png")) == ("not_html", "image/png")
    assert rejection(page(b"%PDF-1.4 ...")) == ("not_html", "text/html that begins with b'%PDF-'")
    assert isinstance(only(page(kind="application/xhtml+xml")), Document)


def test_chunks_are_joined_and_an_already_joined_page_is_taken_as_it_is() -> None:
    chunked = b"a;x=y\r\n" + PAGE[:10] + b"\r\n%x\r\n" % len(PAGE[10:]) + PAGE[10:] + b"\r\n0\r\n\r\n"
    expected = only(page())
    for body in (chunked, chunked[:-20] + b"", PAGE):
        found = only(page(body, "Transfer-Encoding: chunked"))
        assert isinstance(found, Document) and isinstance(expected, Document)
        assert found.text.startswith("Café")
    broken = b"a\r\n" + PAGE[:10] + b"\r\nno chunk size stands here\r\n"
    assert rejection(page(broken, "Transfer-Encoding: chunked"))[0] == "transfer_encoding"


def test_gzip_and_deflate_are_undone_and_brotli_is_not() -> None:
    raw = zlib.compressobj(wbits=-15)
    bodies = [
        ("gzip", gzip.compress(PAGE)),
        ("x-gzip", PAGE),
        ("deflate", zlib.compress(PAGE)),
        ("deflate", raw.compress(PAGE) + raw.flush()),
        ("deflate", PAGE),
        ("deflate, gzip", gzip.compress(zlib.compress(PAGE))),
    ]
    for encoding, body in bodies:
        found = only(page(body, f"Content-Encoding: {encoding}"))
        assert isinstance(found, Document), encoding
        assert found.text == "Café\n\nTwo"
    assert rejection(page(b"\x0b\x02", "Content-Encoding: br")) == ("content_encoding", "br")
    assert rejection(page(b"\x1f\x8b\x08broken data", "Content-Encoding: gzip"))[0] == "content_encoding"


def test_a_page_that_inflates_without_end_is_too_large() -> None:
    bomb = page(gzip.compress(bytes(2 << 20)), "Content-Encoding: gzip")
    assert rejection(bomb, max_record_bytes=1 << 20)[0] == "record_too_large"


def test_a_page_without_text_and_an_unreadable_one_are_told() -> None:
    assert rejection(page(b"<html><script>x</script>"))[0] == "no_text"
    noise = bytes(range(0x80, 0x100)) * 4
    assert rejection(page(noise, kind="text/html; charset=utf-8"))[0] in ("charset_unknown", "no_text")


def test_wet_text_loses_its_title_line_and_outer_blanks() -> None:
    body = "The title\n first \u00a0\n\nlast\u0000\r\n".encode()
    found = only(response(body, b"conversion", b"Content-Type: text/plain\r\n"))
    assert isinstance(found, Document)
    assert (found.title, found.text) == ("The title", "first\n\nlast")
    assert rejection(response(b"The title\n", b"conversion")) == ("no_text", "a title only")


def test_a_damaged_record_is_named_by_its_place() -> None:
    outcome = read(gzip.compress(page()) + b"xyz")[1]
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "damaged_record"
    assert outcome.document.id == f"x.warc@{len(gzip.compress(page()))}+0"


def test_every_record_of_the_real_files_has_one_outcome(shared_data: Path) -> None:
    total: Counter[str] = Counter()
    for path in sorted((shared_data / "commoncrawl" / "original").glob("*warc*")):
        with path.open("rb") as stream:
            records = sum(1 for _ in read_records(stream, path.name))
        with path.open("rb") as stream:
            outcomes = list(CommonCrawl().read(stream, path.name))
        assert len(outcomes) == records
        documents = [o for o in outcomes if isinstance(o, Document)]
        assert from_batch(to_batch(documents)) == documents
        assert not any("\r" in d.text or "\0" in d.text or not d.text.strip() for d in documents)
        total.update(o.reason if isinstance(o, Rejected) else "kept" for o in outcomes)
    assert total == {
        "not_a_page": 1256, "not_html": 178, "kept": 193, "http_status": 58, "no_text": 2
    }  # fmt: skip
