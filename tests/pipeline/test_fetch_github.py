"""The query on SQLite, and the pipeline with a source of rows in place of BigQuery: nothing reaches the service."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline import fetch_github
from pipeline.engine import LOCAL_RUNNER
from stages.code_files import is_source_file
from stages.document import Document
from stages.sources.github import Github

TABLES = fetch_github.TABLES


def database() -> sqlite3.Connection:
    """The three tables, in a database whose SQL has what the query uses but REGEXP_CONTAINS."""
    connection = sqlite3.connect(":memory:")
    connection.create_function(
        "REGEXP_CONTAINS", 2, lambda text, pattern: re.search(pattern, text) is not None, deterministic=True
    )
    connection.execute(f"CREATE TABLE `{TABLES}.contents` (id, size, content, binary, copies)")
    connection.execute(f"CREATE TABLE `{TABLES}.files` (repo_name, ref, path, mode, id, symlink_target)")
    connection.execute(f"CREATE TABLE `{TABLES}.licenses` (repo_name, license)")
    return connection


def rows_of(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    cursor = connection.execute(fetch_github.github_query())
    names = [column[0] for column in cursor.description]
    return sorted((dict(zip(names, row, strict=True)) for row in cursor), key=lambda row: row["id"])


def test_the_query_keeps_permissive_text_once_each_at_its_best_place() -> None:
    connection = database()
    connection.executemany(
        f"INSERT INTO `{TABLES}.contents` VALUES (?, 1, ?, ?, 2)",
        [("1", "a", 0), ("2", "b", 0), ("3", None, 1), ("4", "d", 0), ("5", None, 0), ("6", "f", 1)],
    )
    connection.executemany(
        f"INSERT INTO `{TABLES}.files` VALUES (?, 'refs/heads/main', ?, 33188, ?, NULL)",
        [
            ("a/gpl", "a.py", "1"),
            ("y/mit", "notes.txt", "1"),
            ("y/mit", "z.py", "1"),
            ("z/bsd", "a.py", "1"),
            ("a/gpl", "b.py", "2"),
            ("y/mit", "c.bin", "3"),
            ("b/apache", "Dockerfile", "4"),
            ("a/bsd", "Dockerfile.txt", "4"),
            ("y/mit", "e.py", "5"),
            ("y/mit", "f.py", "6"),
            ("no/license", "a.py", "4"),
        ],
    )
    connection.executemany(
        f"INSERT INTO `{TABLES}.licenses` VALUES (?, ?)",
        [
            ("a/gpl", "gpl-3.0"),
            ("y/mit", "mit"),
            ("z/bsd", "bsd-3-clause"),
            ("a/bsd", "bsd-2-clause"),
            ("b/apache", "apache-2.0"),
            ("c/isc", "isc"),
        ],
    )
    assert rows_of(connection) == [
        {"id": "1", "content": "a", "copies": 2, "repo_name": "y/mit", "path": "z.py",
         "ref": "refs/heads/main", "license": "mit"},
        {"id": "4", "content": "d", "copies": 2, "repo_name": "b/apache", "path": "Dockerfile",
         "ref": "refs/heads/main", "license": "apache-2.0"},
    ]  # fmt: skip


def test_the_query_chooses_places_as_the_reader_does(shared_data: Path) -> None:
    folder = shared_data / "github" / "bigquery-export"
    tables = {k: folder / f"{k}-000000000000.parquet" for k in ("contents", "files", "licenses")}
    connection = database()
    for name, path in tables.items():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info(`{TABLES}.{name}`)")]
        found = [tuple(row[column] for column in columns) for row in pq.read_table(path).to_pylist()]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO `{TABLES}.{name}` VALUES ({marks})", found)
    queried = {f"{row['repo_name']}:{row['path']}:{row['id']}" for row in rows_of(connection)}
    reader = Github(files=(str(tables["files"]),), licenses=(str(tables["licenses"]),))
    with tables["contents"].open("rb") as stream:
        read = {
            one.id
            for one in reader.read(stream, "contents")
            if isinstance(one, Document)
            and one.license in ("MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0")
        }
    assert len(read) > 2_000
    assert queried == read


@pytest.mark.parametrize(
    "path",
    ["a.py", "a/Makefile", "x.Dockerfile", "a.c++", "a.cpp", "a.C", "a.txt", "py", "a.pyc", "Makefile.am", "a.PY"],
)  # fmt: skip
def test_the_query_knows_source_files_as_the_reader_does(path: str) -> None:
    (pattern,) = re.findall(r"REGEXP_CONTAINS\(files\.path, '([^']+)'\)", fetch_github.github_query())
    assert (re.search(pattern, path) is not None) == is_source_file(path)
    assert "\\" not in pattern  # BigQuery's plain literals read backslashes


ROWS = [
    {"id": f"{n:040x}", "content": f"x = {n}\n", "copies": 1, "repo_name": "a/b", "path": f"{n}.py",
     "ref": "refs/heads/main", "license": "mit"}
    for n in range(200)
]  # fmt: skip


@pytest.mark.filterwarnings("default")
def test_rows_become_sorted_files_that_the_reader_takes(tmp_path: Path) -> None:
    written = []
    for name, rows in (("one", ROWS), ("two", ROWS[::-1])):
        out = tmp_path / name
        fetch_github.fetch(beam.Create(rows), str(out), 3, [LOCAL_RUNNER])
        written.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert written[0] == written[1]
    assert list(written[0]) == [f"github-{n:05d}-of-00003.parquet" for n in range(3)]
    found = []
    for path in sorted((tmp_path / "one").iterdir()):
        with path.open("rb") as stream:
            documents = [one for one in Github().read(stream, path.name) if isinstance(one, Document)]
        blobs = [one.id.rpartition(":")[2] for one in documents]
        assert blobs == sorted(blobs)
        found += documents
    assert sorted(one.text for one in found) == sorted(str(row["content"]) for row in ROWS)
    assert {one.license for one in found} == {"MIT"}


@pytest.mark.filterwarnings("default")
def test_the_command_hands_the_query_to_beams_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def source(query: str, temporary: str) -> beam.PTransform[Any, Any]:
        asked.append((query, temporary))
        return beam.Create(ROWS)

    monkeypatch.setattr(fetch_github, "read_from_bigquery", source)
    arguments = ["--project", "p", "--temp", "gs://b/t", "--out", str(tmp_path / "out"), "--buckets", "2"]
    result = CliRunner().invoke(fetch_github.command, arguments, catch_exceptions=False)
    assert asked == [(fetch_github.github_query(), "gs://b/t")]
    assert "2 files" in result.output
    with pytest.raises(ValueError, match="is there already"):
        CliRunner().invoke(fetch_github.command, arguments, catch_exceptions=False)


@pytest.mark.filterwarnings("default")
def test_beams_source_gets_standard_sql_and_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from apache_beam.io.gcp import bigquery

    given: dict[str, object] = {}
    monkeypatch.setattr(bigquery, "ReadFromBigQuery", lambda **options: given.update(options))
    monkeypatch.setattr(fetch_github.importlib.util, "find_spec", lambda name: object())
    fetch_github.read_from_bigquery("SELECT 1", "gs://b/t")
    assert given == {"query": "SELECT 1", "use_standard_sql": True, "gcs_location": "gs://b/t"}


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_github.importlib.util, "find_spec", lambda name: None)
    full = ["--project", "p", "--temp", "gs://b/t", "--out", str(tmp_path)]
    for arguments, message in (
        (["--project", "p"], "needs --temp, --out"),
        ([*full[:2], "--temp", "/tmp", *full[4:]], "gs://"),
        ([*full, "--tables", "a b"], "PROJECT.DATASET"),
        ([*full, "--", "--no_such_flag=1"], "no_such_flag"),
        (full, r"pip install 'llama-corpus\[gcp\]'"),
    ):
        with pytest.raises(ValueError, match=message):
            CliRunner().invoke(fetch_github.command, arguments, catch_exceptions=False)


def test_shows_the_query() -> None:
    shown = CliRunner().invoke(fetch_github.command, ["--show-query", "--tables", "p.d"]).output
    assert shown.startswith("WITH permissive AS (")
    assert "FROM `p.d.licenses`" in shown
    assert "'apache-2.0', 'bsd-2-clause', 'bsd-3-clause', 'mit'" in shown
