"""Pages with known main text, to fit the extractor on: from JSON lines, or from a crawl whose pages state their text.

A JSON line has `html` and `text`, and may have `url`, `id`, `type` (or `page_type`), `language`, and `html_encoding`:
`bytes-as-latin-1` where `html` holds the page's bytes one a character. Of a WARC file the pages are taken that carry
`articleBody` in JSON-LD (schema.org Article) whose words stand on the page: a publisher fills it by hand of his own
system, and where it agrees with the page it marks the main text, in any language. Files may be plain, gzip or zstd.

The site of a page is what folds are made of: the last two labels of its host, or three where the second to last is as
short as in co.uk; pages without a URL are asked for their canonical one. A page that says nothing is its own site.
"""

from __future__ import annotations

import gzip
import html as html_entities
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

import zstandard

from classifiers.block_labels import words_of
from pipeline import files
from stages.html_text import UnreadablePageError, decode_page
from stages.sources import common_crawl
from stages.warc import DamagedRecord, WarcRecord, read_records

MAX_LINE_BYTES = 128 << 20
MAX_HTML_BYTES = 16 << 20  # of one page; longer ones are left out, as a crawl has them cut
MIN_SILVER_WORDS = 50  # of an articleBody: shorter ones are often a teaser; our choice
MAX_JSON_LD_BYTES = 4 << 20
MAX_JSON_LD_SCRIPTS = 50
MAX_JSON_LD_VALUES = 100_000

_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_JSON_LD = re.compile(r"<script\b[^<>]{0,1000}application/ld\+json[^<>]{0,1000}>", re.IGNORECASE)
_SCRIPT_END = re.compile(r"</script", re.IGNORECASE)
_TAG = re.compile(r"<[/a-zA-Z][^<>]{0,2000}>")
_PAGE_URL = re.compile(
    r"<(?:link\b[^<>]{0,300}?\bcanonical\b[^<>]{0,300}?\bhref|meta\b[^<>]{0,300}?\bog:url\b[^<>]{0,300}?\bcontent)"
    r"\s*=\s*[\"']?(https?://[^\s\"'<>]{1,2000})",
    re.IGNORECASE,
)
_SEARCHED_CHARACTERS = 256 << 10  # of a page, for its canonical URL


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page and its main text. `silver` marks text that the page says itself and nobody has checked."""

    id: str
    file: str  # that it was read from
    html: bytes  # UTF-8
    text: str
    site: str
    type: str
    language: str
    silver: bool = False


def read_pages(path: str) -> Iterator[KnownPage]:
    """The pages of a file of JSON lines, or the pages of a WARC file that have `articleBody`.

    ValueError names the file, and the line of a record that is not what it must be.
    """
    with files.open_binary(path) as raw:
        if _opened(raw).read(5) == b"WARC/":
            raw.seek(0)
            yield from _silver_pages(raw, path)
        else:
            raw.seek(0)
            yield from _json_pages(_opened(raw), path)


def _opened(raw: BinaryIO) -> BinaryIO:
    """The inflated bytes of a stream that stands at its beginning."""
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return gzip.open(raw)  # type: ignore[return-value]
    if magic == _ZSTD_MAGIC:
        inflated = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)
        return io.BufferedReader(inflated)
    return raw


def _json_pages(lines: BinaryIO, path: str) -> Iterator[KnownPage]:
    number = 0
    try:
        while line := lines.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(
                    f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes; leave the page out"
                )
            if not line.isspace():
                page = _json_page(line, path, number)
                if len(page.html) <= MAX_HTML_BYTES:
                    yield page
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise ValueError(f"{path}: damaged after line {number} ({error}); fetch it again") from error


def _json_page(line: bytes, path: str, number: int) -> KnownPage:
    where = f"{path}, line {number}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: not JSON ({error}); each line must be one page as a JSON object"
        ) from error
    if not isinstance(record, dict):
        raise ValueError(f"{where}: not a JSON object; each line must be one page")

    def field(*names: str) -> str:
        for name in names:
            value = record.get(name)
            if isinstance(value, str):
                return value
            if value is not None:
                raise ValueError(f"{where}: {name} must be text, not {type(value).__name__}")
        return ""

    if "html" not in record or "text" not in record:
        raise ValueError(f"{where}: a page needs the fields html and text")
    html = field("html")
    if field("html_encoding") == "bytes-as-latin-1":
        try:
            html, _ = decode_page(html.encode("latin-1"), None)
        except (UnicodeEncodeError, UnreadablePageError) as error:
            raise ValueError(f"{where}: html cannot be decoded ({error}); give it decoded") from error
    id = field("id") or f"{path}:{number}"
    return KnownPage(
        id,
        path,
        html.encode("utf-8", "replace"),
        field("text"),
        site_of(field("url") or _canonical_url(html)) or id,
        field("type", "page_type") or "article",
        field("language"),
    )


def _silver_pages(raw: BinaryIO, path: str) -> Iterator[KnownPage]:
    for record in read_records(raw, path):
        if isinstance(record, DamagedRecord) or record.type != "response":
            continue
        html = _html_of(record)
        text = article_body(html)
        if len(words_of(text)) >= MIN_SILVER_WORDS:
            url = record.headers.get("warc-target-uri", "").strip("<> ")
            yield KnownPage(
                f"{path}@{record.offset}+{record.position}",
                path,
                html.encode("utf-8", "replace"),
                text,
                site_of(url) or url,
                "article",
                "",
                silver=True,
            )


def _html_of(record: WarcRecord) -> str:
    """The decoded page of a `response`; nothing where it is none, or cannot be read."""
    end = common_crawl._HEADER_END.search(record.block, 0, common_crawl.MAX_HTTP_HEADER_BYTES)
    if not end:
        return ""
    headers = common_crawl._http_headers(record.block[: end.start()])
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in common_crawl.HTML_TYPES:
        return ""
    payload = record.block[end.end() :]
    declared = common_crawl._CHARSET.search(content_type)
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            payload = common_crawl._dechunked(payload)
        payload = common_crawl._decoded(payload, headers.get("content-encoding", ""), MAX_HTML_BYTES)
        return decode_page(payload, declared.group(1) if declared else None)[0]
    except (common_crawl._Unusable, UnreadablePageError):
        return ""


def article_body(html: str) -> str:
    """The longest `articleBody` in the page's JSON-LD, without markup; nothing when there is none."""
    bodies = [""]
    for count, opened in enumerate(_JSON_LD.finditer(html)):
        closed = _SCRIPT_END.search(html, opened.end(), opened.end() + MAX_JSON_LD_BYTES)
        if closed is None or count == MAX_JSON_LD_SCRIPTS:
            break
        try:
            left = [json.loads(html[opened.end() : closed.start()], strict=False)]
        except (ValueError, RecursionError):
            continue
        for _ in range(MAX_JSON_LD_VALUES):
            if not left:
                break
            value = left.pop()
            if isinstance(value, list):
                left += value
            elif isinstance(value, dict):
                if isinstance(body := value.get("articleBody"), str):
                    bodies.append(body)
                left += value.values()
    longest = html_entities.unescape(max(bodies, key=len))
    return html_entities.unescape(_TAG.sub(" ", longest)).strip()


def site_of(url: str) -> str:
    """The registrable part of a URL's host, about: `news.example.co.uk` and `example.co.uk` are one site."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # a broken IPv6 address
        return ""
    labels = host.rstrip(".").split(".")
    if len(labels) < 3 or labels[-1].isdigit():
        return ".".join(labels)
    return ".".join(labels[-3:] if len(labels[-2]) <= 3 else labels[-2:])


def _canonical_url(html: str) -> str:
    found = _PAGE_URL.search(html, 0, _SEARCHED_CHARACTERS)
    return found.group(1) if found else ""
