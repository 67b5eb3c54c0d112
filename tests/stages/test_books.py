"""Books as files: encodings, packing, ids, and what Gutenberg's header says."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

from stages.document import Document, Rejected
from stages.sources.books import Books

GUTENBERG = (
    "\ufeffThe Project Gutenberg EBook of Emma\r\n\r\nTitle: Emma\r\n  A Novel\r\n\r\nAuthor: Jane Austen\r\n\r\n"
    "*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***\r\n\r\nEmma Woodhouse\r\n"
)


def read(content: bytes, name: str = "books/emma.txt") -> Document | Rejected:
    [outcome] = Books().read(io.BytesIO(content), name)
    return outcome


def text_of(outcome: Document | Rejected) -> str:
    assert isinstance(outcome, Document)
    return outcome.text


def test_reads_title_author_and_license_from_the_header() -> None:
    book = read(GUTENBERG.encode())
    assert isinstance(book, Document)
    assert (book.title, book.metadata) == ("Emma A Novel", {"author": "Jane Austen"})
    assert book.license == "LicenseRef-Gutenberg-Public-Domain-US"
    assert "\r" not in book.text
    assert book.text.startswith("The Project")


def test_the_license_of_other_books_is_unknown() -> None:
    plain = read(b"Title: no header\n\ntext")
    assert isinstance(plain, Document)
    assert (plain.license, plain.title) == (None, None)
    copyrighted = GUTENBERG.replace("Title:", "This is a COPYRIGHTED Project Gutenberg eBook\r\nTitle:")
    book = read(copyrighted.encode())
    assert isinstance(book, Document)
    assert book.license is None


def test_the_id_is_the_name_and_the_content() -> None:
    first, other = read(b"one"), read(b"two")
    packed = read(gzip.compress(b"one"), "elsewhere/emma.txt.gz")
    assert isinstance(first, Document)
    assert isinstance(other, Document)
    assert isinstance(packed, Document)
    assert first.id == packed.id == "emma-fe05bcdcdc49"
    assert other.id != first.id


def test_decodes_utf_8_and_else_windows_1252() -> None:
    assert text_of(read("Café “x”".encode())) == "Café “x”"
    assert text_of(read("Café “x”".encode("cp1252"))) == "Café “x”"
    assert text_of(read(b"a\x81b")) == "a\x81b"


def test_bad_books_are_rejected() -> None:
    outcomes = [read(b" \n"), read(b"a\0b"), read(gzip.compress(b"text" * 100)[:-9])]
    assert [o.reason for o in outcomes if isinstance(o, Rejected)] == ["no_text", "binary", "damaged_record"]
    [large] = Books(max_book_bytes=3).read(io.BytesIO(b"text"), "a.txt")
    assert isinstance(large, Rejected)
    assert large.reason == "book_too_large"


def test_reads_all_sample_books(shared_data: Path) -> None:
    ids: set[str] = set()
    licensed = 0
    for path in sorted((shared_data / "books").glob("*/*.txt")):
        with path.open("rb") as stream:
            [book] = Books().read(stream, str(path))
        assert isinstance(book, Document)
        assert "�" not in book.text
        licensed += book.license is not None
        ids.add(book.id)
    assert (len(ids), licensed) == (73, 54)
