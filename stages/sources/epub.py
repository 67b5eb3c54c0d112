"""EPUB 2 and 3 to text: the container names the package document, its spine the pages in order, its metadata the rest.

In: an open zip file. Out: the text of the pages, one after the other, parted as chapters are in Gutenberg's plain text,
with title, author, language, date, licence and address. Followed: EPUB 3.3 (W3C), OPF 2.0.1 and OCF 1.0 (IDPF). Covers,
navigation and pages that are nearly all links go by rule; pictures, styles and scripts are never opened. The package
is parsed without entity definitions, network and huge trees; pages by the parser of HTML, which has none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from lxml import etree

from stages.content import content_of, loss_scores
from stages.gutenberg import PUBLIC_DOMAIN_US, creative_commons_license, parse_date
from stages.html_text import UnreadablePageError, decode_page
from stages.xhtml_text import PageText, TooComplex, page_text
from stages.zip_archive import Archive

MAX_PAGES = 5_000  # ours, of the spine: a Bible with a file a chapter has 1,200
MAX_PAGE_BYTES = 16 << 20  # ours: pages of books have 0.5 MB at most, as reading devices ask
MAX_TAGS = 3_000_000  # ours, of all pages: a book of 5 MB with a link a word has 800,000
MAX_PACKAGE_BYTES = 8 << 20  # ours: the package document of 5,000 pages has about 1 MB
MIN_CONTENTS_LINKS = 5  # ours: a page of contents has at least so many links ...
MIN_CONTENTS_LINKED = (
    0.7  # ... and so much of its characters in them; notes with back links have under a third
)
MAX_FIELD_CHARACTERS = 500
# Obfuscated fonts are not DRM (EPUB 3.3 section 4.4; Adobe's older method).
_FONT_METHODS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_DRM_FILES = (
    "META-INF/rights.xml",
    "META-INF/sinf.xml",
    "META-INF/license.lcpl",
)  # Adobe, Apple, Readium LCP
_PAGE_TYPES = frozenset(
    {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"}
)
_LEFT_OUT = frozenset({"cover", "toc", "loi", "lot", "landmarks", "page-list"})  # epub:type and guide types
_COVER_NAME = re.compile(
    r"(?:^|[/_-])(?:cover|coverpage|cover-page|titlepage-cover|toc|nav)(?:[_-]?page)?\.x?html?$", re.I
)
_GUTENBERG = re.compile(r"gutenberg\.org/(?:ebooks/|files/|cache/epub/)?(\d{1,7})\b", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{1,40})")
_ENTITY_DEFINITION = re.compile(rb"<!ENTITY", re.IGNORECASE)


class BadEpub(ValueError):
    """An EPUB that is not read; `reason` is a rejection reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EpubBook:
    """`scores` are the loss meter's counts: raw is all that stands in the pages of the spine, kept is `text`."""

    text: str
    title: str | None
    language: str | None
    license: str | None
    url: str | None
    created: datetime | None
    metadata: Mapping[str, str]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Page:
    path: str
    left_out: bool


def read_epub(archive: Archive) -> EpubBook:
    """Reads the book of an open zip file.

    Raises BadEpub: `not_an_epub`, `drm`, `damaged_record`, `book_too_large`, `markup_too_complex`; and what
    `Archive.read` raises.
    """
    package_path = _package_path(archive)
    _refuse_drm(archive)
    package = _parsed(archive.read(package_path), package_path)
    pages = list(_spine(package, posixpath.dirname(package_path)))
    if len(pages) > MAX_PAGES:
        raise BadEpub("book_too_large", f"{len(pages)} pages in the spine, over {MAX_PAGES}")
    texts: list[str] = []
    visible: list[str] = []
    missing = tags = 0
    for page in pages:
        if not archive.has(page.path):
            missing += 1
            continue
        markup = _markup(archive.read(page.path), page.path)
        tags += markup.count("<")
        if tags > MAX_TAGS:
            raise BadEpub("markup_too_complex", f"over {MAX_TAGS} tags by {page.path[:200]}")
        try:
            found = page_text(markup)
        except TooComplex as error:
            raise BadEpub("markup_too_complex", f"{page.path[:200]}: {error}") from None
        visible.append(found.visible)
        if found.text and not (page.left_out or found.types & _LEFT_OUT or _is_contents(found)):
            texts.append(found.text)
    if pages and missing == len(pages):
        raise BadEpub("damaged_record", f"none of the {missing} pages of the spine is in the archive")
    text = "\n\n\n\n".join(texts)
    metadata = _metadata(package)
    if missing:
        metadata["missing_pages"] = str(missing)
    language = _first(package, "language")
    number = _gutenberg_number(package)
    if number:
        metadata["ebook_id"] = number
    source = _first(package, "source") or ""
    date, created = parse_date(_date(package))
    if date:
        metadata["release_date"] = date
    return EpubBook(
        text=text,
        title=_first(package, "title"),
        language=re.split("[-_]", language.lower())[0] if language else None,
        license=_license(package),
        url=f"https://www.gutenberg.org/ebooks/{number}"
        if number
        else source
        if _is_address(source)
        else None,
        created=created,
        metadata=metadata,
        scores=loss_scores(content_of("".join(visible)), content_of(text)),
    )


def _package_path(archive: Archive) -> str:
    if not archive.has("META-INF/container.xml"):
        raise BadEpub("not_an_epub", "a zip file without META-INF/container.xml")
    container = _parsed(archive.read("META-INF/container.xml"), "META-INF/container.xml")
    for rootfile in _named(container, "rootfile"):
        if rootfile.get("media-type", "application/oebps-package+xml") == "application/oebps-package+xml":
            return _inside("", rootfile.get("full-path", ""))
    raise BadEpub("not_an_epub", "META-INF/container.xml names no package document")


def _refuse_drm(archive: Archive) -> None:
    for name in _DRM_FILES:
        if archive.has(name):
            raise BadEpub("drm", f"{name} is there")
    if archive.has("META-INF/encryption.xml"):
        encryption = _parsed(archive.read("META-INF/encryption.xml"), "META-INF/encryption.xml")
        for data in _named(encryption, "EncryptedData"):
            methods = {method.get("Algorithm", "") for method in _named(data, "EncryptionMethod")}
            if not methods or methods - _FONT_METHODS:
                raise BadEpub(
                    "drm", f"encrypted by {', '.join(sorted(methods)) or 'an unnamed method'}"[:200]
                )


def _parsed(data: bytes, name: str) -> etree._Element:
    if len(data) > MAX_PACKAGE_BYTES:
        raise BadEpub("book_too_large", f"{name[:200]} has {len(data)} bytes")
    if _ENTITY_DEFINITION.search(data):
        raise BadEpub("damaged_record", f"{name[:200]} defines entities")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data.lstrip(b"\xef\xbb\xbf \r\n\t"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadEpub("damaged_record", f"{name[:200]}: {error}") from None


def _markup(data: bytes, name: str) -> str:
    """A page in the charset of its mark, of its XML declaration, or of its `meta` element."""
    if len(data) > MAX_PAGE_BYTES:
        raise BadEpub("book_too_large", f"{name[:200]} has {len(data)} bytes")
    declared = _XML_CHARSET.match(data)
    try:
        return decode_page(data, declared[1].decode("ascii") if declared else None)[0]
    except UnreadablePageError as error:
        raise BadEpub("damaged_record", f"{name[:200]}: {error}") from None


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    """Elements by local name: EPUB 1 and 2 files have namespaces of several ages, or none."""
    return (e for e in root.iter() if isinstance(e.tag, str) and etree.QName(e).localname == name)


def _inside(folder: str, reference: str) -> str:
    """The name of a member that a reference means; an empty one for what leads out of the archive."""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return ""
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return ""
    path = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
    return "" if path.startswith("..") else path


def _spine(package: etree._Element, folder: str) -> Iterator[_Page]:
    """The pages of the book in reading order, each file once."""
    items = {item.get("id"): item for item in _named(package, "item")}
    guide = {
        _inside(folder, reference.get("href", ""))
        for reference in _named(package, "reference")
        if reference.get("type", "").lower() in _LEFT_OUT
    }
    seen: set[str] = set()
    for itemref in _named(package, "itemref"):
        item = items.get(itemref.get("idref"))
        if item is None or item.get("media-type", "application/xhtml+xml") not in _PAGE_TYPES:
            continue
        path = _inside(folder, item.get("href", ""))
        if not path or path in seen:
            continue
        seen.add(path)
        navigation = "nav" in item.get("properties", "").split()
        yield _Page(path, navigation or path in guide or _COVER_NAME.search(path) is not None)


def _is_contents(page: PageText) -> bool:
    if page.links < MIN_CONTENTS_LINKS:
        return False
    return page.link_characters >= MIN_CONTENTS_LINKED * content_of(page.text).characters


def _texts(package: etree._Element, name: str) -> list[str]:
    """The values of a Dublin Core element, in order."""
    values = (" ".join("".join(map(str, element.itertext())).split()) for element in _named(package, name))
    return [value[:MAX_FIELD_CHARACTERS] for value in values if value]


def _first(package: etree._Element, name: str) -> str | None:
    return next(iter(_texts(package, name)), None)


def _date(package: etree._Element) -> str:
    """The publication date: the one marked so in EPUB 2, else the first that is no date of conversion."""
    dates = [
        (next((v for k, v in element.attrib.items() if str(k).endswith("event")), ""), element.text or "")
        for element in _named(package, "date")
    ]
    ordered = sorted(dates, key=lambda date: date[0] not in ("publication", "original-publication"))
    return next((value for event, value in ordered if event not in ("conversion", "modification")), "")


def _metadata(package: etree._Element) -> dict[str, str]:
    creators = _texts(package, "creator")
    found = {
        "author": "; ".join(creators)[:MAX_FIELD_CHARACTERS],
        "identifier": _first(package, "identifier"),
        "publisher": _first(package, "publisher"),
        "rights": _first(package, "rights"),
        "languages": ", ".join(_texts(package, "language")) if len(_texts(package, "language")) > 1 else None,
    }
    return {name: value for name, value in found.items() if value}


def _license(package: etree._Element) -> str | None:
    """What the rights state: public domain in the USA as Gutenberg says it, or a Creative Commons address."""
    rights = " ".join([*_texts(package, "rights"), *_texts(package, "license")])
    links = " ".join(
        link.get("href", "") for link in _named(package, "link") if "license" in link.get("rel", "").lower()
    )
    if "public domain in the usa" in rights.lower():
        return PUBLIC_DOMAIN_US
    return creative_commons_license(f"{rights} {links}")


def _gutenberg_number(package: etree._Element) -> str | None:
    for value in (*_texts(package, "identifier"), *_texts(package, "source")):
        if found := _GUTENBERG.search(value):
            return found[1]
    return None


def _is_address(value: str) -> bool:
    return value.startswith(("http://", "https://"))
