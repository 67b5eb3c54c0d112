"""Where the blobs of one part of BigQuery's table `contents` are: the join with `files`, `licenses`,
`languages`.

In: the ids of a part and the companion tables. Out: for each blob the one place that its document is named
by: of all its places the one under a permissive licence, then the one with a source file's name, then the
smallest (repository, path). The tables are read one row group or block at a time; only what belongs to the
part is held: its ids and their places. Each part reads the companions anew: for the whole of GitHub join in
BigQuery (`fetch-github`) and give joined rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.code_files import is_source_file
from stages.code_licenses import PERMISSIVE_LICENSES
from stages.sources.bigquery_export import PARQUET_MAGIC, Row, TableLimits, one_line, read_rows
from stages.sources.license_texts import SPDX_BY_GITHUB_KEY

ROWS_AT_ONCE = 1 << 16
MAX_LANGUAGES = 10  # ours: those with most code


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a repository, GitHub's licence key of that, and its programming languages, most code first."""

    repository: str
    path: str
    license_key: str | None
    languages: str = ""


@dataclass(frozen=True)
class Companions:
    """The paths of the tables beside `contents`, and what opens them."""

    files: tuple[str, ...]
    licenses: tuple[str, ...]
    languages: tuple[str, ...]
    open_file: Callable[[str], BinaryIO]

    def places(self, ids: Iterable[str], limits: TableLimits) -> dict[str, Place]:
        """The best place of each id that has one. ValueError for a table that cannot be read."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        files = self._matching(self.files, ["id", "repo_name", "path"], "id", wanted, limits)
        repositories = pc.unique(files.column("repo_name"))
        licensed = self._matching(self.licenses, ["repo_name", "license"], "repo_name", repositories, limits)
        pairs = zip(licensed.column(0).to_pylist(), licensed.column(1).to_pylist(), strict=True)
        keys: dict[str, str] = dict(sorted(((r, k) for r, k in pairs if r and k), reverse=True))
        languages = dict(self._languages(frozenset(repositories.to_pylist()), limits))
        best: dict[str, tuple[bool, bool, str, str]] = {}
        for batch in files.to_batches(max_chunksize=1 << 14):
            columns = (batch.column(name).to_pylist() for name in ("id", "repo_name", "path"))
            for blob, repository, path in zip(*columns, strict=True):
                if repository is None or path is None:
                    continue
                permissive = SPDX_BY_GITHUB_KEY.get(keys.get(repository, "").lower()) in PERMISSIVE_LICENSES
                rank = (not permissive, not is_source_file(path), repository, path)
                if blob not in best or rank < best[blob]:
                    best[blob] = rank
        return {
            blob: Place(repository, path, keys.get(repository), languages.get(repository, ""))
            for blob, (_, _, repository, path) in best.items()
        }

    def _matching(
        self, paths: tuple[str, ...], columns: list[str], key: str, wanted: pa.Array, limits: TableLimits
    ) -> pa.Table:
        """The rows of companion tables whose `key` is wanted."""
        schema = pa.schema([(column, pa.string()) for column in columns])
        batches: list[pa.RecordBatch] = []
        for path in sorted(paths):
            try:
                with self.open_file(path) as stream:
                    for rows in _batches(stream, path, columns, schema, limits):
                        kept = rows.filter(pc.is_in(rows.column(key), value_set=wanted))
                        if kept.num_rows:
                            batches.append(kept)
            except (pa.ArrowException, OSError, KeyError) as error:
                raise ValueError(
                    f"{path}: not a readable table of {', '.join(columns)} ({one_line(error)}); "
                    "export it again"
                ) from error
        return pa.Table.from_batches(batches, schema=schema)

    def _languages(self, repositories: frozenset[str], limits: TableLimits) -> Iterator[tuple[str, str]]:
        for path in sorted(self.languages):
            with self.open_file(path) as stream:
                for row in read_rows(stream, path, ("repo_name", "language"), limits):
                    if isinstance(row, Row) and row.values.get("repo_name") in repositories:
                        yield str(row.values["repo_name"]), language_names(row.values.get("language"))


def language_names(value: object) -> str:
    """`[{name, bytes}]` of the table `languages` as names, most bytes first, joined by commas."""
    if not isinstance(value, list):
        return ""
    sized = []
    for item in value:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            size = item.get("bytes")
            sized.append(
                (-int(size) if isinstance(size, int | str) and str(size).isdigit() else 0, item["name"])
            )
    return ", ".join(name for _, name in sorted(sized)[:MAX_LANGUAGES])


def _batches(
    stream: BinaryIO, path: str, columns: list[str], schema: pa.Schema, limits: TableLimits
) -> Iterator[pa.RecordBatch]:
    """The columns of a table as text. Parquet stays in Arrow; the other formats go row by row."""
    magic = stream.read(4)
    stream.seek(0)
    if magic == PARQUET_MAGIC:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_ONCE, columns=columns):
            yield pa.RecordBatch.from_arrays(
                [batch.column(column).cast(pa.string()) for column in columns], schema=schema
            )
        return
    waiting: list[dict[str, str | None]] = []
    for row in read_rows(stream, path, columns, limits):
        if not isinstance(row, Row):
            raise KeyError(row.detail)
        if not set(columns) <= row.values.keys():
            raise KeyError(f"row {row.number} has no {', '.join(sorted(set(columns) - row.values.keys()))}")
        values = {column: row.values[column] for column in columns}
        waiting.append({column: v if isinstance(v, str) else None for column, v in values.items()})
        if len(waiting) == ROWS_AT_ONCE:
            yield pa.RecordBatch.from_pylist(waiting, schema=schema)
            waiting = []
    yield pa.RecordBatch.from_pylist(waiting, schema=schema)
