"""Source code from GitHub: BigQuery exports and archives of repositories to one document a file.

In, told apart by the first bytes: a part of BigQuery's table `contents` (Parquet, Avro, JSON lines), joined
here with its companions `files`, `licenses` and `languages`; rows that are joined already (`repo_name`,
`path`, `license` beside the content), in the same formats, as `fetch-github` writes them; a tar (plain, gzip,
bzip2, xz) or zip of one repository. Out: a Document a file with repository, path and licence. LLaMA used "the
public GitHub dataset available on Google BigQuery" (Touvron et al. 2023, section 2.1). A row of `contents` is
one blob however often it was committed, so it gives one document.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from stages.code_files import file_suffix
from stages.document import Document, Origin, Rejected
from stages.sources.bigquery_export import Row, columns_of, is_table, read_rows
from stages.sources.github_places import Companions, Place, language_names
from stages.sources.license_texts import SPDX_BY_GITHUB_KEY
from stages.sources.repository_archive import RepositoryFile, Unread, read_tar, read_zip
from stages.sources.source_encoding import decode_source

CONTENT_COLUMNS = ("id", "content", "binary", "repo_name", "path", "license", "language")


def open_local(path: str) -> BinaryIO:
    return open(path, "rb")


@dataclass(frozen=True)
class Github:
    """Reads any of the containers above.

    `files`, `licenses` and `repository_languages` are the parts of BigQuery's tables `files`, `licenses` and
    `languages`; `open_file` opens them, so that they may lie in an object store. Ids are
    `repository:path:blob`, the blob being git's SHA-1; the origin is the byte range that
    stages/sources/bigquery_export.py and repository_archive.py name. Rejects `binary`, `encoding_unknown`,
    `file_too_large`, `unknown_place`, `damaged_record`, `archive_too_large`.
    """

    files: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    repository_languages: tuple[str, ...] = ()
    open_file: Callable[[str], BinaryIO] = open_local
    max_file_bytes: int = 1 << 20  # BigQuery's table has no content above 1 MiB
    max_line_bytes: int = 16 << 20  # ours: a JSON line; escapes make it longer than the file
    max_row_group_bytes: int = 2 << 30  # ours: unpacked
    max_block_bytes: int = 64 << 20  # ours: of Avro, unpacked
    max_archive_bytes: int = 2 << 30  # ours: unpacked, one repository
    max_archive_files: int = 200_000  # ours

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        magic = stream.read(262)
        stream.seek(0)
        if is_table(magic):
            yield from self._table(stream, origin)
        elif magic.startswith(b"PK\x03\x04"):
            yield from self._archive(read_zip(stream, origin, self), origin)
        elif magic.startswith(b"\x1f\x8b"):
            if _first_unpacked(stream, origin) == b"{":
                yield from self._table(stream, origin)
            else:
                yield from self._archive(read_tar(stream, origin, self), origin)
        elif magic.startswith((b"BZh", b"\xfd7zXZ")) or magic[257:262] == b"ustar":
            yield from self._archive(read_tar(stream, origin, self), origin)
        else:
            raise ValueError(
                f"{origin}: neither Parquet, Avro, JSON lines nor an archive; "
                "give a BigQuery export or a repository archive"
            )

    def _archive(self, members: Iterable[RepositoryFile], origin: str) -> Iterator[Document | Rejected]:
        for member in members:
            content = member.content
            place = Place(member.repository, member.path, None)
            where = Origin(origin, member.offset, member.length)
            if isinstance(content, Unread):
                document = _document(place, "", member.license, "", where)
                yield Rejected(document, content.reason, detail=content.detail)
                continue
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            text, reason = decode_source(content)
            document = _document(place, blob, member.license, text, where)
            yield Rejected(document, reason) if reason else self._outcome(document)

    def _outcome(self, document: Document) -> Document | Rejected:
        text = document.text
        if "\0" in text or not _is_valid(text):
            return Rejected(document.with_text(""), "binary")
        if len(text) > self.max_file_bytes:
            return Rejected(document.with_text(""), "file_too_large", detail=f"{len(text)} characters")
        return (
            document.with_text(text.replace("\r\n", "\n").replace("\r", "\n")) if "\r" in text else document
        )

    def _table(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        columns = columns_of(stream, origin)
        if columns is not None and not {"id", "content"} <= columns:
            raise ValueError(
                f"{origin}: no columns id and content; give an export of BigQuery's table contents"
            )
        places = None if self._is_joined(stream, origin, columns) else self._places(stream, origin)
        for row in read_rows(stream, origin, CONTENT_COLUMNS, self):
            if isinstance(row, Rejected):
                yield row
                continue
            blob = row.values.get("id")
            if not isinstance(blob, str):
                yield _lost(row, "", "damaged_record", "no id")
            elif places is not None:
                found = places.get(blob)
                if found is None:
                    yield _lost(row, blob, "unknown_place", "no row of files names this blob")
                else:
                    yield self._row(row, found)
            else:
                stated = _stated_place(row)
                if stated is None:
                    yield _lost(row, blob, "damaged_record", f"row {row.number + 1}: no repo_name or path")
                else:
                    yield self._row(row, stated)

    def _row(self, row: Row, place: Place) -> Document | Rejected:
        spdx = SPDX_BY_GITHUB_KEY.get((place.license_key or "").lower())
        document = _document(place, str(row.values["id"]), spdx, "", row.origin)
        document = document.with_metadata(row=str(row.number))
        content = row.values.get("content")
        if row.values.get("binary") in (True, "true") or not isinstance(content, str):
            return Rejected(document, "binary")
        return self._outcome(document.with_text(content))

    def _is_joined(self, stream: BinaryIO, origin: str, columns: frozenset[str] | None) -> bool:
        """Whether rows name their repository and path; where no schema says so, the first row that is whole
        does.
        """
        if columns is not None:
            return {"repo_name", "path"} <= columns
        rows = read_rows(stream, origin, CONTENT_COLUMNS, self)
        first = next((row for row in rows if isinstance(row, Row)), None)
        return first is None or not {"id", "content"} <= first.values.keys() or "path" in first.values

    def _places(self, stream: BinaryIO, origin: str) -> dict[str, Place]:
        """The one place of each blob of this part that its document is named by."""
        if not self.files or not self.licenses:
            raise ValueError(
                f"{origin}: contents alone name no repository; "
                "also give the files-* and licenses-* (files-*.parquet, licenses-*.parquet)"
            )
        rows = read_rows(stream, origin, ("id",), self)
        ids = (row.values.get("id") for row in rows if isinstance(row, Row))
        companions = Companions(self.files, self.licenses, self.repository_languages, self.open_file)
        return companions.places((blob for blob in ids if isinstance(blob, str)), self)


def _first_unpacked(stream: BinaryIO, origin: str) -> bytes:
    """The first byte of what a gzip file holds."""
    with gzip.GzipFile(fileobj=stream) as unpacked:
        try:
            first = unpacked.read(1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{origin}: damaged gzip ({error}); fetch the file again") from error
    stream.seek(0)
    return first


def _stated_place(row: Row) -> Place | None:
    repository, path, key = (row.values.get(name) for name in ("repo_name", "path", "license"))
    if not isinstance(repository, str) or not isinstance(path, str) or not _is_valid(repository + path):
        return None
    languages = language_names(row.values.get("language"))
    return Place(repository, path, key if isinstance(key, str) else None, languages)


def _lost(row: Row, blob: str, reason: str, detail: str) -> Rejected:
    """A row that names no file."""
    return Rejected(
        Document(f"::{blob or row.number}", "github", "", row.origin, metadata={"row": str(row.number)}),
        reason,
        detail=detail,
    )


def _document(place: Place, blob: str, spdx: str | None, text: str, origin: Origin) -> Document:
    repository, path = place.repository, place.path
    metadata = {
        "repository": repository,
        "path": path,
        "extension": file_suffix(path).removeprefix("."),
    }
    if place.languages:
        metadata["languages"] = place.languages
    return Document(
        id=f"{repository}:{path}:{blob}",
        source="github",
        text=text,
        origin=origin,
        url=f"https://github.com/{repository}" if repository.count("/") == 1 else None,
        license=spdx,
        metadata=metadata,
    )


def _is_valid(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON escapes can hold lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
