"""EPUBs from outside: what is refused, what is passed over, and what costs nothing. Text is in `tests/cases/books`."""

from __future__ import annotations

import io
import struct
import time
import zipfile

import pytest

from stages.document import Document, Rejected
from stages.sources.books import Books

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<metadata><dc:title>Oars</dc:title>{}</metadata><manifest>"
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
)
ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData '
    'xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>'
)
MEMBERS: dict[str, str | bytes] = {
    "META-INF/container.xml": CONTAINER,
    "book.opf": PACKAGE.format(""),
    "a.xhtml": "<html><body><p>One.</p></body></html>",
    "b.xhtml": "<html><body><p>Two.</p></body></html>",
}


def epub(packing: int = zipfile.ZIP_DEFLATED, **changes: str | bytes | None) -> bytes:
    """An EPUB of two pages; members are changed or (None) left out, named with `_` for `.` and `__` for `/`."""
    members: dict[str, str | bytes | None] = dict(MEMBERS)
    for name, content in changes.items():
        members[name.replace("META_INF", "META-INF").replace("__", "/").replace("_", ".")] = content
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return stream.getvalue()


def read(content: bytes, **settings: int) -> Document | Rejected:
    [outcome] = Books(**settings).read(io.BytesIO(content), "oars.epub")  # type: ignore[arg-type]
    return outcome


def text(content: bytes) -> str:
    outcome = read(content)
    assert isinstance(outcome, Document), outcome
    return outcome.text


def refused(content: bytes, **settings: int) -> tuple[str, str]:
    outcome = read(content, **settings)
    assert isinstance(outcome, Rejected)
    return outcome.reason, outcome.detail


def test_pages_are_parted_as_chapters() -> None:
    assert text(epub()) == "One.\n\n\n\nTwo."


def test_the_loss_meter_counts_all_pages_as_raw() -> None:
    outcome = read(epub(b_xhtml="<p>Two<script>var a = 1;</script></p><nav>12 pages</nav>"))
    assert isinstance(outcome, Document)
    assert outcome.scores == {
        "raw_characters": 7.0,
        "raw_digits": 0.0,
        "kept_characters": 7.0,
        "kept_digits": 0.0,
    }


@pytest.mark.parametrize("name", ["META_INF__rights_xml", "META_INF__sinf_xml", "META_INF__license_lcpl"])
def test_drm_is_refused(name: str) -> None:
    assert refused(epub(**{name: "<r/>"}))[0] == "drm"


def test_encrypted_pages_are_drm_and_obfuscated_fonts_are_not() -> None:
    aes = ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes256-cbc")
    assert refused(epub(META_INF__encryption_xml=aes)) == (
        "drm",
        "encrypted by http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    )
    assert text(epub(META_INF__encryption_xml=ENCRYPTION.format("http://www.idpf.org/2008/embedding")))


def test_a_member_with_a_password_is_drm() -> None:
    content = bytearray(epub())
    directory = content.find(b"PK\x01\x02")
    while directory >= 0:
        content[directory + 8] |= 1
        directory = content.find(b"PK\x01\x02", directory + 1)
    assert refused(bytes(content))[0] == "drm"


def test_an_entity_bomb_in_the_package_is_refused() -> None:
    bomb = (
        '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        + PACKAGE.format("&b;")
    )
    assert refused(epub(book_opf=bomb)) == ("damaged_record", "book.opf defines entities")


def test_entities_that_a_page_defines_are_not_followed() -> None:
    page = (
        '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
        "<html><body><p>One &b; &f;</p></body></html>"
    )
    assert text(epub(a_xhtml=page)) == "One &b; &f;\n\n\n\nTwo."


@pytest.mark.parametrize(
    "href",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "http://example.org/a.xhtml",
        "//example.org/a",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_links_out_of_the_archive_are_not_followed(href: str) -> None:
    package = PACKAGE.format("").replace("b.xhtml", href)
    outcome = read(epub(book_opf=package))
    assert isinstance(outcome, Document)
    assert outcome.text == "One." and "missing_pages" not in outcome.metadata


def test_a_table_of_contents_inside_a_chapter_does_not_take_the_chapter_along() -> None:
    page = '<body><section><nav epub:type="toc"><a href="#s">S</a></nav><p>One.</p></section></body>'
    assert text(epub(a_xhtml=page)).startswith("One.")


def test_a_page_that_is_missing_is_noted_and_all_missing_are_a_damaged_book() -> None:
    outcome = read(epub(b_xhtml=None))
    assert isinstance(outcome, Document)
    assert (outcome.text, outcome.metadata["missing_pages"]) == ("One.", "1")
    assert refused(epub(a_xhtml=None, b_xhtml=None))[0] == "damaged_record"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"META_INF__container_xml": None}, "not_an_epub"),
        ({"META_INF__container_xml": "<container/>"}, "not_an_epub"),
        ({"META_INF__container_xml": "<container"}, "damaged_record"),
        ({"book_opf": None}, "damaged_record"),
        ({"book_opf": "<package>"}, "damaged_record"),
        ({"a_xhtml": "", "b_xhtml": "<html/>"}, "no_text"),
    ],
)
def test_damaged_books_are_rejected(changes: dict[str, str | None], expected: str) -> None:
    assert refused(epub(**changes))[0] == expected


def test_a_page_with_a_wrong_checksum_is_a_damaged_book() -> None:
    content = epub()
    place = content.find(b"PK\x01\x02", content.find(b"PK\x01\x02") + 1)
    while content[place + 46 : place + 53] != b"a.xhtml":
        place = content.find(b"PK\x01\x02", place + 1)
    wrong = content[: place + 16] + struct.pack("<L", 7) + content[place + 20 :]
    assert refused(wrong)[0] == "damaged_record"


def test_a_zip_bomb_is_given_up_at_its_ratio_and_at_the_limit() -> None:
    bomb = b"<p>" + b" " * (14 << 20) + b"</p>"
    begun = time.process_time()
    assert refused(epub(a_xhtml=bomb)) == ("book_too_large", "a.xhtml inflates to over 2858600 bytes")
    assert refused(epub(), max_book_bytes=400)[0] == "book_too_large"
    assert time.process_time() - begun < 3


def test_a_false_size_in_the_directory_does_not_open_the_limit() -> None:
    content = bytearray(epub(a_xhtml=b"<p>" + b" " * (14 << 20) + b"</p>"))
    place = content.find(b"PK\x01\x02")
    while content[place + 46 : place + 53] != b"a.xhtml":
        place = content.find(b"PK\x01\x02", place + 1)
    content[place + 24 : place + 28] = struct.pack("<L", 10)
    assert refused(bytes(content))[0] in ("book_too_large", "damaged_record")


def test_too_many_members_are_refused_before_they_are_listed() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")
    assert refused(stream.getvalue())[0] == "book_too_large"


def test_a_page_nested_too_deep_is_refused_and_not_cut() -> None:
    deep = "<div>" * 5_000 + "deep" + "</div>" * 5_000 + "<p>after</p>"
    assert refused(epub(a_xhtml=deep))[0] == "markup_too_complex"
    assert text(epub(a_xhtml="<div>" * 500 + "deep" + "</div>" * 500 + "<p>after</p>")).startswith(
        "deep\n\nafter"
    )


def test_a_page_with_too_many_tags_is_refused() -> None:
    assert refused(epub(zipfile.ZIP_STORED, a_xhtml="<b/>" * 3_100_000))[0] == "markup_too_complex"


def test_a_page_in_the_charset_of_its_declaration() -> None:
    page = '<?xml version="1.0" encoding="windows-1251"?><html><body><p>Весло</p></body></html>'
    assert text(epub(a_xhtml=page.encode("cp1251"))).startswith("Весло\n")
    assert text(epub(a_xhtml=page.replace("windows-1251", "utf-16").encode("utf-16"))).startswith("Весло\n")


def test_a_page_stands_once_however_often_the_spine_names_it() -> None:
    package = PACKAGE.format("").replace("<spine>", "<spine>" + '<itemref idref="a"/>' * 1000)
    assert text(epub(book_opf=package)) == "One.\n\n\n\nTwo."
