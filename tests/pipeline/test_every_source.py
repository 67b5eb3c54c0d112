"""What holds for all seven sources of a run: where each document is from, its licence, its raw bytes, and the accounts.

On runs of both recipes over the bundled sample; the raw bytes are found with the plain tools of each container.
"""

from __future__ import annotations

import bz2
import gzip
import html
import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import py7zr
import pyarrow.parquet as pq
import pytest
import yaml

from stages.document import SOURCES
from tests.pipeline.whole_runs import llama_corpus

# Sources whose records say nothing of a licence, and why: None is the documented answer.
SILENT_ON_LICENSES = {
    "commoncrawl": "a page's licence is not in its record",
    "c4": "rows have text, time and URL",
    "books": "plain text has no header; Gutenberg's and EPUBs have",
    "arxiv": "the bulk files hold sources only; the licence is in arXiv's metadata",
}

Row = Mapping[str, Any]


@pytest.fixture(scope="session")
def plus(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of recipe `plus`, which reads no WET; its fewer pages hold fewer that Wikipedia cites."""
    config = yaml.safe_load((sample / "sample.yaml").read_text(encoding="utf-8"))
    config["recipe"] = "plus"
    config["sources"]["commoncrawl"]["inputs"].remove("sample/built/commoncrawl/*.warc.wet.gz")
    config["sources"]["commoncrawl"]["steps"] = {"train_references": {"min_positives": 1}}
    (sample / "plus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run = tmp_path_factory.mktemp("runs") / "plus"
    result = llama_corpus("run", sample / "plus.yaml", "--out", run, "--workers", "1")
    assert result.returncode == 0, result.stderr
    return run


@pytest.fixture(scope="session", params=["llama1", "plus"])
def run(request: pytest.FixtureRequest) -> Path:
    """A finished run of each recipe."""
    found: Path = request.getfixturevalue("finished" if request.param == "llama1" else "plus")
    return found


def rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.rglob("*.parquet")):
        yield from pq.read_table(path).to_pylist()


def documents(run: Path, source: str) -> list[Row]:
    return list(rows(run / "documents" / source))


def removed(run: Path, source: str) -> list[Row]:
    return list(rows(run / "removed" / source))


def accounts(run: Path, source: str) -> list[dict[str, Any]]:
    lines = (run / "accounts" / f"{source}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def unpacked(path: Path) -> bytes:
    """What a file holds whose origins count unpacked bytes."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    with py7zr.SevenZipFile(path) as archive:
        names = [name for name in archive.getnames() if name.endswith("Posts.xml")]
        factory = py7zr.io.BytesIOFactory(1 << 24)
        archive.extract(targets=names, factory=factory)
        (product,) = factory.products.values()
        product.seek(0)
        return bytes(product.read())


def raw_record(folder: Path, row: Row) -> bytes:
    """The raw bytes that the origin of a row leads to, without the layers of their container."""
    origin = row["origin"]
    path: Path = folder / origin["file"]
    start, end = origin["offset"], origin["offset"] + origin["length"]
    name = path.name
    if name.endswith((".warc.gz", ".wet.gz")):
        return gzip.decompress(path.read_bytes()[start:end])
    if name.endswith((".json.gz", ".tar.gz", ".7z")):
        return unpacked(path)[start:end]
    if name.endswith(".xml.bz2"):
        inflated = bz2.decompress(path.read_bytes()[start:])
        page = int(dict(row["metadata"])["page_offset"]) if "metadata" in row else 0
        return inflated[page : page + origin["length"]] if "metadata" in row else inflated
    if name.startswith("arXiv_src"):
        packed = path.read_bytes()[start:end]
        content = packed if packed.startswith(b"%PDF") else gzip.decompress(packed)
        if content[257:262] != b"ustar":
            return content
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = [archive.extractfile(member) for member in archive if member.isreg()]
            return b"\n".join(member.read() for member in members if member is not None)
    if name.endswith(".parquet"):
        return parquet_column(path, start, origin["length"])
    if name.endswith(".txt"):  # the whole file
        assert (start, end) == (0, 0)
        return path.read_bytes()
    return path.read_bytes()[start:end]


def parquet_column(path: Path, offset: int, length: int) -> bytes:
    """The values of the column chunk that lies there; a row of Parquet has no bytes of its own."""
    file = pq.ParquetFile(path)
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(column)
            begin = min(o for o in (chunk.dictionary_page_offset, chunk.data_page_offset) if o is not None)
            if (begin, chunk.total_compressed_size) == (offset, length):
                values = file.read_row_group(group, columns=[chunk.path_in_schema]).column(0).to_pylist()
                return "\n".join(value or "" for value in values).encode()
    raise AssertionError(f"no column of {path.name} lies at {offset}")


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{3,}", text)


def is_in(text: str, raw: bytes, charset: str) -> bool:
    """Whether the first five words of a text stand in the raw bytes in some way; one may be a template's."""
    try:
        found = raw.decode(charset)
    except UnicodeDecodeError:
        found = raw.decode("latin-1")
    there = set(words(html.unescape(html.unescape(found))))
    return sum(word not in there for word in words(text)[:5]) <= 1


@pytest.mark.parametrize("source", SOURCES)
def test_every_document_says_what_it_is_and_where_it_is_from(run: Path, source: str) -> None:
    found = documents(run, source)
    assert found
    assert len({row["id"] for row in found}) == len(found)
    for row in found:
        assert row["id"] and row["source"] == source and row["text"].strip()
        assert row["origin"]["file"].startswith(f"sample/built/{source}/")
        is_whole_file = (row["origin"]["offset"], row["origin"]["length"]) == (0, 0)
        assert row["origin"]["length"] > 0 or (source == "books" and is_whole_file)
        path = dict(row["metadata"]).get("path")
        assert row["url"] or path or source == "books", row["id"]  # a book's path is its origin
        assert row["license"] or source in SILENT_ON_LICENSES, row["id"]


@pytest.mark.parametrize("source", SOURCES)
def test_every_removed_record_says_what_it_was_why_and_where(run: Path, source: str) -> None:
    for row in removed(run, source):
        assert row["id"] and row["source"] == source
        assert re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+)*", row["reason"])
        assert row["origin"]["file"].startswith(f"sample/built/{source}/")
        assert row["origin"]["length"] > 0 or source == "books"


@pytest.mark.parametrize("source", SOURCES)
def test_every_origin_leads_back_to_the_raw_bytes(run: Path, sample: Path, source: str) -> None:
    for row in documents(run, source):
        charset = dict(row["metadata"]).get("charset", "utf-8")
        assert is_in(row["text"], raw_record(sample, row), charset), (row["id"], row["text"][:80])


@pytest.mark.parametrize("source", SOURCES)
def test_the_origin_of_what_was_removed_leads_to_raw_bytes_too(run: Path, sample: Path, source: str) -> None:
    for row in removed(run, source):
        if row["reason"] in ("damaged_record", "pdf_only"):
            path = sample / row["origin"]["file"]
            assert 0 < row["origin"]["offset"] + row["origin"]["length"] <= path.stat().st_size
            continue
        raw = raw_record(sample, row)
        assert raw
        if (
            row["text"] and source != "commoncrawl"
        ):  # whose charset is not among the columns of what was removed
            assert is_in(row["text"], raw, "utf-8"), (row["id"], row["text"][:80])


@pytest.mark.parametrize("source", SOURCES)
def test_each_file_has_all_its_records_kept_or_removed_with_a_reason(run: Path, source: str) -> None:
    kept = Counter(row["origin"]["file"] for row in documents(run, source))
    gone = Counter((row["origin"]["file"], row["step"], row["reason"]) for row in removed(run, source))
    found = accounts(run, source)
    assert sum(account["records"] for account in found) == kept.total() + gone.total()
    for account in found:
        name, by_step = account["name"], account["removed"]
        assert account["documents"] == kept[name]
        assert by_step == {
            step: {reason: n for (file, at, reason), n in sorted(gone.items()) if (file, at) == (name, step)}
            for step in by_step
        }
        counts = [count for reasons in by_step.values() for count in reasons.values()]
        assert account["records"] == account["documents"] + sum(counts)


def test_each_step_over_each_part_keeps_or_removes_what_came_in(run: Path) -> None:
    steps = [
        step
        for marker in sorted((run / "work").rglob("*.done.json"))
        for step in json.loads(marker.read_text(encoding="utf-8"))["statistics"].get("steps", [])
    ]
    assert len(steps) > 60
    for step in steps:
        gone = step["removed"].values()
        assert step["documents_in"] == step["documents_kept"] + sum(r["documents"] for r in gone)
        assert step["bytes_in"] == step["bytes_kept"] + step["bytes_edited"] + sum(r["bytes"] for r in gone)


@pytest.mark.parametrize("source", ["github", "wikipedia", "books", "arxiv", "stackexchange"])
def test_what_the_parsers_keep_is_counted_over_every_document_that_they_let_through(
    run: Path, source: str
) -> None:
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    loss = manifest["sources"][source]["loss"]
    characters = loss["total"]["characters"]
    assert characters["kept"] > 0 and characters["documents"] >= len(documents(run, source))
    for quantity, amount in loss["total"].items():
        for part in ("documents", "raw", "kept"):
            per_language = [sums[quantity][part] for sums in loss["languages"].values() if quantity in sums]
            per_file = [a["loss"][quantity][part] for a in accounts(run, source) if quantity in a["loss"]]
            assert sum(per_language) == sum(per_file) == amount[part]
