"""What the head of a MediaWiki export says: of which Wikipedia it is, its namespaces, and its encoding.

In: the first bytes of the XML (https://www.mediawiki.org/wiki/Help:Export). Out: a `Site`. The language is that of the
file's name where it has the form that Wikimedia gives it (`dewiki-...`), since excerpts often carry the head of another
wiki; else of `<dbname>`, `<base>`, `xml:lang`, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from stages.sources.wikipedia_streams import Damage, Event
from stages.xml_records import NoRecords, RecordSplitter, parse_xml

# Wikimedia's names: enwiki-20220601-pages-articles.xml.bz2, be_x_oldwiki-...
_DUMP_NAME = re.compile(r"([a-z]{2,12}(?:[_-][a-z]+)*)wiki-")
_DATABASE_NAME = re.compile(r"([a-z]{2,12}(?:_[a-z]+)*)wiki")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Site:
    """The language of a Wikipedia, the names of its namespaces other than articles, and the encoding of the XML."""

    language: str
    namespaces: frozenset[str]
    encoding: str


def read_site(events: Iterator[Event], origin: str, max_bytes: int) -> Site:
    """The site of the export that begins with these events; no more of them is taken than needed.

    Raises ValueError, one line, when the file is no MediaWiki export, of another project, or not in UTF-8 or UTF-16.
    """
    splitter: RecordSplitter | None = None
    encoding, damaged = "utf-8", False
    for event in events:
        damaged = isinstance(event, Damage)
        if damaged:
            break
        if not isinstance(event, bytes):
            continue
        if splitter is None:
            encoding = _encoding(event, origin)
            splitter = RecordSplitter("page", max_bytes, encoding)
        try:
            for _ in splitter.feed(event):
                pass
        except NoRecords as error:
            raise ValueError(f"{origin}: {error}; is it a MediaWiki export?") from error
        if splitter.head is not None:
            break
    if splitter is not None:
        for _ in splitter.close():
            pass
    head = (splitter.head if splitter else None) or b""
    if encoding != "utf-8":
        head = head.decode(encoding, "replace").encode("utf-8", "replace")
    if damaged and b"<mediawiki" not in head:
        raise ValueError(f"{origin}: its first bz2 stream is damaged; download it anew")
    return _site(head, origin, encoding)


def _encoding(start: bytes, origin: str) -> str:
    """The encoding that the first bytes show."""
    for name, marks in (
        ("utf-16-le", (b"\xff\xfe", b"<\0")),
        ("utf-16-be", (b"\xfe\xff", b"\0<")),
    ):
        if start[:2] in marks:
            return name
    declared = _ENCODING.search(start[:200])
    if declared and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        encoding = declared[1].decode("ascii")
        raise ValueError(f"{origin}: XML in {encoding} is not read; convert it to UTF-8")
    return "utf-8"


def _site(head: bytes, origin: str, encoding: str) -> Site:
    start = head.find(b"<mediawiki")
    if start < 0:
        raise ValueError(f"{origin}: not a MediaWiki export (no <mediawiki>); give a pages-articles dump")
    end = head.find(b"</siteinfo>", start)
    try:
        if end < 0:
            root = parse_xml(head[start : head.index(b">", start) + 1] + b"</mediawiki>")
        else:
            root = parse_xml(head[start:end] + b"</siteinfo></mediawiki>")
        base_host = urlsplit(root.findtext("{*}siteinfo/{*}base") or "").hostname or ""
    except ValueError as error:
        raise ValueError(
            f"{origin}: the head of the export cannot be read ({error}); download it anew"
        ) from error
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
    return Site(language, frozenset(names - {""}), encoding)
