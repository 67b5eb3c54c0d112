"""C4 rows: ids, damaged lines, damaged files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path

import pytest

from stages.document import Document, Origin, Rejected
from stages.sources.c4 import C4

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
