"""Books to documents, one file a book: plain text, Project Gutenberg's files, EPUB.

In: a text file, its gzip, a zip with one text file in it, or an EPUB, told apart by their first bytes. Out: one
Document with the whole text; header and licence of Project Gutenberg are still there (`stages.book_text` cuts them),
and what the header says is in the fields. The paper's books are Gutenberg and Books3 (Touvron et al. 2023, section
2.1); Books3 is withdrawn, so any folder of books will do.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from stages.book_encoding import NotText, decode_book
from stages.document import Document, Origin, Rejected
from stages.gutenberg import frame_of, gutenberg_license, header_fields
from stages.sources.epub import BadEpub, read_epub
from stages.zip_archive import BadArchive, open_archive

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_OTHER_FORMATS = {
    b"%PDF-": "PDF",
    b"{\\rtf": "RTF",
    b"\xd0\xcf\x11\xe0": "Microsoft Word",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"AT&TFORM": "DjVu",
}
_MARKUP = ("<!doctype html", "<html", "<?xml")


@dataclass(frozen=True)
class Books:
    """Reads one book. Rejects `book_too_large`, `damaged_record`, `binary`, `unknown_format`, `no_text`, and of EPUB
    `drm` (encrypted), `not_an_epub` and `markup_too_complex`.

    The id is the name of the file without suffix, a hyphen, and the first 12 hex digits of the SHA-1 of its bytes
    (unpacked when it is gzip): two editions of the same name stay apart, and a copy of a file is the same book wherever
    it lies. The origin is the whole file. Text is read in the charset that `stages.book_encoding` finds; it and the
    format (`gutenberg`, `plain`, `epub`) are in the metadata. `plain_license` is given to plain text, which says
    nothing of its licence: None unless one knows what the folder holds. Others have the licence that they state.
    """

    max_book_bytes: int = 64 << 20  # ours: the mean book of Books3 has 0.5 MB, the King James Bible 4.5 MB
    max_archive_bytes: int = 1 << 30  # ours: of an EPUB or zip file, pictures included
    plain_license: str | None = None  # an SPDX identifier

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        name = posixpath.basename(origin.replace("\\", "/")).removesuffix(".gz")
        known = Document(posixpath.splitext(name)[0], "books", "", Origin(origin))
        magic = stream.read(8)
        stream.seek(0)
        if magic.startswith(_ZIP):
            yield self._archived(known, stream)
            return
        try:
            if magic.startswith(_GZIP):
                with gzip.GzipFile(fileobj=stream) as unpacked:
                    content = unpacked.read(self.max_book_bytes + 1)
            else:
                content = stream.read(self.max_book_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            yield Rejected(known, "damaged_record", detail=f"gzip: {error}")
            return
        known = replace(known, id=f"{known.id}-{hashlib.sha1(content).hexdigest()[:12]}")
        if len(content) > self.max_book_bytes:
            yield Rejected(known, "book_too_large", detail=f"over {self.max_book_bytes} bytes")
            return
        yield self._text(known, content)

    def _archived(self, known: Document, stream: BinaryIO) -> Document | Rejected:
        digest, size = hashlib.sha1(), 0
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
            if size > self.max_archive_bytes:
                return Rejected(known, "book_too_large", detail=f"over {self.max_archive_bytes} bytes")
        known = replace(known, id=f"{known.id}-{digest.hexdigest()[:12]}")
        stream.seek(0)
        try:
            archive = open_archive(stream, self.max_book_bytes)
            texts = [name for name in archive.names if name.lower().endswith(".txt")]
            if not archive.has("META-INF/container.xml") and len(texts) == 1:
                return self._text(known, archive.read(texts[0]))
            book = read_epub(archive)
        except (BadArchive, BadEpub) as error:
            return Rejected(known, error.reason, detail=str(error))
        document = replace(
            known,
            text=book.text,
            url=book.url,
            title=book.title,
            license=book.license,
            created=book.created,
            language=book.language,
            scores=book.scores,
            metadata={**book.metadata, "format": "epub"},
        )
        return document if book.text.strip() else Rejected(document, "no_text")

    def _text(self, known: Document, content: bytes) -> Document | Rejected:
        other = next((kind for magic, kind in _OTHER_FORMATS.items() if content.startswith(magic)), None)
        if other or content[60:68] == b"BOOKMOBI":
            detail = f"{other or 'Mobipocket'}; convert it to plain text or EPUB"
            return Rejected(known, "unknown_format", detail=detail)
        try:
            text, charset = decode_book(content)
        except NotText as error:
            return Rejected(known, "binary", detail=str(error))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            return Rejected(known, "no_text")
        if text[:200].lstrip("\ufeff \n\t").lower().startswith(_MARKUP):
            return Rejected(known, "unknown_format", detail="HTML or XML; convert it to plain text or EPUB")
        frame = frame_of(text)
        if frame is None:
            facts = {"format": "plain", "encoding": charset}
            return replace(known, text=text, license=self.plain_license, metadata=facts)
        fields = header_fields(text, frame)
        return replace(
            known,
            text=text,
            url=fields.url,
            title=fields.title,
            license=gutenberg_license(text, frame),
            created=fields.created,
            language=fields.language,
            metadata={**fields.metadata, "format": "gutenberg", "encoding": charset},
        )
