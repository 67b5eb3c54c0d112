"""The loss meters on the report: a row a source and quantity, shares by language, the documents that lost most."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mixtures.report import write_report
from mixtures.report_data import LossAmount, LossData, ReportData, SourceData
from mixtures.report_loss import losses, shown_scores


def amount(documents: int, raw: int, kept: int) -> LossAmount:
    return {"documents": documents, "raw": raw, "kept": kept}


def source(loss: LossData) -> SourceData:
    return {
        "inputs": {"files": 1, "bytes": 10},
        "steps": [],
        "documents": 5,
        "bytes": 10,
        "tokens": {"train": 1, "validation": 0},
        "languages": {},
        "licenses": {},
        "domains": {},
        "loss": loss,
    }


WIKIPEDIA: LossData = {
    "total": {
        "digits": amount(4, 80, 60),
        "characters": amount(5, 20_000, 12_500),
        "tables": amount(1, 3, 0),
    },
    "languages": {
        "de": {"characters": amount(1, 5_000, 2_500)},
        "sr": {"characters": amount(4, 15_000, 10_000), "digits": amount(4, 80, 60)},
    },
    "most_lost": [
        {"id": "<b>7</b>", "url": "https://de.example/wiki/jo@mail.example", "raw": 2_000, "kept": 4},
        {"id": "9", "url": None, "raw": 1_000, "kept": 100},
    ],
}
ARXIV: LossData = {
    "total": {"formulas": amount(1, 4, 0), "characters": amount(1, 100, 103)},
    "languages": {"en": {"formulas": amount(1, 4, 0), "characters": amount(1, 100, 103)}},
    "most_lost": [],
}
SILENT: LossData = {"total": {}, "languages": {}, "most_lost": []}


@pytest.fixture
def data() -> ReportData:
    return {
        "run": {
            "name": "small",
            "recipe": "llama1",
            "seed": 42,
            "tokens_budget": 30,
            "created": None,
            "versions": {},
            "config_sha256": "ab" * 32,
        },
        "sources": {"wikipedia": source(WIKIPEDIA), "arxiv": source(ARXIV), "c4": source(SILENT)},
        "absent_sources": [],
        "mixture": [],
        "gates": [],
    }


def section(data: ReportData, folder: Path) -> str:
    """The section of the page, on one line."""
    write_report(data, folder)
    page = (folder / "index.html").read_text("utf-8")
    return " ".join(page.split('<section id="loss">')[1].split("</section>")[0].split())


def test_quantities_have_a_fixed_order_and_sources_that_report_nothing_no_row() -> None:
    found = losses([("wikipedia", "s0", WIKIPEDIA), ("c4", "s1", SILENT), ("books", "s2", None)])
    assert [(loss.name, [name for name, _ in loss.quantities]) for loss in found] == [
        ("wikipedia", ["characters", "digits", "tables"])
    ]


def test_languages_come_by_size_and_one_alone_is_not_shown() -> None:
    wikipedia, arxiv = losses([("wikipedia", "s0", WIKIPEDIA), ("arxiv", "s1", ARXIV)])
    assert wikipedia.languages == [
        ("sr", [amount(4, 15_000, 10_000), amount(4, 80, 60), None]),
        ("de", [amount(1, 5_000, 2_500), None, None]),
    ]
    assert arxiv.languages == []


def test_languages_beyond_the_largest_are_counted() -> None:
    many: LossData = {**WIKIPEDIA, "languages": {f"x{n:02d}": WIKIPEDIA["total"] for n in range(33)}}
    (loss,) = losses([("wikipedia", "s0", many)])
    assert (len(loss.languages), loss.languages_left_out) == (30, 3)


def test_page_has_each_share_with_its_counts(data: ReportData, tmp_path: Path) -> None:
    found = section(data, tmp_path)
    assert '<span class="pct" title="12,500 / 20,000">62.5 %</span>' in found
    assert '<span class="pct" title="103 / 100">103.0 %</span>' in found  # expanded macros make a text longer
    assert '<span class="pct" title="10,000 / 15,000">66.7 %</span>' in found
    assert "c4" not in found


def test_page_names_the_documents_that_lost_most_as_text_and_masked(data: ReportData, tmp_path: Path) -> None:
    found = section(data, tmp_path)
    assert "the 2 documents that lost most" in found
    assert '<span class="pct" title="4 / 2,000">0.2 %</span>' in found
    assert "<bdi>&lt;b&gt;7&lt;/b&gt;</bdi>" in found
    assert "wiki/jo@mail" not in found and "[e-mail]" in found


def test_a_run_without_meters_says_so(data: ReportData, tmp_path: Path) -> None:
    data["sources"] = {"c4": source(SILENT)}
    assert "No parser reported what it kept." in section(data, tmp_path)
    assert "parsers keep" not in (tmp_path / "report.md").read_text("utf-8")


def test_markdown_has_the_same_tables(data: ReportData, tmp_path: Path) -> None:
    write_report(data, tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert (
        "| arxiv | characters | 1 | 100 | 103 | 103.0 % |\n| arxiv | formulas | 1 | 4 | 0 | 0.0 % |\n"
        "| wikipedia | characters | 5 | 20,000 | 12,500 | 62.5 % |\n"
    ) in text
    assert (
        "| Language | Documents | Characters | Digits | Tables |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| sr | 4 | 66.7 % | 75.0 % | – |\n"
        "| de | 1 | 50.0 % | – | – |\n"
    ) in text
    assert "\n- wikipedia 0.2 % of 2,000: &lt;b&gt;7&lt;/b&gt; https://de.example" in text
    assert "\n- wikipedia 10.0 % of 1,000: 9\n" in text


def test_tables_hold_every_language_and_the_documents(data: ReportData, tmp_path: Path) -> None:
    write_report(data, tmp_path)
    with (tmp_path / "tables/loss.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:3] == [
        ["source", "language", "quantity", "documents", "raw", "kept"],
        ["arxiv", "", "characters", "1", "100", "103"],
        ["arxiv", "", "formulas", "1", "4", "0"],
    ]
    assert rows[-1] == ["wikipedia", "sr", "digits", "4", "80", "60"]
    with (tmp_path / "tables/most_lost.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[2] == ["wikipedia", "9", "", "1000", "100"]


def test_raw_and_kept_of_one_document_are_one_figure() -> None:
    assert shown_scores(
        {
            "raw_characters": 1_319.0,
            "kept_characters": 802.0,
            "perplexity": 50.5,
            "raw_length": 3.0,
            "kept": 1.0,
        }
    ) == [("characters", "802 of 1,319"), ("kept", "1"), ("perplexity", "50.5"), ("raw_length", "3")]
