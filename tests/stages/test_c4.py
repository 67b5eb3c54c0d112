"""C4 rows: ids, damaged lines, damaged files."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path

import numpy as np
import pytest

from stages.c4_language import KeepC4English
from stages.c4_rules import CleanC4Page, TakeC4Lines, c4_line_keys, c4_split, normalize_c4_url
from stages.document import Document, Origin, Rejected
from stages.sources.c4 import C4, missing_shards

ROW = b'{"text":"One\\r\\ntwo","timestamp":"2019-04-25T12:57:54Z","url":"https://A.org/x"}\n'


def read(data: bytes, **settings: int) -> list[Document | Rejected]:
    return list(C4(**settings).read(io.BytesIO(data), "d/c4.json"))


def test_reads_plain_and_gzip_alike() -> None:
    expected = Document(
        id=sha1(b"https://A.org/x\n2019-04-25T12:57:54Z").hexdigest(),
        source="c4",
        text="One\ntwo",
        origin=Origin("d/c4.json", 0, len(ROW)),
        url="https://A.org/x",
        license="ODC-By-1.0",
        created=datetime(2019, 4, 25, 12, 57, 54, tzinfo=UTC),
        metadata={"domain": "a.org"},
    )
    assert read(ROW) == read(gzip.compress(ROW)) == [expected]


@pytest.mark.parametrize(
    "bad",
    [
        b"{broken",
        b"[1]",
        b"",
        b'{"text": 1, "url": "u", "timestamp": "2019-04-25"}',
        b'{"text": "x", "url": "u", "timestamp": "soon"}',
        b'{"text": "x", "url": "u", "timestamp": "2019-04-25"}',
        b'{"text": "x", "url": "u", "timestamp": "2019-W17-4T12:00:00Z"}',
        b'{"text": "x", "url": "u", "timestamp": "2019-04-31T12:00:00Z"}',
        b'{"text": "x", "url": "", "timestamp": "2019-04-25T12:57:54Z"}',
        b'{"text": "x", "timestamp": "2019-04-25T12:57:54Z"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_line_costs_that_line_only(bad: bytes) -> None:
    first, second, third = read(ROW + bad + b"\n" + ROW)
    assert isinstance(second, Rejected)
    assert second.reason == "damaged_record"
    assert second.document.id == f"c4.json@{len(ROW)}"
    assert isinstance(first, Document) and isinstance(third, Document)
    assert third.origin.offset == len(ROW) + len(bad) + 1


def test_a_line_over_the_limit_is_passed_over() -> None:
    outcomes = read(ROW + b"x" * 5000 + b"\n" + ROW, max_line_bytes=1000)
    assert [o.reason if isinstance(o, Rejected) else "kept" for o in outcomes] == [
        "kept",
        "record_too_large",
        "kept",
    ]


def test_an_empty_text_is_told_and_surrogates_are_mended() -> None:
    (empty,) = read(ROW.replace(b"One\\r\\ntwo", b" "))
    assert isinstance(empty, Rejected) and empty.reason == "no_text"
    (mended,) = read(ROW.replace(b"One", b"\\ud800"))
    assert isinstance(mended, Document) and mended.text == "\ufffd\ntwo"


def test_a_cut_or_empty_file_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"^d/c4\.json: damaged after \d+ bytes of text \(.*\); download it again$"
    ):
        read(gzip.compress(ROW * 100)[:-12])
    with pytest.raises(ValueError, match=r"^d/c4\.json: the file is empty; download it again$"):
        read(b"")


def test_every_real_row_is_a_document(shared_data: Path) -> None:
    counts = []
    for path in sorted((shared_data / "c4" / "en").iterdir()):
        with path.open("rb") as stream:
            outcomes = list(C4().read(stream, path.name))
        assert all(isinstance(outcome, Document) for outcome in outcomes)
        counts.append(len(outcomes))
    assert counts == [365, 5, 365]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_warc_files_are_refused_and_the_way_out_is_named(pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(
        ValueError, match=r"^d/c4\.json: WARC or WET records .*; set sources\.c4\.variant: crawl$"
    ):
        read(pack(b"WARC/1.0\r\nWARC-Type: conversion\r\n\r\n" + ROW))
    assert len(read(pack(ROW + b"WARC/1.0\n"))) == 2  # a damaged line later is one


@pytest.mark.parametrize("magic", [b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18"])
def test_a_file_packed_by_zstd_is_refused(magic: bytes) -> None:
    with pytest.raises(ValueError, match=r"^d/c4\.json: packed by zstd, and C4 comes plain or gzip"):
        read(magic + ROW)


def test_the_url_is_exactly_that_of_the_row() -> None:
    (row,) = read(ROW.replace(b"https://A.org/x", b"HTTP://www.A.org:80/%7Ex/?utm_a=1#top"))
    assert isinstance(row, Document) and row.url == "HTTP://www.A.org:80/%7Ex/?utm_a=1#top"


def test_offsets_are_those_of_the_inflated_file(shared_data: Path) -> None:
    path = shared_data / "c4" / "en" / "c4-train.00000-of-00002.json.gz"
    inflated = gzip.decompress(path.read_bytes())
    with path.open("rb") as stream:
        rows = list(C4().read(stream, path.name))
    end = 0
    for row in rows:
        assert isinstance(row, Document)
        assert row.origin.offset == end
        end += row.origin.length
        line = json.loads(inflated[row.origin.offset : end])
        assert (line["url"], line["text"]) == (row.url, row.text)
    assert end == len(inflated)


def test_a_shard_that_its_set_does_not_have_is_refused() -> None:
    name = "en/c4-train.01024-of-01024.json.gz"
    with pytest.raises(
        ValueError, match=r"^en/c4-train\.01024-of-01024\.json\.gz: shard 01024 of a set that ends"
    ):
        list(C4().read(io.BytesIO(ROW), name))


def test_missing_shards_are_named_set_by_set() -> None:
    names = [
        *(f"en/c4-train.{n:05d}-of-01024.json.gz" for n in range(1024) if n not in (7, 9)),
        *(f"en/c4-validation.{n:05d}-of-00008.json.gz" for n in range(8)),
        "realnewslike/c4-train.00001-of-00512.json.gz",
        "own/rows.json",
    ]
    assert missing_shards(names) == [
        "en/c4-train: 2 of 1024 shards are not among the inputs (c4-train.00007-of-01024.json.gz for one)",
        "realnewslike/c4-train: 511 of 512 shards are not among the inputs (c4-train.00000-of-00512.json.gz for one)",
    ]


def test_published_rows_pass_the_rules_of_the_road_from_the_crawl(shared_data: Path) -> None:
    """No row of the shared C4 is of a page of the shared crawls, so the two roads meet here: what was published must
    come through the rules that made it. In one row six lines begin with a blank, left by a deleted citation mark."""
    rows = []
    for path in sorted((shared_data / "c4" / "en").glob("*.gz")):
        with path.open("rb") as stream:
            rows += [row for row in C4().read(stream, path.name) if isinstance(row, Document)]
    take, clean, keep_english = TakeC4Lines(), CleanC4Page(), KeepC4English().prepare()
    changed = []
    for row in rows:
        assert c4_split(row.url or "") == "train"
        page = take(row)
        assert isinstance(page, Document)
        cleaned = clean(page)
        assert isinstance(cleaned, Document)
        assert isinstance(keep_english(cleaned), Document)
        if cleaned.text != row.text:
            changed.append(row)
    assert (len(rows), len(changed)) == (730, 1)
    [row] = changed
    page = take(row)
    assert isinstance(page, Document)
    different = [(a, b) for a, b in zip(row.text.split("\n"), page.text.split("\n"), strict=True) if a != b]
    assert len(different) == 6 and all(a == " " + b for a, b in different)
    lines = np.concatenate([c4_line_keys(row.text) for row in rows])
    assert len(np.unique(lines)) == len(lines)  # no line stands in two rows, or twice in one
    assert len({normalize_c4_url(row.url or "") for row in rows}) == 730
