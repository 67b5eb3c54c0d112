"""Reader of Wikipedia dumps: `pages-articles` exports in XML, plain or bz2, into one document a page.

In: MediaWiki export XML of any version (0.3, which has no `<ns>`, to 0.11), in UTF-8 or UTF-16, plain or as bz2 with
any number of streams (https://www.mediawiki.org/wiki/Help:Export, https://meta.wikimedia.org/wiki/Data_dumps). Out:
for each article a document with the raw wikitext, to be cleaned by `CleanWikitext`; other pages are rejected.
Pages are cut out of the stream and parsed one by one (see `stages.xml_records`), so that a damaged page, or a damaged
bz2 stream of a multistream dump (100 pages), costs only itself.
"""

from __future__ import annotations

import bz2
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from lxml import etree

from stages.citations import cited_urls
from stages.document import Document, Origin, Rejected
from stages.wikitext_names import DISAMBIGUATION_TEMPLATES, REDIRECT_WORDS
from stages.xml_records import NoRecords, Piece, RecordSplitter, parse_xml

_CHUNK_BYTES = 1 << 20
_STREAM_START = re.compile(rb"BZh[1-9]1AY&SY")  # head of a bz2 stream and of its first block
_STREAM_START_BYTES = 10
# A file with more damaged bz2 streams than this is given up: it is no dump, or it must be fetched again.
MAX_DAMAGED_STREAMS = 1000

# https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use, in force since 2023-06-07: CC BY-SA 4.0 instead of 3.0.
_VERSION_4 = datetime(2023, 6, 7, tzinfo=UTC)

# Wikimedia's names: enwiki-20220601-pages-articles.xml.bz2, be_x_oldwiki-...
_DUMP_NAME = re.compile(r"([a-z]{2,12}(?:[_-][a-z]+)*)wiki-")
_DATABASE_NAME = re.compile(r"([a-z]{2,12}(?:_[a-z]+)*)wiki")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9_.-]+)")
_REDIRECT = re.compile(r"\s*#\s*(\w+)\s*:?\s*\[\[")
_TEMPLATE_NAME = re.compile(r"\{\{\s*([^{}|<>\n\[\]]{2,40}?)\s*[|}\n]")


@dataclass(frozen=True)
class _Site:
    """What the head of an export says: its language and the names of its namespaces other than articles."""

    language: str
    namespaces: frozenset[str]


@dataclass(frozen=True)
class Wikipedia:
    """Reads an export of one Wikipedia.

    Document: id `{language}:{page id}`, title, url, created (time of the revision), license by that time, language,
    text (raw wikitext), metadata `cited_urls` (external URLs, one a line, see `stages.citations`) and `disambiguation`
    = `true` on such pages; origin.offset and length are those of the page in the inflated UTF-8 XML.

    Rejected: `not_an_article` (another namespace), `redirect`, `damaged_record`, `page_too_long`, `truncated_file`
    (once, at the end of a file that has no `</mediawiki>`, so that a cut download is counted).

    The language is that of the file's name where it has the form that Wikimedia gives it (`dewiki-...`), since excerpts
    often carry the head of another wiki; else of `<dbname>`, `<base>`, `xml:lang`, in this order.
    Raises ValueError when the file is no MediaWiki export or of another project than Wikipedia.
    """

    max_page_bytes: int = (
        64 << 20
    )  # MediaWiki: $wgMaxArticleSize is 2 MiB; escaping in XML and UTF-16 make it longer

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        splitter = RecordSplitter("page", self.max_page_bytes)
        site: _Site | None = None
        file = PurePosixPath(origin).name
        last: Piece | None = None
        for chunk in _utf8(_inflated(stream, origin), origin):
            try:
                pieces = list(splitter.feed(chunk)) if chunk is not None else []
            except NoRecords as error:
                raise ValueError(f"{origin}: {error}; is it a MediaWiki export?") from error
            if site is None and splitter.head is not None:
                site = _read_site(splitter.head, origin)
            for piece in pieces:
                assert site is not None
                yield self._page(piece, site, origin)
            if chunk is None:
                yield _damaged(
                    f"{file}#damaged-{splitter.end}", Origin(origin, splitter.end), "bz2 data damaged"
                )
        for last in splitter.close():
            assert site is not None
            yield self._page(last, site, origin)
        if site is None:
            site = _read_site(splitter.head or b"", origin)
        end = last.data if last else splitter.head or b""
        if b"</mediawiki>" not in end[-1000:]:
            yield Rejected(
                Document(f"{file}#end", "wikipedia", "", Origin(origin, splitter.end)),
                "truncated_file",
                detail="the file ends without </mediawiki>",
            )

    def _page(self, piece: Piece, site: _Site, origin: str) -> Document | Rejected:
        place = Origin(origin, piece.offset, len(piece.data))
        unknown = f"{site.language}:{PurePosixPath(origin).name}@{piece.offset}"
        if piece.too_long:
            document = Document(unknown, "wikipedia", "", place, language=site.language)
            return Rejected(document, "page_too_long", detail=f"more than {self.max_page_bytes} bytes")
        end = piece.data.rfind(b"</page>")
        if end < 0:
            return _damaged(unknown, place, "the page has no end")
        place = Origin(origin, piece.offset, end + len(b"</page>"))
        try:
            page = parse_xml(piece.data[: place.length], huge=True)
            return _document(page, site, place)
        except ValueError as error:
            return _damaged(unknown, place, str(error))


def _damaged(id: str, place: Origin, detail: str) -> Rejected:
    return Rejected(Document(id, "wikipedia", "", place), "damaged_record", detail=detail)


def _document(page: etree._Element, site: _Site, place: Origin) -> Document | Rejected:
    """The document of a page; ValueError when something that every page has is missing."""
    title = (page.findtext("{*}title") or "").strip()
    page_id = (page.findtext("{*}id") or "").strip()
    revisions = page.findall("{*}revision")
    if not title or not page_id.isdecimal() or not revisions:
        raise ValueError("a page without title, id or revision")
    revision = revisions[-1]  # exports with the whole history have the latest last
    text = revision.findtext("{*}text") or ""
    created = _timestamp(revision.findtext("{*}timestamp"))
    metadata: dict[str, str] = {}
    document = Document(
        id=f"{site.language}:{page_id}",
        source="wikipedia",
        text=text,
        origin=place,
        url=f"https://{site.language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'), safe='/:@!$*(),;')}",
        title=title,
        license="CC-BY-SA-4.0" if created is not None and created >= _VERSION_4 else "CC-BY-SA-3.0",
        created=created,
        language=site.language,
        metadata=metadata,
    )
    namespace = page.findtext("{*}ns")
    if namespace is None:
        prefix, colon, _ = title.partition(":")
        is_article = not (colon and prefix.strip().casefold() in site.namespaces)
    else:
        is_article = namespace.strip() == "0"
    if not is_article:
        return Rejected(
            document, "not_an_article", detail=f"namespace {namespace or title.partition(':')[0]}"
        )
    if (target := page.find("{*}redirect")) is not None:
        return Rejected(document, "redirect", detail=target.get("title", ""))
    word = _REDIRECT.match(text)
    if word and word[1].casefold() in REDIRECT_WORDS:
        return Rejected(document, "redirect")
    urls = cited_urls(text)
    if urls:
        metadata["cited_urls"] = "\n".join(urls)
    if _is_disambiguation(text):
        metadata["disambiguation"] = "true"
    return document


def _is_disambiguation(text: str) -> bool:
    if "__DISAMBIG__" in text:
        return True
    return any(
        name.replace("_", " ").casefold() in DISAMBIGUATION_TEMPLATES for name in _TEMPLATE_NAME.findall(text)
    )


def _timestamp(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _read_site(head: bytes, origin: str) -> _Site:
    """Language and namespaces from the head of an export."""
    start = head.find(b"<mediawiki")
    if start < 0:
        raise ValueError(f"{origin}: not a MediaWiki export (no <mediawiki>); give a pages-articles dump")
    end = head.find(b"</siteinfo>", start)
    try:
        if end < 0:
            root = parse_xml(head[start : head.index(b">", start) + 1] + b"</mediawiki>")
        else:
            root = parse_xml(head[start:end] + b"</siteinfo></mediawiki>")
    except ValueError as error:
        raise ValueError(
            f"{origin}: the head of the export cannot be read ({error}); download it anew"
        ) from error
    base_host = urlsplit(root.findtext("{*}siteinfo/{*}base") or "").hostname or ""
    if base_host and not base_host.endswith(".wikipedia.org"):
        raise ValueError(f"{origin}: an export of {base_host}, not of a Wikipedia; give a Wikipedia dump")
    file_name = _DUMP_NAME.match(PurePosixPath(origin).name)
    database = _DATABASE_NAME.fullmatch(root.findtext("{*}siteinfo/{*}dbname") or "")
    language = (
        (file_name[1] if file_name else "")
        or (database[1] if database else "")
        or base_host.removesuffix(".wikipedia.org").removeprefix("www.")
        or root.get("{http://www.w3.org/XML/1998/namespace}lang", "")
    ).replace("_", "-")
    if not re.fullmatch(r"[a-z]{2,12}(?:-[a-z]+)*", language):
        raise ValueError(
            f"{origin}: the export does not say its language; name the file like dewiki-...xml.bz2"
        )
    names = {
        (element.text or "").strip().casefold()
        for element in root.iterfind("{*}siteinfo/{*}namespaces/{*}namespace")
        if element.get("key") != "0"
    }
    return _Site(language, frozenset(names - {""}))


def _inflated(stream: BinaryIO, origin: str) -> Iterator[bytes | None]:
    """The file's bytes, inflated if it is bz2; None where a bz2 stream is damaged (reading goes on at the next one)."""
    start = stream.read(_STREAM_START_BYTES)
    stream.seek(-len(start), 1)
    if not (start.startswith(b"BZh") and start[3:4].isdigit()):
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
        return
    inflater: bz2.BZ2Decompressor | None = bz2.BZ2Decompressor()
    data = b""
    damaged = 0
    while True:
        if inflater is None:  # after damage, or between two streams
            match = _STREAM_START.search(data)
            if match is not None:
                data = data[match.start() :]
                inflater = bz2.BZ2Decompressor()
            else:
                data = data[-_STREAM_START_BYTES + 1 :]
        if inflater is None or not data:
            more = stream.read(_CHUNK_BYTES)
            if not more:
                break
            data += more
            continue
        fed = data
        data = b""
        try:
            out = inflater.decompress(fed, _CHUNK_BYTES)
            while True:
                if out:
                    yield out
                if inflater.eof or inflater.needs_input:
                    break
                out = inflater.decompress(b"", _CHUNK_BYTES)
        except (OSError, EOFError) as error:
            damaged += 1
            if damaged > MAX_DAMAGED_STREAMS:
                raise ValueError(
                    f"{origin}: over {MAX_DAMAGED_STREAMS} damaged bz2 streams; download it anew"
                ) from error
            yield None
            data, inflater = fed[1:], None  # the next stream may begin in what was fed
            continue
        if inflater.eof:
            data = inflater.unused_data
            inflater = bz2.BZ2Decompressor() if data.startswith(b"BZh") else None
    if inflater is not None and not inflater.eof and inflater.needs_input:
        yield None


def _utf8(chunks: Iterator[bytes | None], origin: str) -> Iterator[bytes | None]:
    """The same in UTF-8, without a byte order mark or XML declaration of another encoding."""
    first = True
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        if first:
            first = False
            if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
                decoder = codecs.getincrementaldecoder("utf-16")("replace")
            elif chunk[:2] in (b"<\0", b"\0<"):
                name = "utf-16-le" if chunk[0] else "utf-16-be"
                decoder = codecs.getincrementaldecoder(name)("replace")
            else:
                declared = _ENCODING.search(chunk[:200])
                if declared and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
                    encoding = declared[1].decode("ascii")
                    raise ValueError(f"{origin}: XML in {encoding} is not read; convert it to UTF-8")
        yield chunk if decoder is None else decoder.decode(chunk).encode("utf-8", "replace")
