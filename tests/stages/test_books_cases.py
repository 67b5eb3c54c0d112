"""Each case of `tests/cases/books`: a file (or an EPUB of these pages) in, the clean book and what is known of it out.

`NAME.in.txt` is a text file; `NAME.in.xhtml` the one page of an EPUB; `NAME.in.epub.txt` the members of an EPUB, each
after a line `--- its name`. `NAME.out.txt` is the text; `NAME.out.json` the text and fields, of the metadata some.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from stages.book_text import CleanGutenberg
from stages.document import Document
from stages.sources.books import Books

CASES = Path(__file__).resolve().parents[1] / "cases" / "books"
NAMES = sorted(path.name.split(".in.")[0] for path in CASES.glob("*.in.*"))

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
    '<item id="page" href="page.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="page"/></spine></package>'
)


def epub(members: dict[str, str]) -> bytes:
    """The bytes of an EPUB of these members, `mimetype` first and stored, as OCF asks."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def content_of(path: Path) -> bytes:
    given = path.read_text(encoding="utf-8")
    if path.name.endswith(".in.xhtml"):
        return epub({"META-INF/container.xml": CONTAINER, "book.opf": PACKAGE, "page.xhtml": given})
    if path.name.endswith(".in.epub.txt"):
        pieces = [piece.partition("\n") for piece in ("\n" + given).split("\n--- ")[1:]]
        return epub({name: content for name, _, content in pieces})
    return path.read_bytes()


def cleaned(content: bytes) -> Document:
    [book] = Books().read(io.BytesIO(content), "a.book")
    assert isinstance(book, Document)
    outcome = CleanGutenberg()(book)
    assert isinstance(outcome, Document)
    return outcome


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    [given] = CASES.glob(f"{name}.in.*")
    book = cleaned(content_of(given))
    fields = CASES / f"{name}.out.json"
    if not fields.exists():
        assert book.text + "\n" == (CASES / f"{name}.out.txt").read_text(encoding="utf-8")
        return
    expected = json.loads(fields.read_text(encoding="utf-8"))
    found = {
        "text": book.text,
        "title": book.title,
        "license": book.license,
        "language": book.language,
        "url": book.url,
        "created": book.created.date().isoformat() if book.created else None,
        "metadata": {key: book.metadata.get(key) for key in expected.get("metadata", ())},
    }
    assert {key: found[key] for key in expected} == expected


def test_there_are_cases() -> None:
    assert len(NAMES) >= 30
