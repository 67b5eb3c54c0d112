"""Source code from GitHub: BigQuery exports and archives of repositories to one document a file.

In, told apart by the first bytes: a Parquet part of BigQuery's `contents` table, joined here with its
companions `files` and `licenses`; a Parquet or JSON-lines (gzip or plain) export that is joined already
(`repo_name`, `path`, `license` beside the content); a tar (plain, gzip, bzip2, xz) or zip of one repository.
Out: a Document a file with repository, path and licence. LLaMA used "the public GitHub dataset available on
Google BigQuery" (Touvron et al. 2023, section 2.1).

A row of `contents` is one blob however often it was committed, so it gives one document: of all its places
the one under a permissive licence, then the one with a source file's name, then the smallest (repository,
path).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import posixpath
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.document import Document, Origin, Rejected
from stages.source_code import PERMISSIVE_LICENSES, file_suffix, is_source_file
from stages.sources.license_texts import SPDX_BY_GITHUB_KEY
from stages.sources.repository_archive import FileTooLarge, read_tar, read_zip

ROWS_PER_BATCH = 256
CONTENT_COLUMNS = ("id", "content", "binary", "repo_name", "path", "license")

Place = tuple[str, str, str | None]  # repository, path, GitHub's licence key


def open_local(path: str) -> BinaryIO:
    return open(path, "rb")


@dataclass(frozen=True)
class Github:
    """Reads any of the containers above.

    `files` and `licenses` are the Parquet parts of BigQuery's tables of that name; `open_file` opens them, so
    that they may lie in an object store. Joining one part holds the ids of its blobs and their places in
    memory, never the tables. Ids are `repository:path:blob`, the blob being git's SHA-1. Rejects `binary`,
    `file_too_large`, `unknown_place`, `damaged_record`, `archive_too_large`.
    """

    files: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    open_file: Callable[[str], BinaryIO] = open_local
    max_file_bytes: int = 1 << 20  # BigQuery's table has no content above 1 MiB
    max_line_bytes: int = 16 << 20  # ours: a JSON line; escapes make it longer than the file
    max_row_group_bytes: int = 2 << 30  # ours: unpacked
    max_archive_bytes: int = 2 << 30  # ours: unpacked, one repository
    max_archive_files: int = 200_000  # ours

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        magic = stream.read(262)
        stream.seek(0)
        if magic.startswith(b"PAR1"):
            yield from self._read_parquet(stream, origin)
        elif magic.startswith(b"PK\x03\x04"):
            yield from self._archive(read_zip(stream, origin, self), origin)
        elif magic.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                try:
                    first = unpacked.read(1)
                except (OSError, EOFError, zlib.error) as error:
                    raise ValueError(f"{origin}: damaged gzip ({error}); fetch the file again") from error
                unpacked.seek(0)
                if first == b"{":
                    yield from self._read_lines(unpacked, origin)
                    return
            stream.seek(0)
            yield from self._archive(read_tar(stream, origin, self), origin)
        elif magic.startswith(b"{"):
            yield from self._read_lines(stream, origin)
        elif magic.startswith((b"BZh", b"\xfd7zXZ")) or magic[257:262] == b"ustar":
            yield from self._archive(read_tar(stream, origin, self), origin)
        else:
            raise ValueError(
                f"{origin}: neither Parquet, JSON lines nor an archive; "
                "give a BigQuery export or a repository archive"
            )

    def _archive(
        self, members: Iterable[tuple[str, str, str | None, bytes | FileTooLarge]], origin: str
    ) -> Iterator[Document | Rejected]:
        for repository, path, spdx, content in members:
            if isinstance(content, FileTooLarge):
                yield Rejected(
                    _document(repository, path, "", spdx, "", origin), content.reason, detail=content.detail
                )
                continue
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = "\0"
            yield self._outcome(_document(repository, path, blob, spdx, text, origin))

    def _outcome(self, document: Document) -> Document | Rejected:
        text = document.text
        if "\0" in text or not _is_valid(text):
            return Rejected(document.with_text(""), "binary")
        if len(text) > self.max_file_bytes:
            return Rejected(document.with_text(""), "file_too_large", detail=f"{len(text)} characters")
        return (
            document.with_text(text.replace("\r\n", "\n").replace("\r", "\n")) if "\r" in text else document
        )

    def _row(self, row: Mapping[str, object], place: Place, origin: Origin) -> Document | Rejected:
        repository, path, key = place
        blob, content = row.get("id"), row.get("content")
        document = _document(
            repository, path, str(blob), SPDX_BY_GITHUB_KEY.get((key or "").lower()), "", origin
        )
        if row.get("binary") in (True, "true") or not isinstance(content, str):
            return Rejected(document, "binary")
        return self._outcome(document.with_text(content))

    def _read_lines(self, stream: BinaryIO | gzip.GzipFile, origin: str) -> Iterator[Document | Rejected]:
        offset = number = 0
        name = posixpath.basename(origin)
        while True:
            number += 1
            try:
                line = stream.readline(self.max_line_bytes + 1)
                length, too_long = len(line), len(line) > self.max_line_bytes
                while too_long and line and not line.endswith(b"\n"):
                    line = stream.readline(self.max_line_bytes)
                    length += len(line)
            except (OSError, EOFError, zlib.error) as error:
                damaged = Document(f"{name}:{number}", "github", "", Origin(origin, offset))
                yield Rejected(damaged, "damaged_record", detail=f"gzip: {error}")
                return
            if not length:
                return
            place = Origin(origin, offset, length)
            offset += length
            if not line.strip() and not too_long:
                continue
            damaged = Document(f"{name}:{number}", "github", "", place)
            if too_long:
                yield Rejected(damaged, "file_too_large", detail=f"a line of {length} bytes")
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Rejected(damaged, "damaged_record", detail=f"line {number}: {error}")
                continue
            found = _place(row) if isinstance(row, dict) else None
            if found is None:
                yield Rejected(damaged, "damaged_record", detail=f"line {number}: no id, repo_name or path")
                continue
            yield self._row(row, found, place)

    def _read_parquet(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        name = posixpath.basename(origin)
        try:
            table = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{origin}: not a readable Parquet file ({_one_line(error)}); export it again"
            ) from error
        columns = [column for column in CONTENT_COLUMNS if column in table.schema_arrow.names]
        if "id" not in columns or "content" not in columns:
            raise ValueError(
                f"{origin}: no columns id and content; give an export of BigQuery's table contents"
            )
        joined = "repo_name" in columns and "path" in columns
        places = None if joined else self._places(table, origin)
        first = 0
        for group in range(table.num_row_groups):
            metadata = table.metadata.row_group(group)
            damaged = Document(f"{name}#row_group={group}", "github", "", Origin(origin))
            row_number, first = first, first + metadata.num_rows
            if metadata.total_byte_size > self.max_row_group_bytes:
                detail = f"a row group of {metadata.total_byte_size} bytes"
                yield Rejected(damaged, "file_too_large", detail=detail)
                continue
            try:
                for batch in table.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=columns):
                    for row in batch.to_pylist():
                        # A Parquet row has no byte range: its number stands for the offset.
                        where = Origin(origin, row_number)
                        row_number += 1
                        found = _place(row) if places is None else places.get(row["id"])
                        if found is None:
                            lost = Document(f"::{row['id']}", "github", "", where)
                            yield Rejected(lost, "unknown_place", detail="no row of files names this blob")
                        else:
                            yield self._row(row, found, where)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                yield Rejected(damaged, "damaged_record", detail=_one_line(error))

    def _places(self, table: pq.ParquetFile, origin: str) -> dict[str, Place]:
        """The one place of each blob of this part that its document is named by."""
        if not self.files or not self.licenses:
            raise ValueError(
                f"{origin}: contents alone name no repository; "
                "also give the files-*.parquet and licenses-*.parquet"
            )
        ids = pa.concat_arrays(
            [batch.column(0).cast(pa.string()) for batch in table.iter_batches(1 << 16, columns=["id"])]
        )
        found = self._matching(self.files, ["id", "repo_name", "path"], "id", ids)
        repositories = pc.unique(found.column("repo_name"))
        licensed = self._matching(self.licenses, ["repo_name", "license"], "repo_name", repositories)
        keys: dict[str, str] = dict(
            sorted(
                zip(licensed.column(0).to_pylist(), licensed.column(1).to_pylist(), strict=True), reverse=True
            )
        )
        best: dict[str, tuple[bool, bool, str, str]] = {}
        for batch in found.to_batches(max_chunksize=1 << 14):
            columns = (batch.column(name).to_pylist() for name in ("id", "repo_name", "path"))
            for blob, repository, path in zip(*columns, strict=True):
                if repository is None or path is None:
                    continue
                permissive = SPDX_BY_GITHUB_KEY.get(keys.get(repository, "")) in PERMISSIVE_LICENSES
                rank = (not permissive, not is_source_file(path), repository, path)
                if blob not in best or rank < best[blob]:
                    best[blob] = rank
        return {blob: (rank[2], rank[3], keys.get(rank[2])) for blob, rank in best.items()}

    def _matching(self, paths: tuple[str, ...], columns: list[str], key: str, wanted: pa.Array) -> pa.Table:
        """The rows of companion tables whose `key` is wanted, read one row group at a time."""
        schema = pa.schema([(column, pa.string()) for column in columns])
        batches: list[pa.RecordBatch] = []
        for path in sorted(paths):
            try:
                with self.open_file(path) as stream:
                    for batch in pq.ParquetFile(stream).iter_batches(1 << 16, columns=columns):
                        rows = pa.RecordBatch.from_arrays(
                            [batch.column(column).cast(pa.string()) for column in columns], schema=schema
                        )
                        kept = rows.filter(pc.is_in(rows.column(key), value_set=wanted))
                        if kept.num_rows:
                            batches.append(kept)
            except (pa.ArrowException, OSError, KeyError) as error:
                raise ValueError(
                    f"{path}: not a readable table of {', '.join(columns)} ({_one_line(error)}); "
                    "export it again"
                ) from error
        return pa.Table.from_batches(batches, schema=schema)


def _place(row: Mapping[str, object]) -> Place | None:
    repository, path, key = row.get("repo_name"), row.get("path"), row.get("license")
    if not isinstance(repository, str) or not isinstance(path, str) or not isinstance(row.get("id"), str):
        return None
    if not _is_valid(repository + path):
        return None
    return repository, path, key if isinstance(key, str) else None


def _document(
    repository: str, path: str, blob: str, spdx: str | None, text: str, origin: str | Origin
) -> Document:
    return Document(
        id=f"{repository}:{path}:{blob}",
        source="github",
        text=text,
        origin=Origin(origin) if isinstance(origin, str) else origin,
        url=f"https://github.com/{repository}" if repository.count("/") == 1 else None,
        license=spdx,
        metadata={"repository": repository, "path": path, "extension": file_suffix(path).removeprefix(".")},
    )


def _is_valid(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON escapes can hold lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _one_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
