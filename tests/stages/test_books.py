"""Books as files: formats, packing, ids, licences, and what is refused. Headers are in `tests/cases/books`."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from stages.document import Document, Origin, Rejected
from stages.sources.books import Books

GUTENBERG = (
    "\ufeffThe Project Gutenberg EBook of Emma\r\n\r\nTitle: Emma\r\n  A Novel\r\n\r\nAuthor: Jane Austen\r\n\r\n"
    "This eBook is for the use of anyone anywhere\r\n\r\n"
    "*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***\r\n\r\nEmma Woodhouse\r\n"
)


def read(content: bytes, name: str = "books/emma.txt", **settings: str | int) -> Document | Rejected:
    [outcome] = Books(**settings).read(io.BytesIO(content), name)  # type: ignore[arg-type]
    return outcome


def book(content: bytes, name: str = "books/emma.txt", **settings: str | int) -> Document:
    outcome = read(content, name, **settings)
    assert isinstance(outcome, Document)
    return outcome


def reason(content: bytes, **settings: int) -> str:
    outcome = read(content, **settings)
    assert isinstance(outcome, Rejected)
    assert outcome.document.text == "" and outcome.document.origin == Origin("books/emma.txt")
    return outcome.reason


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def test_reads_title_author_and_license_from_the_header() -> None:
    found = book(GUTENBERG.encode())
    assert found.title == "Emma A Novel"
    assert found.metadata == {"author": "Jane Austen", "format": "gutenberg", "encoding": "utf-8"}
    assert found.license == "LicenseRef-Gutenberg-Public-Domain-US"
    assert "\r" not in found.text
    assert found.text.startswith("The Project")


def test_the_license_of_plain_text_is_unknown_unless_it_is_given() -> None:
    plain = book(b"Title: no header\n\ntext")
    assert (plain.license, plain.title, plain.metadata) == (
        None,
        None,
        {"format": "plain", "encoding": "ascii"},
    )
    assert book(b"text", plain_license="CC0-1.0").license == "CC0-1.0"
    unstated = GUTENBERG.replace("for the use of", "by")
    assert book(unstated.encode(), plain_license="CC0-1.0").license is None


def test_the_id_is_the_name_and_the_content() -> None:
    first, other = book(b"one"), book(b"two")
    packed = book(gzip.compress(b"one"), "elsewhere/emma.txt.gz")
    assert first.id == packed.id == "emma-fe05bcdcdc49"
    assert other.id != first.id
    assert packed.origin == Origin("elsewhere/emma.txt.gz")


def test_reads_the_one_text_of_a_zip_file() -> None:
    found = book(zipped(emma_txt=GUTENBERG.encode(), emma_jpg=b"\xff\xd8"), "emma.zip")
    assert (found.title, found.metadata["format"]) == ("Emma A Novel", "gutenberg")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b" \n", "no_text"),
        (b"", "no_text"),
        (b"a\0b", "binary"),
        (b"\x7fELF" + bytes(range(256)) * 40, "binary"),
        (gzip.compress(b"text" * 100)[:-9], "damaged_record"),
        (gzip.compress(os.urandom(3 << 20))[: 2 << 20], "damaged_record"),
        (b"\x1f\x8bno gzip", "damaged_record"),
        (b"PK\x03\x04no zip", "damaged_record"),
        (zipped(a_txt=b"text")[:-30], "damaged_record"),
        (zipped(a_txt=b"one", b_txt=b"two"), "not_an_epub"),
        (b"%PDF-1.4 ...", "unknown_format"),
        (b"{\\rtf1 text}", "unknown_format"),
        (b"\xef\xbb\xbf <!DOCTYPE html><html>", "unknown_format"),
        (b"x" * 60 + b"BOOKMOBI", "unknown_format"),
    ],
)
def test_what_is_no_book_is_rejected(content: bytes, expected: str) -> None:
    assert reason(content) == expected


def test_books_over_the_limit_are_rejected_packed_or_not() -> None:
    assert reason(b"text", max_book_bytes=3) == "book_too_large"
    assert reason(gzip.compress(b"text" * 1000), max_book_bytes=3000) == "book_too_large"
    assert reason(zipped(a_txt=b"text" * 1000), max_book_bytes=3000) == "book_too_large"
    assert reason(zipped(a_txt=b"text"), max_archive_bytes=30) == "book_too_large"


def test_a_gzip_bomb_is_given_up_at_the_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert len(bomb) < 300_000
    assert reason(bomb, max_book_bytes=1 << 20) == "book_too_large"


def test_a_book_of_one_line_of_50_megabytes_is_read() -> None:
    content = b"word " * 10_000_000
    found = book(content)
    assert len(found.text) == len(content)


def test_reads_all_sample_books(shared_data: Path) -> None:
    ids: set[str] = set()
    counts: Counter[str] = Counter()
    for path in sorted((shared_data / "books").glob("*/*.txt")):
        with path.open("rb") as stream:
            [found] = Books().read(stream, str(path))
        assert isinstance(found, Document)
        assert "\ufffd" not in found.text
        ids.add(found.id)
        counts[found.metadata["format"]] += 1
        if found.metadata["format"] == "gutenberg":
            assert found.title and found.license == "LicenseRef-Gutenberg-Public-Domain-US"
            counts["ebook_id"] += found.url is not None
            counts["author"] += "author" in found.metadata
            counts["release_date"] += "release_date" in found.metadata
            counts[f"language {found.language}"] += 1
    assert len(ids) == 73
    languages = {"language en": 48, "language fr": 6}
    known = {"ebook_id": 54, "author": 54, "release_date": 54}
    assert counts == {"gutenberg": 54, "plain": 19, **known, **languages}
