"""Reader of Wikipedia dumps: `pages-articles` exports in XML, plain or bz2, into one document a page.

In: MediaWiki export XML of any version (0.3, which has no `<ns>`, to 0.11), in UTF-8 or UTF-16, plain or as bz2 with
any number of streams (https://www.mediawiki.org/wiki/Help:Export, https://meta.wikimedia.org/wiki/Data_dumps). Out:
for each article a document with the raw wikitext, to be cleaned by `CleanWikitext`; other pages are rejected.
Pages are cut out of the stream and parsed one by one (see `stages.xml_records`), so that a damaged page, or a damaged
bz2 stream of a multistream dump (100 pages), costs only itself.
"""

from __future__ import annotations

import io
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from lxml import etree

from stages.citations import cited_urls
from stages.document import Document, Origin, Rejected
from stages.sources.wikipedia_site import Site, read_site
from stages.sources.wikipedia_streams import (
    Damage,
    RangeEnd,
    StreamStart,
    bz2_events,
    clean_beginning,
    is_bz2,
    plain_events,
)
from stages.wikitext_names import DISAMBIGUATION_TEMPLATES, REDIRECT_WORDS
from stages.xml_records import Piece, RecordSplitter, parse_xml

# https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use, in force since 2023-06-07: CC BY-SA 4.0 instead of 3.0.
_VERSION_4 = datetime(2023, 6, 7, tzinfo=UTC)

# MediaWiki: a title has at most 255 bytes, 512 with its namespace, and a page id 32 bits.
_MAX_TITLE_CHARACTERS, _MAX_ID_DIGITS = 512, 18
# A page of an article has 30 tags. A tree of so many takes 300 MB; the cap in bytes alone would let 2 GB pass.
_MAX_TAGS = 2_000_000
_DETAIL_CHARACTERS = 200

# The quantifiers take all blanks there are and give none back: a page of blanks costs what it is long.
_REDIRECT = re.compile(r"\s*+#\s*+(\w++)\s*+:?\s*+\[\[")
_TEMPLATE_NAME = re.compile(r"\{\{\s*+([^{}|<>\n\[\]]{2,40}?)[^\S\n]*+[|}\n]")


@dataclass(frozen=True)
class Wikipedia:
    """Reads an export of one Wikipedia, whole or in ranges.

    Document: id `{language}:{page id}`, title, url, created (time of the revision), license by that time, language,
    text (raw wikitext of the newest revision), metadata `cited_urls` (external URLs, one a line, see
    `stages.citations`) and `disambiguation` = `true` on such pages.

    Where it is: in plain XML, origin.offset and length are the bytes of the page in the file. In bz2, origin.offset is
    the byte of the file at which the bz2 stream begins in which the page does (as Wikimedia's own multistream index
    has it), metadata `page_offset` the byte of the page in what that stream and those after it inflate to, and
    origin.length the bytes of its XML.

    Rejected: `not_an_article` (another namespace), `redirect`, `damaged_record`, `page_too_long`, `truncated_file`
    (once, at the end of a file that has no `</mediawiki>`, so that a cut download is counted).

    In plain XML the pages that begin in a range are its pages; in bz2 those in the streams that begin in it. A file of
    one stream, and one in UTF-16, is read whole in its first range.
    Raises ValueError when the file is no MediaWiki export or of another project than Wikipedia.
    """

    max_page_bytes: int = (
        64 << 20
    )  # MediaWiki: $wgMaxArticleSize is 2 MiB; escaping in XML and UTF-16 make it longer
    range_bytes: int = (
        64 << 20
    )  # Beam's own readers: DEFAULT_DESIRED_BUNDLE_SIZE; half a minute of work in bz2

    def __post_init__(self) -> None:
        if self.range_bytes < 1:
            raise ValueError("range_bytes must be at least 1")

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        size = stream.seek(0, io.SEEK_END)
        for start in range(0, max(size, 1), self.range_bytes):
            yield from self.read_range(stream, origin, start, start + self.range_bytes)

    def read_range(
        self, stream: BinaryIO, origin: str, start: int, end: int
    ) -> Iterator[Document | Rejected]:
        packed = is_bz2(stream)
        begin = clean_beginning(stream, start, end) if packed else start
        if begin is None:
            return
        head = bz2_events(stream, origin, 0, sys.maxsize) if packed else plain_events(stream, 0, sys.maxsize)
        site = read_site(head, origin, self.max_page_bytes)
        if site.encoding != "utf-8":  # a stream may begin in the middle of a character
            if start > 0:
                return
            end = sys.maxsize
        events = bz2_events(stream, origin, begin, end) if packed else plain_events(stream, start, end)
        splitter = RecordSplitter(
            "page", self.max_page_bytes, site.encoding, offset=0 if packed else start, with_head=False
        )
        pages = _Pages(site, origin, self.max_page_bytes)
        range_ends: int | None = None  # the splitter's offset at which the next range begins
        # The end of the file is told of by the range in which its last page begins, and by the first if there is none;
        # damage behind the last page is told of after that, as the ranges that it is in come later.
        tells_end = start == 0
        damages: list[Rejected] = []
        for event in events:
            if isinstance(event, StreamStart):
                pages.begin_stream(event.offset, splitter.end)
                continue
            if isinstance(event, RangeEnd):
                range_ends = splitter.end
            else:
                for piece in splitter.cut() if isinstance(event, Damage) else splitter.feed(event):
                    yield from damages
                    damages.clear()
                    if range_ends is not None and piece.offset >= range_ends:
                        return
                    tells_end = True
                    yield pages.outcome(piece)
            if isinstance(event, Damage) and range_ends is None:
                damages.append(pages.damage(event))
            begins = splitter.record_begins
            is_own = begins is not None and (range_ends is None or begins < range_ends)
            tells_end = tells_end or is_own
            if range_ends is None or is_own:
                continue
            if begins is not None or (not tells_end and splitter.searched >= range_ends):
                yield from damages
                return  # a page of the next range has begun, or none of this one can begin any more
        whole = "</mediawiki>".encode(site.encoding) in splitter.rest
        for piece in splitter.close():
            yield from damages
            damages.clear()
            yield pages.outcome(piece)
        if tells_end and not whole:
            yield pages.truncated(stream.seek(0, io.SEEK_END))
        yield from damages


class _Pages:
    """Makes documents of the pages of a range, in their order."""

    def __init__(self, site: Site, origin: str, max_page_bytes: int) -> None:
        self._site, self._origin, self._max_page_bytes = site, origin, max_page_bytes
        self._file = PurePosixPath(origin).name
        # bz2 streams from that of the page in hand on: byte in the file, and the splitter's offset of the first byte
        self._streams: deque[tuple[int, int]] = deque()

    def begin_stream(self, offset: int, first: int) -> None:
        self._streams.append((offset, first))

    def outcome(self, piece: Piece) -> Document | Rejected:
        """The document of a page."""
        while len(self._streams) > 1 and self._streams[1][1] <= piece.offset:
            self._streams.popleft()
        offset, page_offset = piece.offset, None
        if self._streams:
            offset, first = self._streams[0]
            page_offset = piece.offset - first
        place = f"{offset}" if page_offset is None else f"{offset}+{page_offset}"
        unknown = f"{self._site.language}:{self._file}@{place}"
        if piece.too_long:
            detail = f"more than {self._max_page_bytes} bytes"
            return self._rejected(unknown, Origin(self._origin, offset), "page_too_long", detail)
        closing = "</page>".encode(self._site.encoding)
        end = piece.data.rfind(closing)
        if end < 0:
            place_of_rest = Origin(self._origin, offset, len(piece.data))
            return self._rejected(unknown, place_of_rest, "damaged_record", "the page has no end")
        data = piece.data[: end + len(closing)]
        origin = Origin(self._origin, offset, len(data))
        if self._site.encoding != "utf-8":
            data = data.decode(self._site.encoding, "replace").encode("utf-8", "replace")
        try:
            return _document(_parsed(data), self._site, origin, page_offset)
        except ValueError as error:
            return self._rejected(unknown, origin, "damaged_record", str(error))

    def damage(self, event: Damage) -> Rejected:
        """For a bz2 stream that cannot be read on."""
        id = f"{self._file}#damaged-{event.offset}"
        return self._rejected(id, Origin(self._origin, event.offset), "damaged_record", event.detail)

    def truncated(self, size: int) -> Rejected:
        """For a file of `size` bytes that has no end."""
        detail = "the file ends without </mediawiki>"
        return self._rejected(f"{self._file}#end", Origin(self._origin, size), "truncated_file", detail)

    def _rejected(self, id: str, place: Origin, reason: str, detail: str) -> Rejected:
        document = Document(id, "wikipedia", "", place, language=self._site.language)
        return Rejected(document, reason, detail=detail[:_DETAIL_CHARACTERS])


def _parsed(data: bytes) -> etree._Element:
    if data.count(b"<") > _MAX_TAGS:
        raise ValueError(f"over {_MAX_TAGS} tags")
    return parse_xml(data, huge=True)


def _document(
    page: etree._Element, site: Site, place: Origin, page_offset: int | None
) -> Document | Rejected:
    """The document of a page; ValueError when something that every page has is missing."""
    title = (page.findtext("{*}title") or "").strip()
    page_id = (page.findtext("{*}id") or "").strip()
    revisions = page.findall("{*}revision")
    if not title or not (page_id.isascii() and page_id.isdecimal()) or not revisions:
        raise ValueError("a page without title, id or revision")
    if len(title) > _MAX_TITLE_CHARACTERS or len(page_id) > _MAX_ID_DIGITS:
        raise ValueError("title or id too long")
    created, revision = _newest(revisions)
    # XML hands on a carriage return that is written as a character reference.
    text = (revision.findtext("{*}text") or "").replace("\r\n", "\n").replace("\r", "\n")
    metadata: dict[str, str] = {} if page_offset is None else {"page_offset": str(page_offset)}
    document = Document(
        id=f"{site.language}:{page_id}",
        source="wikipedia",
        text=text,
        origin=place,
        url=f"https://{site.language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'), safe='/:@!$*(),;')}",
        title=title,
        license=_license(created),
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
        named = namespace or title.partition(":")[0]
        return Rejected(document, "not_an_article", detail=f"namespace {named[:_DETAIL_CHARACTERS]}")
    if (target := page.find("{*}redirect")) is not None:
        return Rejected(document, "redirect", detail=target.get("title", "")[:_DETAIL_CHARACTERS])
    word = _REDIRECT.match(text)
    if word and word[1].casefold() in REDIRECT_WORDS:
        return Rejected(document, "redirect")
    urls = cited_urls(text)
    if urls:
        metadata["cited_urls"] = "\n".join(urls)
    if _is_disambiguation(text):
        metadata["disambiguation"] = "true"
    return document


def _newest(revisions: list[etree._Element]) -> tuple[datetime | None, etree._Element]:
    """The newest revision and its time; the last of several. Histories are ordered by revision id, and an edit that was
    imported from another wiki has a new id and its old time."""
    dated = [(_timestamp(revision.findtext("{*}timestamp")), revision) for revision in revisions]
    oldest = datetime.min.replace(tzinfo=UTC)
    number = max(range(len(dated)), key=lambda n: (dated[n][0] or oldest, n))
    return dated[number]


def _license(created: datetime | None) -> str | None:
    """The licence of what was saved at this time; all that is older than 3.0 was put under it in 2009
    (https://meta.wikimedia.org/wiki/Licensing_update)."""
    if created is None:
        return None
    return "CC-BY-SA-4.0" if created >= _VERSION_4 else "CC-BY-SA-3.0"


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
