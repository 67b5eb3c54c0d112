"""Decontamination on the report: a row a benchmark, hits with both texts, and a word when it was off."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mixtures.report import write_report
from mixtures.report_data import DecontaminationData, ReportData
from mixtures.report_decontamination import benchmark_rows, decontamination_table

FOUND: DecontaminationData = {
    "modes": {"c4": "drop", "books": "flag"},
    "off": "",
    "benchmarks": {
        "robes": {
            "items": 40,
            "searched": 30,
            "passage_only": 8,
            "skipped": 2,
            "found": 3,
            "passages_found": 1,
            "documents": {"c4": {"kept": 1, "dropped": 4}, "books": {"kept": 2, "dropped": 0}},
        },
        "fog": {
            "items": 7,
            "searched": 7,
            "passage_only": 0,
            "skipped": 0,
            "found": 0,
            "passages_found": 0,
            "documents": {},
        },
    },
    "documents": {"c4": {"kept": 1, "dropped": 4}, "books": {"kept": 2, "dropped": 0}},
    "samples": [
        {
            "source": "c4",
            "id": "<b>7</b>",
            "url": None,
            "verdict": "dropped",
            "benchmark": "robes",
            "item": 12,
            "part": "question",
            "covered": 0.75,
            "passage": "A robe takes <i>two</i> bolts, writes jo@mail.example",
            "benchmark_text": "A robe takes two bolts of fiber.",
        }
    ],
}


def report(decontamination: DecontaminationData | None) -> ReportData:
    return {
        "run": {
            "name": "small",
            "recipe": "plus",
            "seed": 1,
            "tokens_budget": 10,
            "created": None,
            "versions": {},
            "config_sha256": "0" * 64,
        },
        "sources": {},
        "absent_sources": [],
        "mixture": [],
        "gates": [],
        "decontamination": decontamination,
    }


def test_rows_are_by_name_with_the_sums_over_all_sources() -> None:
    rows = [(row.name, row.kept, row.dropped, row.sources, len(row.samples)) for row in benchmark_rows(FOUND)]
    assert rows == [("fog", 0, 0, [], 0), ("robes", 3, 4, ["books", "c4"], 1)]
    assert benchmark_rows(None) == []


def test_the_table_has_a_row_a_benchmark_and_source() -> None:
    assert list(decontamination_table(FOUND)) == [
        ("fog", "", 7, 7, 0, 0, 0, 0, 0, 0),
        ("robes", "", 40, 30, 8, 2, 3, 1, 3, 4),
        ("robes", "books", None, None, None, None, None, None, 2, 0),
        ("robes", "c4", None, None, None, None, None, None, 1, 4),
    ]


def test_the_report_shows_both_texts_escaped_and_masked(tmp_path: Path) -> None:
    write_report(report(FOUND), tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "A robe takes &lt;i&gt;two&lt;/i&gt; bolts, writes [e-mail]" in page
    assert "A robe takes two bolts of fiber." in page
    assert "&lt;b&gt;7&lt;/b&gt;" in page and "<b>7</b>" not in page
    assert "books: <b>flag</b>, c4: <b>drop</b>. Every hit" in page
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| robes | 40 | 30 | 8 | 2 | 3 | 10.0 % | 1 | 4 | 3 |" in markdown
    assert "\nbooks: flag, c4: drop.\n" in markdown
    with (tmp_path / "tables" / "decontamination.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 4


@pytest.mark.parametrize("name", ["index.html", "report.md"])
def test_the_report_says_so_when_it_was_off(tmp_path: Path, name: str) -> None:
    off: DecontaminationData = {
        "modes": {},
        "off": "nobody asked",
        "benchmarks": {},
        "documents": {},
        "samples": [],
    }
    write_report(report(off), tmp_path)
    assert "Not done: nobody asked." in (tmp_path / name).read_text(encoding="utf-8")
