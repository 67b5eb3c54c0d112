"""Common Crawl: the pages of WARC and WET files as documents, and every other record as a rejection.

A WARC `response` gives the visible text of its HTML page (all of it, or the main content), a WET `conversion` the text
it holds. The title is not part of the text in either: CCNet takes the first line of a WET record (the page's title)
out, and strips every line.
Each record and each damaged place of a file is one document or one rejection.

Sources: WARC 1.1 (ISO 28500:2017); RFC 9110 and 9112 (HTTP); CCNet (Wenzek et al. 2020) for WET text.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

import brotli
from isal import isal_zlib

from stages.document import Document, Origin, Rejected
from stages.extraction.extract import Extractor
from stages.extraction.weights import load_weights
from stages.html_text import UnreadablePageError, decode_page, main_text, page_text, with_line_ends
from stages.warc import DamagedRecord, WarcRecord, read_records
from stages.warc_bytes import ISAL_ERROR

HTML_TYPES = ("text/html", "application/xhtml+xml")
NOT_HTML_MAGIC = (b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"RIFF", b"\x00\x00\x01\x00")
MAX_HTTP_HEADER_BYTES = 256 << 10  # Common Crawl's fetcher stops far below
MAX_TITLE_CHARACTERS = 1_000  # the rest of a title is cut off; of 5,897 real pages none has more
MAX_URL_CHARACTERS = 8_192  # a longer address is no address of a page; cut off it would be another page's
MAX_ID_CHARACTERS = 1_024  # of a record id; a UUID has 36
MAX_DOMAIN_CHARACTERS = 253  # RFC 1035, section 2.3.4

_STATUS = re.compile(rb"HTTP/\d(?:\.\d+)? +(\d{3})(?!\d)")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]{0,1000})?\r?\n")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.IGNORECASE)


class _Unusable(ValueError):
    def __init__(self, reason: str, detail: str = "", score: float | None = None) -> None:
        super().__init__(detail)
        self.reason, self.score = reason, score


@dataclass(frozen=True)
class CommonCrawl:
    """Reads .warc, .warc.gz, .warc.zst and their WET siblings.

    Reasons: `not_a_page` (other record types), `http_status`, `http_header_damaged`, `transfer_encoding`,
    `content_encoding`, `not_html`, `charset_unknown`, `html_too_complex`, `no_text`, `damaged_record`,
    `record_too_large`.
    """

    max_record_bytes: int = 16 << 20  # of a block, and of a decoded page; Common Crawl cuts at 1 to 5 MiB
    first_line_is_title: bool = True  # of WET text; cc_net's process_wet_file
    main_content: bool = False  # of HTML; CCNet reads WET text, which has menus and footers too
    extraction: str = "web"  # weights of the main content: `article`, `web`, or a file (`models.extraction`)
    extraction_threshold: float | None = None  # a block's least score; None: that of the weights
    comments: Literal["scored", "kept", "dropped"] = "scored"  # of readers, in the main content
    source: str = "commoncrawl"  # of the documents; another one where the crawl is made into it (C4)

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        name = PurePath(origin).name
        extractor = None
        if self.main_content:
            extractor = _extractor(self.extraction, self.extraction_threshold, self.comments)
        for record in read_records(stream, origin, self.max_record_bytes):
            where = Origin(origin, record.offset, record.length)
            # Without a record id the place names the record: name of the file, but not the folder, which may change.
            place = f"{name}@{record.offset}+{record.position}"
            if isinstance(record, DamagedRecord):
                empty = Document(place, self.source, "", where)
                yield Rejected(empty, record.reason, detail=record.detail)
                continue
            try:
                known = _known(record, self.source, place, where)
            except _Unusable as error:
                yield Rejected(Document(place, self.source, "", where), error.reason, detail=str(error))
                continue
            try:
                if record.type == "response":
                    yield self._page(record, known, extractor)
                elif record.type == "conversion":
                    if self.main_content:
                        raise ValueError(
                            f"{origin}: WET has no HTML; give WARC files, or set steps.read.main_content: false"
                        )
                    yield self._conversion(record, known)
                else:
                    yield Rejected(known, "not_a_page", detail=record.type[:40])
            except _Unusable as error:
                yield Rejected(known, error.reason, error.score, str(error))
            except UnreadablePageError as error:
                yield Rejected(known, error.reason, detail=str(error))

    def _page(self, record: WarcRecord, known: Document, extractor: Extractor | None) -> Document:
        if not record.headers.get("content-type", "application/http").lower().startswith("application/http"):
            raise _Unusable("not_a_page", f"response of {record.headers['content-type'][:40]}")
        status = _STATUS.match(record.block)
        end = _HEADER_END.search(record.block, 0, MAX_HTTP_HEADER_BYTES)
        if not status or not end:
            raise _Unusable(
                "http_header_damaged", "no status line" if not status else "the header has no end"
            )
        if status.group(1) != b"200":
            raise _Unusable("http_status", status.group(1).decode(), float(status.group(1)))
        headers = _http_headers(record.block[: end.start()])
        content_type = headers.get("content-type") or record.headers.get("warc-identified-payload-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in HTML_TYPES:
            raise _Unusable("not_html", media_type[:80] or "no content type")
        payload = record.block[end.end() :]
        if "chunked" in headers.get("transfer-encoding", "").lower():
            payload = _dechunked(payload)
        payload = _decoded(payload, headers.get("content-encoding", ""), self.max_record_bytes)
        if payload.startswith(NOT_HTML_MAGIC):
            raise _Unusable("not_html", f"{media_type} that begins with {payload[:5]!r}")
        declared = _CHARSET.search(content_type)
        html, charset = decode_page(payload, declared.group(1) if declared else None)
        page = main_text(html, extractor) if extractor else page_text(html)
        _check_text(page.text, self.max_record_bytes)
        found = Document(
            known.id,
            known.source,
            page.text,
            known.origin,
            known.url,
            page.title[:MAX_TITLE_CHARACTERS].rstrip() or None,
            created=known.created,
        )
        facts = {name: fact for name, fact in page.facts.items() if len(fact) <= MAX_URL_CHARACTERS}
        return found.with_metadata(**known.metadata, **facts, charset=charset)

    def _conversion(self, record: WarcRecord, known: Document) -> Document:
        if not record.headers.get("content-type", "text/plain").lower().startswith("text/plain"):
            raise _Unusable("not_a_page", f"conversion to {record.headers['content-type'][:40]}")
        text = with_line_ends(record.block.decode("utf-8", "replace")).removesuffix("\n")
        lines = list(map(str.strip, text.split("\n")))
        title = lines.pop(0)[:MAX_TITLE_CHARACTERS].rstrip() if self.first_line_is_title else ""
        text = "\n".join(lines)
        if not text or text.isspace():
            raise _Unusable("no_text", "a title only" if title else "")
        _check_text(text, self.max_record_bytes)
        return Document(
            known.id,
            known.source,
            text,
            known.origin,
            known.url,
            title or None,
            created=known.created,
            metadata={**known.metadata, "charset": "utf-8"},
        )


@lru_cache(maxsize=4)
def _extractor(
    weights: str, threshold: float | None, comments: Literal["scored", "kept", "dropped"]
) -> Extractor:
    return Extractor(load_weights(weights), threshold, comments)


def _known(record: WarcRecord, source: str, place: str, where: Origin) -> Document:
    """What the WARC header says of a record. An id or address that is too long for one makes it unusable."""
    headers = record.headers
    record_id = headers.get("warc-record-id", "").strip("<> ").removeprefix("urn:uuid:")
    url = headers.get("warc-target-uri", "").strip("<> ") or None
    for what, value, most in (
        ("address", url or "", MAX_URL_CHARACTERS),
        ("id", record_id, MAX_ID_CHARACTERS),
    ):
        if len(value) > most:
            raise _Unusable("record_too_large", f"its {what} has {len(value)} characters, over {most}")
    try:
        host = urlsplit(url).hostname if url else None
    except ValueError:  # a broken IPv6 address
        host = None
    return Document(
        record_id or place,
        source,
        "",
        where,
        url,
        created=_date(headers.get("warc-date", "")),
        metadata={"domain": host} if host and len(host) <= MAX_DOMAIN_CHARACTERS else {},
    )


def _date(value: str) -> datetime | None:
    try:
        date = datetime.fromisoformat(value)
        return (date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)).replace(
            microsecond=0
        )
    except (ValueError, OverflowError):
        return None


def _http_headers(header: bytes) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in header.decode("latin-1").split("\n")[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return headers


def _dechunked(payload: bytes) -> bytes:
    """The payload without its chunk lines. As it is when it does not begin with one: many crawlers decode and keep the
    header. A last chunk that was cut off counts as far as it goes."""
    line = _CHUNK.match(payload)
    if not line:
        return payload
    chunks: list[bytes] = []
    while line and (size := int(line.group(1), 16)):
        chunks.append(payload[line.end() : line.end() + size])
        at = line.end() + size
        at += 2 if payload[at : at + 2] == b"\r\n" else 1
        if at >= len(payload):
            break
        line = _CHUNK.match(payload, at)
    if not line and len(payload) - at > 16:
        raise _Unusable("transfer_encoding", f"no chunk size at byte {at} of {len(payload)}")
    return b"".join(chunks)


def _decoded(payload: bytes, encodings: str, max_bytes: int) -> bytes:
    """The payload with its content encodings undone (gzip, deflate, br), cut off where the crawler cut it off."""
    for encoding in reversed([e.strip().lower() for e in encodings.split(",") if e.strip()]):
        if encoding in ("identity", "none", "utf-8"):
            continue
        if encoding in ("gzip", "x-gzip"):
            if not payload.startswith(b"\x1f\x8b"):
                continue  # decoded by the crawler, header kept
            window_bits = 31
        elif payload.lstrip()[:1] == b"<":
            continue  # likewise
        elif encoding == "br":
            payload = _brotli_decoded(payload, max_bytes)
            continue
        elif encoding == "deflate":
            is_zlib = (
                len(payload) > 1 and payload[0] & 0x0F == 8 and int.from_bytes(payload[:2], "big") % 31 == 0
            )
            window_bits = 15 if is_zlib else -15
        else:
            raise _Unusable("content_encoding", encoding[:40])
        try:
            payload = isal_zlib.decompressobj(window_bits).decompress(payload, max_bytes + 1)
        except (ISAL_ERROR, zlib.error) as error:
            raise _Unusable("content_encoding", f"{encoding}: {error}") from None
        _check_size(payload, max_bytes)
    return payload


def _brotli_decoded(payload: bytes, max_bytes: int) -> bytes:
    decoder = brotli.Decompressor()
    try:
        page = decoder.process(payload, output_buffer_limit=max_bytes + 1)
        while len(page) <= max_bytes and (more := decoder.process(b"", output_buffer_limit=max_bytes)):
            page += more
    except brotli.error as error:
        raise _Unusable("content_encoding", f"br: {error}") from None
    _check_size(page, max_bytes)
    return bytes(page)


def _check_text(text: str, max_bytes: int) -> None:
    if 4 * len(text) > max_bytes and len(text.encode()) > max_bytes:
        raise _Unusable("record_too_large", f"the text has over {max_bytes} bytes")


def _check_size(page: bytes, max_bytes: int) -> None:
    if len(page) > max_bytes:
        raise _Unusable("record_too_large", f"the page inflates to over {max_bytes} bytes")
