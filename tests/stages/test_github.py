"""BigQuery tables, joined rows and archives of repositories."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.document import Document, Rejected
from stages.sources.github import Github
from stages.sources.license_texts import combined_license, license_of_text

MIT = b'Permission is hereby granted, free of charge, to any person ... THE SOFTWARE IS PROVIDED\n"AS IS"'
GPL = b"   GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n GNU Affero General Public License"


def table(rows: list[dict[str, object]], row_group_size: int = 1_000) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group_size)
    return buffer.getvalue()


def outcomes(content: bytes, name: str, reader: Github | None = None) -> list[Document | Rejected]:
    return list((reader or Github()).read(io.BytesIO(content), name))


def summary(found: list[Document | Rejected]) -> list[tuple[str, str | None]]:
    return [(o.document.id, o.reason) if isinstance(o, Rejected) else (o.id, o.license) for o in found]


COMPANIONS = {
    "files": table(
        [
            {"repo_name": "a/gpl", "path": "a.py", "id": "1"},
            {"repo_name": "y/mit", "path": "z.txt", "id": "1"},
            {"repo_name": "y/mit", "path": "b.py", "id": "1"},
            {"repo_name": "a/gpl", "path": "c.bin", "id": "2"},
            {"repo_name": "a/gpl", "path": "unrelated.py", "id": "9"},
        ]
    ),
    "licenses": table(
        [{"repo_name": "a/gpl", "license": "gpl-3.0"}, {"repo_name": "y/mit", "license": "mit"}]
    ),
}


def test_joins_contents_with_their_best_place() -> None:
    contents: list[dict[str, object]] = [
        {"id": "1", "content": "x = 1\r\n", "binary": False},
        {"id": "2", "content": None, "binary": True},
        {"id": "3", "content": "lost", "binary": False},
    ]
    reader = Github(("files",), ("licenses",), open_file=lambda path: io.BytesIO(COMPANIONS[path]))
    found = outcomes(table(contents, row_group_size=1), "contents-0.parquet", reader)
    assert summary(found) == [("y/mit:b.py:1", "MIT"), ("a/gpl:c.bin:2", "binary"), ("::3", "unknown_place")]
    assert isinstance(found[0], Document)
    assert found[0].text == "x = 1\n"
    assert found[0].metadata == {"repository": "y/mit", "path": "b.py", "extension": "py"}
    assert found[0].url == "https://github.com/y/mit"
    assert [o.origin.offset if isinstance(o, Document) else o.document.origin.offset for o in found] == [
        0,
        1,
        2,
    ]


def test_contents_without_companions_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"files-\*\.parquet"):
        outcomes(table([{"id": "1", "content": "x"}]), "contents.parquet")
    with pytest.raises(ValueError, match="no columns id and content"):
        outcomes(table([{"repo_name": "a/b"}]), "licenses.parquet")


def test_reads_joined_lines_and_rejects_bad_ones() -> None:
    row = {"id": "1", "content": "x", "repo_name": "a/b", "path": "a.py", "license": "apache-2.0"}
    lines = [json.dumps(row), "{", '{"id": "2"}', json.dumps({**row, "content": "\ud800"}), json.dumps(row)]
    content = "\n".join(lines).encode()
    expected = [
        ("a/b:a.py:1", "Apache-2.0"),
        ("rows.jsonl:2", "damaged_record"),
        ("rows.jsonl:3", "damaged_record"),
        ("a/b:a.py:1", "binary"),
        ("a/b:a.py:1", "Apache-2.0"),
    ]
    assert summary(outcomes(content, "rows.jsonl")) == expected
    assert [reason for _, reason in summary(outcomes(gzip.compress(content), "rows.jsonl"))] == [
        reason for _, reason in expected
    ]


def test_a_line_over_the_limit_is_rejected_and_the_next_one_read() -> None:
    row = json.dumps({"id": "1", "content": "x", "repo_name": "a/b", "path": "a.py", "license": "mit"})
    content = ('{"a": "' + "x" * 300 + '"}\n' + row).encode()
    found = outcomes(content, "r.jsonl", Github(max_line_bytes=120))
    assert [reason for _, reason in summary(found)] == ["file_too_large", "MIT"]


FILES = {
    "tool-1.0/LICENSE": MIT,
    "tool-1.0/a.py": b"x = 1\n",
    "tool-1.0/vendor/COPYING": GPL,
    "tool-1.0/vendor/deep/b.c": b"int b;\n",
    "tool-1.0/logo.png": b"\x89PNG\0",
    "../outside.py": b"no",
}


def as_tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("tool-1.0/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def as_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [as_tar("w:gz"), as_tar("w"), as_tar("w:xz"), as_zip()])
def test_reads_archives_with_the_nearest_license(content: bytes) -> None:
    found = summary(outcomes(content, "tool.any"))
    assert [(name.split(":")[1], what) for name, what in found] == [
        ("LICENSE", "MIT"),
        ("a.py", "MIT"),
        ("vendor/COPYING", "GPL-3.0"),
        ("vendor/deep/b.c", "GPL-3.0"),
        ("logo.png", "binary"),
    ]
    assert found[1][0] == "tool-1.0:a.py:7d4290a117a4ddcc11daae7ea675841033830c8f"


def test_archive_caps_hold() -> None:
    assert [r for _, r in summary(outcomes(as_tar("w:gz"), "t", Github(max_file_bytes=10)))].count(
        "file_too_large"
    ) == 2
    assert summary(outcomes(as_tar("w:gz"), "t", Github(max_archive_bytes=10)))[-1][1] == "archive_too_large"
    assert summary(outcomes(as_zip(), "t", Github(max_archive_files=2)))[-1][1] == "archive_too_large"


def test_what_is_no_container_names_the_way_out() -> None:
    with pytest.raises(ValueError, match="neither Parquet"):
        outcomes(b"plain text", "a.txt")
    with pytest.raises(ValueError, match="not a readable"):
        outcomes(b"PAR1 but not really", "a.parquet")


def test_knows_license_texts() -> None:
    assert license_of_text(MIT.decode()) == "MIT"
    assert license_of_text(GPL.decode()) == "GPL-3.0"
    assert license_of_text("All rights reserved.") is None
    assert combined_license({"LICENSE-MIT": "MIT", "LICENSE-APACHE": "Apache-2.0"}) == "Apache-2.0 OR MIT"
    assert combined_license({"COPYING": "GPL-3.0", "COPYING.LESSER": "LGPL-3.0"}) == "LGPL-3.0"
    assert combined_license({"LICENSE": "MIT", "COPYING": "GPL-2.0"}) == "GPL-2.0 AND MIT"
    assert combined_license({"LICENSE": "MIT", "COPYING": None}) is None


def test_reads_the_sample_repositories(shared_data: Path) -> None:
    expected = {
        "cmatrix_2.0.orig.tar.gz": "GPL-3.0",
        "commander-14.0.3.tgz": "MIT",
        "docopt_0.6.2.orig.tar.gz": "MIT",
        "golang-github-gorilla-mux_1.8.0.orig.tar.gz": "BSD-3-Clause",
        "requests-2.34.2.tar.gz": "Apache-2.0",
        "rust-fd-find_8.6.0.orig.tar.gz": "Apache-2.0 OR MIT",
        "text-unidecode-1.3.tar.gz": "Artistic-1.0",
    }
    for name, spdx in expected.items():
        path = shared_data / "github" / "repos" / name
        with path.open("rb") as stream:
            licenses = {o.license for o in Github().read(stream, str(path)) if isinstance(o, Document)}
        assert licenses == {spdx}, name
