"""What surrounds the golden cases of licence headers: scores, caps, hostile texts, and the real blobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.code_headers import RemoveLicenseHeader
from stages.document import Document, Origin, Rejected


def code(text: str, path: str = "a.py") -> Document:
    return Document("r:p:b", "github", text, Origin("f"), license="MIT", metadata={"path": path})


def cut(text: str, path: str = "a.py") -> str:
    outcome = RemoveLicenseHeader()(code(text, path))
    assert isinstance(outcome, Document)
    return outcome.text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.c", "#define COPYRIGHT 1\n/* Copyright */\n"),
        ("a.md", "# Copyright\n\ntext\n"),
        ("a.py", "x = 1\n# Copyright 2020 A\n"),
        ("a.c", "/* Copyright 2020 A never closed\nint a;\n"),
        ("a.unknown", "# Copyright 2020 A\n"),
        ("a.py", "\n\nx = 1\n"),
        ("a.glob.js", "let a = 'src/*'; // Copyright */\n"),
        ("a.php", "#[Attribute] // Copyright 2020 A\nclass A {}\n"),
        ("a.sql", "/*!50001 CREATE VIEW copyright AS SELECT 2020 */\n"),
        ("a.pas", "{$MODE Delphi Copyright 2020}\nbegin\nend.\n"),
        ("", "# Copyright 2020 A\n"),
    ],
)
def test_touches_nothing_else(path: str, text: str) -> None:
    assert cut(text, path) == text


def test_a_file_of_its_header_alone_is_no_text() -> None:
    outcome = RemoveLicenseHeader()(code("# SPDX-License-Identifier: MIT\n"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "no_text"


def test_counts_what_is_kept_of_the_raw_text() -> None:
    outcome = RemoveLicenseHeader()(code("# Copyright 2020 A\nx = 12\n"))
    assert isinstance(outcome, Document)
    assert outcome.scores == {
        "raw_characters": 19.0,
        "kept_characters": 4.0,
        "raw_digits": 6.0,
        "kept_digits": 2.0,
    }
    same = RemoveLicenseHeader()(code("x = 1\n"))
    assert isinstance(same, Document)
    assert same.scores["raw_characters"] == same.scores["kept_characters"] == 3.0


def test_a_header_over_the_limits_stays() -> None:
    text = "// Copyright 2020 A\n" + "// more\n" * 10 + "int a;\n"
    outcome = RemoveLicenseHeader(max_header_characters=50)(code(text, "a.c"))
    assert isinstance(outcome, Document)
    assert outcome.text == text
    comments = "// a\n\n" * 3 + "// Copyright 2020 A\nint a;\n"
    outcome = RemoveLicenseHeader(max_header_comments=3)(code(comments, "a.c"))
    assert isinstance(outcome, Document)
    assert outcome.text == comments


@pytest.mark.parametrize(
    "text",
    [
        "/" * 1_000_000,
        "/*/" * 300_000,
        "/*" * 500_000,
        "(*" * 500_000,
        "# copyright " * 80_000,
        "// copyright (c)\n" * 60_000,
        "/* copyright */" * 60_000,
        "/* (c) 2020 */\n" * 60_000,
        "\n" * 1_000_000,
        " " * 1_000_000,
        "#ifndef A\n" * 100_000,
        "'use strict'\n" * 70_000,
        "{-#" * 300_000,
        '"""' * 300_000,
        "// " + "licensed under " * 60_000,
        "// licensed under the\n" * 50_000,
    ],
)
def test_hostile_headers_take_linear_time(text: str) -> None:
    begun = time.process_time()
    for path in ("a.c", "a.py", "a.hs", "a.ml", "a.php", "a.lua", "a.rst", "a.js", "a.html"):
        RemoveLicenseHeader()(code(text, path))
    assert time.process_time() - begun < 4.0  # a megabyte in nine languages


def blobs(shared_data: Path) -> Iterator[tuple[str, str, str]]:
    """(id, path, text) of each blob of the shared export that is text."""
    folder = shared_data / "github" / "bigquery-export"
    files = pq.read_table(folder / "files-000000000000.parquet", columns=["id", "path"]).to_pylist()
    paths = {row["id"]: row["path"] for row in sorted(files, key=lambda row: row["path"], reverse=True)}
    contents = pq.read_table(folder / "contents-000000000000.parquet", columns=["id", "content"])
    for row in contents.to_pylist():
        if row["content"] is not None:
            yield row["id"], paths[row["id"]], row["content"].replace("\r\n", "\n").replace("\r", "\n")


MEANINGFUL = (
    "#include",
    "#define",
    "#ifndef",
    "#ifdef",
    "#if ",
    "#pragma",
    "#!",
    "//go:build",
    "// +build",
    "# -*- coding",
    "# coding",
)


def test_keeps_every_meaningful_line_that_redpajama_deletes(shared_data: Path) -> None:
    """RedPajama v1 deletes includes, defines, shebangs, coding lines, build lines, Markdown titles: 96 files."""
    listed = (shared_data / "goldens" / "github" / "deleted-meaningful-lines.tsv").read_text(encoding="utf-8")
    wanted = {line.split("\t")[0] for line in listed.splitlines()[1:]}
    seen = 0
    for blob, path, text in blobs(shared_data):
        outcome = RemoveLicenseHeader()(code(text, path))
        after = outcome.text if isinstance(outcome, Document) else ""
        lines = [line for line in text.split("\n") if line.lstrip().startswith(MEANINGFUL)]
        assert [line for line in after.split("\n") if line.lstrip().startswith(MEANINGFUL)] == lines, path
        if path.endswith((".md", ".markdown")):
            titles = [line for line in text.split("\n") if line.startswith("#")]
            assert [line for line in after.split("\n") if line.startswith("#")] == titles, path
        if blob in wanted:
            seen += 1
            assert after.strip(), path  # no file of code vanishes
    assert seen == len(wanted) == 96


def test_removes_whole_lines_of_leading_comments_only(shared_data: Path) -> None:
    """What is left is the text without some lines; the lines that go all stand in the first 20,000 characters."""
    changed = 0
    for _, path, text in blobs(shared_data):
        outcome = RemoveLicenseHeader()(code(text, path))
        after = outcome.text if isinstance(outcome, Document) else ""
        if after == text:
            continue
        changed += 1
        lines = iter(text.split("\n"))
        for line in after.split("\n"):
            if not any(line == raw or raw.startswith(line.rstrip(".*/ ")) for raw in lines):
                pytest.fail(f"{path}: {line!r} is not in the raw text")
        tail = min(len(after), max(len(text) - 20_000, 0))
        assert text.endswith(after[len(after) - tail :]), path
    assert 600 < changed < 720


def test_copyright_lines_go_though_a_block_follows(shared_data: Path) -> None:
    """RedPajama v1 leaves a `// Copyright` or `# Copyright` header when any `/*` stands behind it: 4 files here."""
    left = [
        path
        for _, path, text in blobs(shared_data)
        if path.endswith((".go", ".c", ".h", ".py", ".rs", ".js", ".sh"))
        for outcome in [RemoveLicenseHeader()(code(text, path))]
        if isinstance(outcome, Document)
        and outcome.text.split("\n", 1)[0].lower().startswith(("// copyright", "# copyright", "/* copyright"))
    ]
    assert left == []
