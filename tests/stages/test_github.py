"""BigQuery's tables, joined rows and archives of repositories, and what is hostile in them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.code_licenses import PERMISSIVE_LICENSES
from stages.document import Document, Rejected
from stages.sources.github import Github
from stages.sources.license_texts import SPDX_BY_GITHUB_KEY, is_license_name, license_of_text

GPL = b"   GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n GNU Affero General Public License"
MIT = (
    b"Permission is hereby granted, free of charge, to any person ...\nThe above copyright notice and this"
    b'\npermission notice shall be included ... THE SOFTWARE IS PROVIDED\n"AS IS"'
)


def table(rows: list[dict[str, object]], row_group_size: int = 1_000) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group_size, compression="none")
    return buffer.getvalue()


def lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def avro(rows: list[dict[str, object]]) -> bytes:
    kinds = {str: "string", bool: "boolean", int: "long"}
    names = {
        name: next((kinds[type(r[name])] for r in rows if r.get(name) is not None), "string")
        for name in rows[0]
        if name != "language"
    }
    fields: list[dict[str, object]] = [{"name": name, "type": ["null", kind]} for name, kind in names.items()]
    if "language" in rows[0]:
        item = {
            "type": "record",
            "name": "L",
            "fields": [{"name": "name", "type": "string"}, {"name": "bytes", "type": "long"}],
        }
        fields.append({"name": "language", "type": {"type": "array", "items": item}})
    stream = io.BytesIO()
    fastavro.writer(stream, fastavro.parse_schema({"type": "record", "name": "Root", "fields": fields}), rows)
    return stream.getvalue()


FORMATS = {"parquet": table, "json": lines, "json.gz": lambda rows: gzip.compress(lines(rows)), "avro": avro}


def outcomes(content: bytes, name: str, reader: Github | None = None) -> list[Document | Rejected]:
    return list((reader or Github()).read(io.BytesIO(content), name))


def summary(found: list[Document | Rejected]) -> list[tuple[str, str | None]]:
    return [(o.document.id, o.reason) if isinstance(o, Rejected) else (o.id, o.license) for o in found]


CONTENTS: list[dict[str, object]] = [
    {"id": "1", "content": "x = 1\r\n", "binary": False},
    {"id": "2", "content": None, "binary": True},
    {"id": "3", "content": "lost", "binary": False},
]
FILES: list[dict[str, object]] = [
    {"repo_name": "a/gpl", "path": "a.py", "id": "1"},
    {"repo_name": "y/mit", "path": "z.txt", "id": "1"},
    {"repo_name": "y/mit", "path": "b.py", "id": "1"},
    {"repo_name": "a/gpl", "path": "c.bin", "id": "2"},
    {"repo_name": "a/gpl", "path": "unrelated.py", "id": "9"},
]
LICENSES: list[dict[str, object]] = [
    {"repo_name": "a/gpl", "license": "gpl-3.0"},
    {"repo_name": "y/mit", "license": "mit"},
]
LANGUAGES: list[dict[str, object]] = [
    {"repo_name": "y/mit", "language": [{"name": "C", "bytes": 5}, {"name": "Python", "bytes": 70}]},
    {"repo_name": "z/other", "language": [{"name": "Go", "bytes": 5}]},
]


@pytest.mark.parametrize("kind", FORMATS)
def test_joins_contents_with_their_best_place(kind: str) -> None:
    written = FORMATS[kind]
    companions = {"files": written(FILES), "licenses": written(LICENSES), "languages": written(LANGUAGES)}
    reader = Github(
        ("files",), ("licenses",), ("languages",), open_file=lambda path: io.BytesIO(companions[path])
    )
    found = outcomes(written(CONTENTS), "contents-0", reader)
    assert summary(found) == [("y/mit:b.py:1", "MIT"), ("a/gpl:c.bin:2", "binary"), ("::3", "unknown_place")]
    assert isinstance(found[0], Document)
    assert found[0].text == "x = 1\n"
    assert found[0].metadata == {
        "repository": "y/mit",
        "path": "b.py",
        "extension": "py",
        "languages": "Python, C",
        "row": "0",
    }
    assert found[0].url == "https://github.com/y/mit"


def test_a_blob_has_one_document_whatever_the_order_of_the_tables() -> None:
    for files in (FILES, FILES[::-1]):
        companions = {"files": table(files), "licenses": table(LICENSES[::-1])}
        reader = Github(("files",), ("licenses",), open_file=lambda path, c=companions: io.BytesIO(c[path]))
        assert summary(outcomes(table(CONTENTS[:1]), "c", reader)) == [("y/mit:b.py:1", "MIT")]


ROW: dict[str, object] = {
    "id": "1",
    "content": "x",
    "repo_name": "a/b",
    "path": "a.py",
    "license": "apache-2.0",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_origins_lead_back_to_the_row(kind: str) -> None:
    content = FORMATS[kind]([{**ROW, "content": f"text {number}"} for number in range(3)])
    found = [one for one in outcomes(content, "f") if isinstance(one, Document)]
    assert [one.metadata["row"] for one in found] == ["0", "1", "2"]
    raw = gzip.decompress(content) if kind == "json.gz" else content
    for number, one in enumerate(found):
        part = raw[one.origin.offset : one.origin.offset + one.origin.length]
        assert f"text {number}".encode() in part
        assert len(part) == one.origin.length > 0
        assert len(part) < len(raw)


def test_contents_without_companions_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"files-\*\.parquet"):
        outcomes(table([{"id": "1", "content": "x"}]), "contents.parquet")
    with pytest.raises(ValueError, match=r"files-\*\.parquet"):
        outcomes(lines([{"id": "1", "content": "x"}]), "contents.json")
    with pytest.raises(ValueError, match="no columns id and content"):
        outcomes(table([{"repo_name": "a/b"}]), "licenses.parquet")


def test_a_damaged_companion_ends_with_its_name() -> None:
    for damaged in (b"PAR1", b"Obj\x01", lines([{"id": "1"}]), b'{"id":\n'):
        companions = {"files-0": damaged, "licenses-0": table(LICENSES)}
        reader = Github(
            ("files-0",), ("licenses-0",), open_file=lambda path, c=companions: io.BytesIO(c[path])
        )
        with pytest.raises(ValueError, match="files-0: "):
            outcomes(table(CONTENTS), "contents", reader)


def test_reads_joined_lines_and_rejects_bad_ones() -> None:
    rows = [json.dumps(ROW), "{", '{"id": "2"}', "[]", json.dumps({**ROW, "content": "\ud800"})]
    rows += [json.dumps({**ROW, "id": 7}), json.dumps({**ROW, "path": "\ud800"}), json.dumps(ROW)]
    content = "\n".join(rows).encode()
    expected = [
        ("a/b:a.py:1", "Apache-2.0"),
        ("rows.jsonl:2", "damaged_record"),
        ("::2", "damaged_record"),
        ("rows.jsonl:4", "damaged_record"),
        ("a/b:a.py:1", "binary"),
        ("::5", "damaged_record"),
        ("::1", "damaged_record"),
        ("a/b:a.py:1", "Apache-2.0"),
    ]
    assert summary(outcomes(content, "rows.jsonl")) == expected
    assert [reason for _, reason in summary(outcomes(gzip.compress(content), "rows.jsonl"))] == [
        reason for _, reason in expected
    ]


def test_an_unknown_license_stays_unknown() -> None:
    rows = [{**ROW, "license": license} for license in (None, "other", "MIT", "", "bsd")]
    assert [license for _, license in summary(outcomes(lines(rows), "r"))] == [None, None, "MIT", None, None]


def test_a_line_over_the_limit_is_rejected_and_the_next_one_read() -> None:
    row = json.dumps({**ROW, "license": "mit"})
    content = ('{"a": "' + "x" * 300 + '"}\n' + row).encode()
    found = outcomes(content, "r.jsonl", Github(max_line_bytes=120))
    assert [reason for _, reason in summary(found)] == ["file_too_large", "MIT"]


def test_a_line_of_200_megabytes_costs_itself_only() -> None:
    row = (json.dumps({**ROW, "license": "mit"}) + "\n").encode()
    content = gzip.compress(row + b'{"a": "' + b"x" * 200_000_000 + b'"}\n' + row, 1)
    found = outcomes(content, "r.jsonl.gz")
    assert [reason for _, reason in summary(found)] == ["MIT", "file_too_large", "MIT"]


def test_hostile_rows_are_rejected_one_by_one() -> None:
    rows = [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"id": ' + "9" * 100_000 + "}",
        '{"id": "1", "content": "a\\u0000"}',
    ]
    rows = [json.dumps(ROW), *rows, json.dumps({**ROW, "content": "a\0b"}), json.dumps({**ROW, "content": 5})]
    found = outcomes("\n".join([*rows, json.dumps(ROW)]).encode(), "r")
    assert [reason for _, reason in summary(found)] == [
        "Apache-2.0", *["damaged_record"] * 4, "binary", "binary", "Apache-2.0",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "json.gz", "avro"])
def test_truncated_tables_lose_their_end_only(kind: str) -> None:
    rows = [{**ROW, "content": f"{number} " * 2_000} for number in range(300)]
    content = FORMATS[kind](rows)
    half = content[: len(content) // 2]
    if kind == "parquet":  # its directory is at the end
        with pytest.raises(ValueError, match="not a readable Parquet file"):
            outcomes(half, "f")
        return
    found = outcomes(half, "f")
    assert isinstance(found[-1], Rejected)
    assert found[-1].reason == "damaged_record"
    assert 0 < len([one for one in found if isinstance(one, Document)]) < 300 or kind == "avro"


def test_damage_in_one_row_group_leaves_the_others() -> None:
    content = bytearray(table([{**ROW, "content": f"text {n} " * 300} for n in range(4)], row_group_size=1))
    second = outcomes(bytes(content), "f")[1]
    assert isinstance(second, Document)
    content[second.origin.offset : second.origin.offset + 30] = b"\xff" * 30
    assert [reason for _, reason in summary(outcomes(bytes(content), "f"))] == [
        "Apache-2.0",
        "damaged_record",
        "Apache-2.0",
        "Apache-2.0",
    ]


ARCHIVE: Mapping[str, bytes] = {
    "tool-1.0/LICENSE": MIT,
    "tool-1.0/a.py": b"x = 1\n",
    "tool-1.0/vendor/COPYING": GPL,
    "tool-1.0/vendor/deep/b.c": b"int b;\n",
    "tool-1.0/logo.png": b"\x89PNG\0",
    "tool-1.0/latin.py": b"# caf\xe9\n",
    "tool-1.0/declared.py": b"# coding: latin-1\n# caf\xe9\n",
    "../outside.py": b"no",
    "/etc/absolute.py": b"no",
    "tool-1.0/../../up.py": b"no",
    "C:\\windows.py": b"no",
    "tool-1.0/new\nline.py": b"no",
}
KEPT = [
    ("LICENSE", "MIT"),
    ("a.py", "MIT"),
    ("vendor/COPYING", "GPL-3.0"),
    ("vendor/deep/b.c", "GPL-3.0"),
    ("logo.png", "binary"),
    ("latin.py", "encoding_unknown"),
    ("declared.py", "MIT"),
]


def as_tar(mode: str, files: Mapping[str, bytes] = ARCHIVE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for kind, name, target in (
            (tarfile.SYMTYPE, "tool-1.0/link.py", "/etc/passwd"),
            (tarfile.LNKTYPE, "tool-1.0/hard.py", "/etc/passwd"),
            (tarfile.LNKTYPE, "tool-1.0/again.py", "tool-1.0/a.py"),
            (tarfile.FIFOTYPE, "tool-1.0/pipe.py", ""),
            (tarfile.CHRTYPE, "tool-1.0/device.py", ""),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return buffer.getvalue()


def as_zip(files: Mapping[str, bytes] = ARCHIVE) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("tool-1.0/link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [as_tar("w:gz"), as_tar("w"), as_tar("w:xz"), as_tar("w:bz2"), as_zip()],
    ids=["gz", "tar", "xz", "bz2", "zip"],
)  # fmt: skip
def test_archives_give_safe_paths_with_the_nearest_license(content: bytes) -> None:
    found = summary(outcomes(content, "tool.any"))
    assert [(name.split(":")[1], what) for name, what in found] == KEPT
    assert found[1][0] == "tool-1.0:a.py:7d4290a117a4ddcc11daae7ea675841033830c8f"


def test_origins_lead_back_into_the_archive() -> None:
    content = as_tar("w")
    for one in outcomes(content, "t"):
        if isinstance(one, Document):
            part = content[one.origin.offset : one.origin.offset + one.origin.length]
            assert part == ARCHIVE[f"tool-1.0/{one.metadata['path']}"]
    packed = as_zip()
    for one in outcomes(packed, "t"):
        if isinstance(one, Document):
            assert packed[one.origin.offset :].startswith(b"PK\x03\x04")
            assert one.metadata["path"].encode() in packed[one.origin.offset :][:200]


def test_archive_caps_hold() -> None:
    assert [r for _, r in summary(outcomes(as_tar("w:gz"), "t", Github(max_file_bytes=10)))].count(
        "file_too_large"
    ) == 3
    assert summary(outcomes(as_tar("w:gz"), "t", Github(max_archive_bytes=10)))[-1][1] == "archive_too_large"
    assert summary(outcomes(as_zip(), "t", Github(max_archive_files=2)))[-1][1] == "archive_too_large"


def test_bombs_are_not_unpacked() -> None:
    zeros = {"a/b.py": b"\0" * 50_000_000, "a/c.py": b"x"}
    for content in (as_tar("w:gz", zeros), as_tar("w:xz", zeros), as_zip(zeros)):
        found = summary(outcomes(content, "t", Github(max_archive_bytes=1 << 20)))
        assert [reason for _, reason in found] == ["archive_too_large"]


def test_members_without_content_count_by_what_they_state() -> None:
    listing = tarfile.TarInfo("src/")
    listing.type, listing.size = b"D", 3_000_000  # of GNU tar: skipped, and so inflated, all the same
    bomb = gzip.compress(listing.tobuf() + bytes(3_000_000 + 1024 * 2), 9)
    found = outcomes(bomb, "a.tar.gz", Github(max_archive_bytes=1_000_000))
    assert [one.reason for one in found if isinstance(one, Rejected)] == ["archive_too_large"]


def test_no_flipped_byte_of_a_table_ends_the_process() -> None:
    """In a process of its own, as damaged metadata ended it from within Arrow."""
    good = table([{"id": str(n), "content": f"x = {n}\n", "path": "a.py"} for n in range(20)], 10)
    code = (
        "import io, random, sys\n"
        "from stages.sources.github import Github\n"
        "good, dice = sys.stdin.buffer.read(), random.Random(1)\n"
        "for _ in range(600):\n"
        "    bad = bytearray(good)\n"
        "    bad[dice.randrange(4, len(bad))] = dice.randrange(256)\n"
        "    try:\n"
        "        list(Github().read(io.BytesIO(bytes(bad)), 'contents-0.parquet'))\n"
        "    except ValueError as error:\n"
        "        assert 'contents-0.parquet' in str(error), error\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=good, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]


def test_a_zip_entry_that_lies_about_its_size_costs_itself_only() -> None:
    content = as_zip({"a/b.py": b"y" * 50_000, "a/c.py": b"x = 1\n"})
    size = (50_000).to_bytes(4, "little")
    assert content.count(size) == 2
    found = outcomes(content.replace(size, (5).to_bytes(4, "little")), "t", Github(max_file_bytes=1_000))
    assert [reason for _, reason in summary(found)] == ["damaged_record", None]


def test_a_damaged_zip_entry_costs_itself_only() -> None:
    content = bytearray(as_zip({"a/b.py": b"y = 1\n" * 50, "a/c.py": b"x = 1\n"}))
    content[40:44] = b"\xff\xff\xff\xff"
    assert [reason for _, reason in summary(outcomes(bytes(content), "t"))] == ["damaged_record", None]


def test_a_zip_with_a_list_of_entries_without_end_is_refused() -> None:
    content = as_zip({"a/b.py": b"x\n"})
    end = content.rfind(b"PK\x05\x06")
    lying = content[: end + 12] + (1 << 30).to_bytes(4, "little") + content[end + 16 :]
    assert [reason for _, reason in summary(outcomes(lying, "t"))] == ["archive_too_large"]


def test_many_tiny_files_end_at_the_limit() -> None:
    files = {f"a/{number}.py": b"x" for number in range(3_000)}
    files["a/LICENSE"] = MIT
    found = outcomes(as_tar("w:gz", files), "t", Github(max_archive_files=2_000))
    assert len(found) == 2_001
    assert isinstance(found[-1], Rejected)
    assert found[-1].detail.startswith("over 2000 files")


def test_truncated_archives_lose_their_end_only() -> None:
    files = {"a/LICENSE": MIT, **{f"a/{n}.py": f"x = {n}\n".encode() * 3_000 for n in range(20)}}
    content = as_tar("w:gz", files)
    found = summary(outcomes(content[: len(content) * 2 // 3], "t"))
    assert found[-1][1] == "damaged_record"
    assert 3 < len(found) < 21
    with pytest.raises(ValueError, match="t: not a readable archive"):
        outcomes(as_zip(files)[:-40], "t")
    with pytest.raises(ValueError, match="t: "):
        outcomes(content[:12], "t")


def test_what_is_no_container_names_the_way_out() -> None:
    with pytest.raises(ValueError, match="neither Parquet"):
        outcomes(b"plain text", "a.txt")
    with pytest.raises(ValueError, match="not a readable"):
        outcomes(b"PAR1 but not really", "a.parquet")
    with pytest.raises(ValueError, match="not a readable Avro"):
        outcomes(b"Obj\x01 but not really", "a.avro")


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


def test_licenses_found_by_text_are_those_of_the_table(shared_data: Path) -> None:
    """The LICENSE files of the shared export against GitHub's keys: never a permissive id for another licence."""
    folder = shared_data / "github" / "bigquery-export"
    tables = {
        k: pq.read_table(folder / f"{k}-000000000000.parquet").to_pylist()
        for k in ("files", "licenses", "contents")
    }
    keys = {row["repo_name"]: row["license"] for row in tables["licenses"]}
    texts = {row["id"]: row["content"] for row in tables["contents"]}
    equal = 0
    for row in tables["files"]:
        if "/" in row["path"] or not is_license_name(row["path"]) or not texts.get(row["id"]):
            continue
        found, stated = license_of_text(texts[row["id"]]), SPDX_BY_GITHUB_KEY[keys[row["repo_name"]]]
        equal += found == stated
        if found in PERMISSIVE_LICENSES:
            assert stated in PERMISSIVE_LICENSES, row
    assert equal >= 25
