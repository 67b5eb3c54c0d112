"""Pages from JSON lines and from WARC files, good ones and bad ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from pipeline.fit_pages import article_body, read_pages, site_of

PAGE = {
    "html": "<p>Über uns</p>",
    "text": "Über uns",
    "url": "https://www.news.example.co.uk/a",
    "type": "service",
}
BODY = " ".join(f"word{k}" for k in range(60))


def write_lines(path: Path, *records: object) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def test_reads_the_fields_of_a_line(tmp_path: Path) -> None:
    (page,) = read_pages(write_lines(tmp_path / "pages.jsonl", PAGE | {"id": "x", "language": "de"}))
    assert (page.id, page.site, page.type, page.language) == ("x", "example.co.uk", "service", "de")
    assert page.html == "<p>Über uns</p>".encode()
    assert page.text == "Über uns"
    assert not page.silver


def test_reads_gzip_and_zstd(tmp_path: Path) -> None:
    line = json.dumps(PAGE).encode() + b"\n"
    (tmp_path / "a.gz").write_bytes(gzip.compress(line))
    (tmp_path / "a.zst").write_bytes(zstandard.compress(line) + zstandard.compress(line))
    assert len(list(read_pages(str(tmp_path / "a.gz")))) == 1
    assert len(list(read_pages(str(tmp_path / "a.zst")))) == 2


def test_decodes_bytes_that_were_kept_as_latin_1(tmp_path: Path) -> None:
    html = '<meta charset="windows-1251"><p>Привет, как дела у вас сегодня</p>'.encode("cp1251").decode(
        "latin-1"
    )
    record = {"html": html, "html_encoding": "bytes-as-latin-1", "text": "x"}
    (page,) = read_pages(write_lines(tmp_path / "pages.jsonl", record))
    assert "Привет" in page.html.decode()


def test_a_page_without_url_is_of_the_site_of_its_canonical_url_or_its_own(tmp_path: Path) -> None:
    canonical = '<link rel="canonical" href="https://blog.example.org/x">'
    path = write_lines(
        tmp_path / "p.jsonl", {"html": canonical, "text": "a"}, {"html": "", "text": "b", "id": "lone"}
    )
    assert [page.site for page in read_pages(path)] == ["example.org", "lone"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: not a JSON object"),
        ('{"html": "x"}', "line 2: a page needs the fields html and text"),
        ('{"html": 3, "text": "x"}', "line 2: html must be text, not int"),
        (
            '{"html": "\\u0416", "text": "x", "html_encoding": "bytes-as-latin-1"}',
            "line 2: html cannot be decoded",
        ),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps(PAGE) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        list(read_pages(str(path)))


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    whole = gzip.compress((json.dumps(PAGE) + "\n").encode() * 2000)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.gz: damaged after line \d+"):
        list(read_pages(str(tmp_path / "cut.gz")))


def test_finds_the_longest_article_body_in_any_depth() -> None:
    data = {"@graph": [{"articleBody": "short"}, {"a": {"articleBody": "the &amp; <b>longer</b> one"}}]}
    other = '<script>{"articleBody": "not this very long one"}</script>'
    html = f'<script type="application/ld+json">{json.dumps(data)}</script>{other}'
    assert article_body(html) == "the &  longer  one"


def test_broken_and_hostile_json_ld_is_passed_over() -> None:
    opened = '<script type="application/ld+json">'
    good = f'{opened}{{"articleBody": "good"}}</script>'
    assert article_body(f"{opened}{{</script>{opened}{'[' * 200_000}</script>{good}") == "good"
    assert article_body(opened * 20_000) == ""
    assert article_body(f'{opened}{{"articleBody": 3}}</script>') == ""


def response(url: str, html: str) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html.encode()
    header = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return header.encode() + block + b"\r\n\r\n"


def test_a_crawl_gives_the_pages_that_state_their_text(tmp_path: Path) -> None:
    script = f'<script type="application/ld+json">{json.dumps({"articleBody": BODY})}</script>'
    pages = {
        "https://www.example.org/a": f"{script}<p>{BODY}</p>",
        "https://example.net/short": script.replace(BODY, "few words") + "<p>few words</p>",
        "https://example.net/none": f"<p>{BODY}</p>",
    }
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(b"".join(gzip.compress(response(url, html)) for url, html in pages.items()))
    (page,) = read_pages(str(path))
    assert (page.site, page.text, page.silver) == ("example.org", BODY, True)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.example.com/a?b", "example.com"),
        ("http://politics.people.com.cn/n1", "people.com.cn"),
        ("//News.Example.DE.", "example.de"),
        ("http://10.0.0.1/x", "10.0.0.1"),
        ("http://[broken", ""),
        ("no address", ""),
    ],
)
def test_site_of_a_url(url: str, site: str) -> None:
    assert site_of(url) == site
