"""Common Crawl records: one outcome a record, the right reason, and real files."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import brotli
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


def read(
    data: bytes, max_record_bytes: int = 16 << 20, main_content: bool = False
) -> list[Document | Rejected]:
    reader = CommonCrawl(max_record_bytes, main_content=main_content)
    return list(reader.read(io.BytesIO(data), "folder/x.warc"))


def only(data: bytes, max_record_bytes: int = 16 << 20, main_content: bool = False) -> Document | Rejected:
    (outcome,) = read(data, max_record_bytes, main_content)
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


def test_content_encodings_are_undone() -> None:
    raw = zlib.compressobj(wbits=-15)
    bodies = [
        ("gzip", gzip.compress(PAGE)),
        ("x-gzip", PAGE),
        ("deflate", zlib.compress(PAGE)),
        ("deflate", raw.compress(PAGE) + raw.flush()),
        ("deflate", PAGE),
        ("deflate, gzip", gzip.compress(zlib.compress(PAGE))),
        ("br", brotli.compress(PAGE)),
        ("br", PAGE),
    ]
    for encoding, body in bodies:
        found = only(page(body, f"Content-Encoding: {encoding}"))
        assert isinstance(found, Document), encoding
        assert found.text == "Café\n\nTwo"
    assert rejection(page(b"?", "Content-Encoding: zip")) == ("content_encoding", "zip")
    assert rejection(page(b"no brotli", "Content-Encoding: br"))[0] == "content_encoding"
    assert rejection(page(b"\x1f\x8b\x08broken data", "Content-Encoding: gzip"))[0] == "content_encoding"


def test_a_page_that_inflates_without_end_is_too_large() -> None:
    for encoding, compress in (("gzip", gzip.compress), ("br", brotli.compress)):
        bomb = page(compress(bytes(2 << 20)), f"Content-Encoding: {encoding}")
        assert rejection(bomb, max_record_bytes=1 << 20)[0] == "record_too_large"


def test_wet_is_refused_where_the_main_content_is_wanted() -> None:
    wet = response(b"The title\nText\n", b"conversion", b"Content-Type: text/plain\r\n")
    with pytest.raises(
        ValueError, match=r"^folder/x\.warc: WET has no HTML; .* steps\.read\.main_content: false$"
    ):
        read(response(b"", b"warcinfo") + wet, main_content=True)


def test_main_content_leaves_menus_and_footers_out() -> None:
    body = "<p>" + "The river rises in the hills and reaches the sea after two days of travel. " * 8 + "</p>"
    html = f"<html><body><nav><a href=/>Home</a> <a href=/a>About us</a></nav><article>{body}</article></body></html>"
    whole, main = (only(page(html.encode()), main_content=main) for main in (False, True))
    assert isinstance(whole, Document) and isinstance(main, Document)
    assert "About us" in whole.text and "About us" not in main.text
    assert main.text.startswith("The river rises") and main.text in whole.text


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


@pytest.mark.parametrize(
    "header",
    [
        # As first written in 2013; with the id of the page's record; since March 2020 with languages.
        ("WARC-Type: conversion", "WARC-Target-URI: {u}", "WARC-Date: {d}", "WARC-Record-ID: <urn:uuid:0f-1>"),
        (
            "WARC-Type: conversion", "WARC-Target-URI: {u}", "WARC-Date: {d}", "WARC-Record-ID: <urn:uuid:0f-1>",
            "WARC-Refers-To: <urn:uuid:0f-0>", "WARC-Block-Digest: sha1:JROHLCS5SKMBR6XY46WXREW7RXM64EJC",
        ),
        (
            "WARC-Type: conversion", "WARC-Target-URI: {u}", "WARC-Date: {d}", "WARC-Record-ID: <urn:uuid:0f-1>",
            "WARC-Refers-To: <urn:uuid:0f-0>", "WARC-Block-Digest: sha1:JROHLCS5SKMBR6XY46WXREW7RXM64EJC",
            "WARC-Identified-Content-Language: eng,fra",
        ),
    ],
)  # fmt: skip
def test_wet_headers_of_all_years_are_read_by_name(header: tuple[str, ...]) -> None:
    url, date, text = "http://example.org/a b", "2020-01-02T03:04:05Z", "Title\nFirst line.\nSecond line.\n"
    lines = [
        "WARC/1.0",
        *header,
        "Content-Type: text/plain",
        f"Content-Length: {len(text)}",
        "",
        text,
        "",
        "",
    ]
    record = "\r\n".join(lines).format(u=url, d=date)
    found = only(record.encode())
    assert isinstance(found, Document)
    assert (found.id, found.url, found.title) == ("0f-1", url, "Title")
    assert found.text == "First line.\nSecond line." and found.created == datetime(
        2020, 1, 2, 3, 4, 5, tzinfo=UTC
    )


def test_a_damaged_record_is_named_by_its_place() -> None:
    outcome = read(gzip.compress(page()) + b"xyz")[1]
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "damaged_record"
    assert outcome.document.id == f"x.warc@{len(gzip.compress(page()))}+0"


def wet(text: bytes, url: bytes = b"http://a.org/", number: int = 1) -> bytes:
    return (
        b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:uuid:0f-%d>\r\n" % number
        + b"WARC-Target-URI: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (url, len(text))
        + text + b"\r\n\r\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [wet(b"t" * 5_000 + b"\nText"), page(b"<title>" + b"t" * 5_000 + b"</title>Text")],
    ids=["wet", "html"],
)
def test_a_title_is_cut_at_a_thousand_characters(record: bytes) -> None:
    found = only(record)
    assert isinstance(found, Document)
    assert (found.title, found.text) == ("t" * 1_000, "Text")


def test_an_address_that_is_no_pages_address_is_refused_and_not_cut() -> None:
    assert isinstance(only(wet(b"T\nText", b"http://a.org/" + b"x" * 8_179)), Document)
    outcome = only(wet(b"T\nText", b"http://a.org/" + b"x" * 8_180))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.detail) == (
        "record_too_large",
        "its address has 8193 characters, over 8192",
    )
    assert (outcome.document.id, outcome.document.url) == ("x.warc@0+0", None)


def test_a_host_longer_than_a_host_is_no_domain() -> None:
    for length, domain in ((253, "a" * 253), (254, None)):
        found = only(wet(b"T\nText", b"http://" + b"a" * length + b"/"))
        assert isinstance(found, Document)
        assert found.metadata.get("domain") == domain


def test_a_text_that_grows_over_the_limit_of_a_record_is_refused() -> None:
    assert rejection(page(b"<ol><li>word" * 100), 5_000) == (
        "record_too_large",
        "the text has over 5000 bytes",
    )
    assert rejection(wet(b"T\n" + b"\xff" * 3_000), 5_000)[0] == "record_too_large"


def test_a_page_made_to_be_slow_is_refused() -> None:
    assert rejection(page(b"<ol><li>x" * 10_000))[0] == "html_too_complex"


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
