"""Plain-text books to documents, one file a book.

In: a `.txt` file, or its gzip, recognised by its first bytes. Out: one Document with the whole text; header
and licence of Project Gutenberg are still there (`stages.book_text` cuts them), title and author are read
from them. The paper's books are Gutenberg and Books3 (Touvron et al. 2023, section 2.1); Books3 is withdrawn,
so any folder of books will do.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from stages.book_text import gutenberg_license, is_gutenberg
from stages.document import Document, Origin, Rejected

HEADER_CHARACTERS = 10_000  # Gutenberg's header has about 1,000; the small print of old files about 9,000
FIELD = re.compile(r"^(Title|Author):[ \t]*([^\n]+(?:\n[ \t]+[^\s:][^\n]*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Books:
    """Reads one book. Rejects `book_too_large`, `damaged_record`, `binary`, `no_text`.

    The id is the name of the file without suffix, a hyphen, and the first 12 hex digits of the SHA-1 of its
    bytes (unpacked): two editions of the same name stay apart, and a copy of a file is the same book wherever
    it lies. Text is UTF-8 where it decodes, else Windows-1252, else Latin-1.
    """

    max_book_bytes: int = 64 << 20  # ours: the mean book of Books3 has 0.5 MB, the King James Bible 4.5 MB

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        name = posixpath.basename(origin.replace("\\", "/")).removesuffix(".gz")
        stem = posixpath.splitext(name)[0]
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        document = Document(stem, "books", "", Origin(origin))
        try:
            if packed:
                with gzip.GzipFile(fileobj=stream) as unpacked:
                    content = unpacked.read(self.max_book_bytes + 1)
            else:
                content = stream.read(self.max_book_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            yield Rejected(document, "damaged_record", detail=f"gzip: {error}")
            return
        document = Document(f"{stem}-{hashlib.sha1(content).hexdigest()[:12]}", "books", "", Origin(origin))
        if len(content) > self.max_book_bytes:
            yield Rejected(document, "book_too_large", detail=f"over {self.max_book_bytes} bytes")
        elif b"\0" in content:
            yield Rejected(document, "binary")
        else:
            yield _book(document, content)


def _book(document: Document, content: bytes) -> Document | Rejected:
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return Rejected(document, "no_text")
    fields: dict[str, str] = {}
    if is_gutenberg(text):
        for match in FIELD.finditer(text, 0, HEADER_CHARACTERS):
            fields.setdefault(match[1], " ".join(match[2].split()))
    return Document(
        id=document.id,
        source="books",
        text=text,
        origin=document.origin,
        title=fields.get("Title"),
        license=gutenberg_license(text),
        metadata={"author": fields["Author"]} if "Author" in fields else {},
    )


def decode(content: bytes) -> str:
    """The text of a book: UTF-8 (a byte order mark is dropped), else Windows-1252, else Latin-1."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")
