"""The mixture report: hostile text stays text, funnels add up on the page, the same data gives the same bytes."""

from __future__ import annotations

import copy
import csv
import json
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mixtures.conservation import conservation_problems
from mixtures.report import write_report
from mixtures.report_data import (
    Amount,
    FertilityData,
    MixtureRow,
    ReliabilityBin,
    RemovedSample,
    ReportData,
    SourceData,
    ThresholdShares,
)


def source(raw: int, short: int, kept: int) -> SourceData:
    """A source of two steps: `short` of `raw` documents are too short; the rest, 100 bytes each, is cleaned to 60."""
    return {
        "inputs": {"files": 2, "bytes": 5_000},
        "steps": [
            {
                "step": "read",
                "documents_in": raw,
                "bytes_in": raw * 100,
                "documents_kept": kept,
                "bytes_kept": kept * 100,
                "removed": {"too_short": {"documents": short, "bytes": short * 100}},
            },
            {
                "step": "clean_text",
                "documents_in": kept,
                "bytes_in": kept * 100,
                "documents_kept": kept,
                "bytes_kept": kept * 60,
                "removed": {},
            },
        ],
        "documents": kept,
        "bytes": kept * 60,
        "tokens": {"train": kept * 14, "validation": kept},
        "languages": {"en": {"documents": kept, "bytes": kept * 60}},
        "licenses": {"CC-BY-SA-4.0": {"documents": kept, "bytes": kept * 60}},
        "domains": {},
    }


def row(name: str, share: float, present: float, unique: int) -> MixtureRow:
    return {
        "source": name,
        "share": share,
        "share_present": present,
        "tokens_unique": unique,
        "tokens_at_budget": round(present * 30_000),
        "epochs": present * 30_000 / unique if unique else None,
        "llama1_share": share,
        "llama1_epochs": 2.45,
        "bytes_per_token": 4.0 if unique else None,
        "warnings": [],
    }


def sample(text: str, **changes: str) -> RemovedSample:
    made: RemovedSample = {
        "source": "wikipedia",
        "step": "read",
        "reason": "too_short",
        "id": "7",
        "url": None,
        "language": "en",
        "score": 0.25,
        "text": text,
        "detail": "",
    }
    made.update(changes)  # type: ignore[typeddict-item]
    return made


@pytest.fixture
def data() -> ReportData:
    """Two sources of three, nothing trained, no model."""
    return {
        "run": {
            "name": "small",
            "recipe": "llama1",
            "seed": 42,
            "tokens_budget": 30_000,
            "created": None,
            "versions": {"python": "3.11"},
            "config_sha256": "ab" * 32,
        },
        "sources": {"wikipedia": source(1_000, 200, 800), "books": source(10, 0, 10)},
        "absent_sources": ["arxiv"],
        "mixture": [
            row("wikipedia", 0.6, 0.75, 12_000),
            row("arxiv", 0.2, 0.0, 0),
            row("books", 0.2, 0.25, 150),
        ],
        "gates": [{"name": "counts_conserved", "state": "green", "detail": "2 of 2 sources"}],
    }


def html(data: ReportData, folder: Path) -> str:
    write_report(data, folder)
    return (folder / "index.html").read_text("utf-8")


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


class Page(HTMLParser):
    """Element names, attributes and visible text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = '</blockquote><script>alert(1)</script><img src="http://x.example/y" onerror=alert(1)>{{ 7*7 }}'


def test_hostile_markup_stays_text_wherever_it_stands(data: ReportData, tmp_path: Path) -> None:
    clean = Page(html(data, tmp_path))
    data["run"]["name"] = HOSTILE
    data["gates"] = [{"name": HOSTILE, "state": "amber", "detail": HOSTILE}]
    data["mixture"][0]["warnings"] = [HOSTILE]
    books = data["sources"]["books"]
    books["steps"][0]["removed"] = {HOSTILE: {"documents": 0, "bytes": 0}}
    amount: dict[str, Amount] = {HOSTILE: {"documents": 10, "bytes": 600}}
    data["sources"] = {
        **data["sources"],
        "books": {**books, "languages": amount, "licenses": amount, "domains": amount},
    }
    data["samples"] = [sample(HOSTILE, url=HOSTILE, id=HOSTILE, detail=HOSTILE, language='en" onload="x')]
    data["kept_samples"] = [
        {
            "source": "books",
            "id": HOSTILE,
            "url": "javascript:alert(1)",
            "title": HOSTILE,
            "language": HOSTILE,
            "text": HOSTILE,
            "scores": {HOSTILE: 1.0},
        }
    ]
    data["histograms"] = {
        HOSTILE: {"edges": [0, 1], "counts": [1], "thresholds": [{"label": HOSTILE, "value": 0.5}]}
    }
    data["models"] = {"language_id": {HOSTILE: HOSTILE}, "lm": {HOSTILE: {HOSTILE: HOSTILE}}}
    page = Page(html(data, tmp_path))
    assert page.text.count("<script>alert(1)</script>") >= 12
    assert "{{ 7*7 }}" in page.text
    assert not {"script", "img", "iframe", "object", "link", "form"} & set(page.elements)
    assert {name for name, _ in page.attributes} - {name for name, _ in clean.attributes} <= {
        "lang",
        "open",
        "dir",
    } | {"x1", "x2", "y1", "y2", "y", "height"}
    assert not [value for name, value in page.attributes if name == "href" and "javascript" in value]
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert "<script" not in markdown


def test_page_is_closed_to_scripts_and_network(data: ReportData, tmp_path: Path) -> None:
    page = Page(html(data, tmp_path))
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    links = [value for name, value in page.attributes if name in ("href", "src")]
    assert links
    assert all(value.startswith(("#", "report.", "tables/")) for value in links)
    assert all(
        value[1:] in {v for name, v in page.attributes if name == "id"} for value in links if value[0] == "#"
    )
    assert all((tmp_path / value).is_file() for value in links if value[0] != "#")


def test_controls_and_reordering_marks_are_shown_and_right_to_left_text_is_isolated(
    data: ReportData, tmp_path: Path
) -> None:
    data["samples"] = [
        sample("nul \x00 escape \x1b[31m override \u202e tab\there, lone \ud800", language="ar")
    ]
    page = html(data, tmp_path)
    assert "nul ␀ escape ␛[31m override ⟨U+202E⟩ tab\there, lone ?" in page
    assert '<blockquote dir="auto" lang="ar">' in page
    assert "\x00" not in page and "\u202e" not in page


def test_addresses_of_people_are_masked_everywhere(data: ReportData, tmp_path: Path) -> None:
    data["samples"] = [sample("Write to jo.doe@mail.example.org or ask 192.168.10.4, version 3.11.9.1234")]
    page = html(data, tmp_path)
    assert "Write to [e-mail] or ask [ip address], version 3.11.9.1234" in page
    assert "jo.doe" not in page + (tmp_path / "report.json").read_text("utf-8")


def test_same_data_gives_same_bytes_in_any_order(data: ReportData, tmp_path: Path) -> None:
    data["samples"] = [sample("b", id="2"), sample("a", id="1")]
    shuffled = copy.deepcopy(data)
    shuffled["samples"] = list(reversed(data["samples"]))
    shuffled["sources"] = dict(reversed(list(data["sources"].items())))
    write_report(data, tmp_path / "one")
    write_report(shuffled, tmp_path / "two")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert [str(f) for f in files] == [
        "index.html",
        "report.json",
        "report.md",
        "tables/clusters.csv",
        "tables/content.csv",
        "tables/decontamination.csv",
        "tables/fertility.csv",
        "tables/funnel.csv",
        "tables/histograms.csv",
        "tables/loss.csv",
        "tables/mixture.csv",
        "tables/most_lost.csv",
        "tables/reference.csv",
        "tables/reference_reliability.csv",
        "tables/reference_thresholds.csv",
        "tables/removed.csv",
        "tables/training.csv",
        "tables/validation.csv",
    ]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_funnel_shows_what_came_in_what_stayed_and_why_the_rest_went(
    data: ReportData, tmp_path: Path
) -> None:
    data["samples"] = [sample("A short text.", detail="3 words")]
    page = html(data, tmp_path)
    text = Page(page).text
    assert "✓ adds up: 1,000 records in = 800 kept + 200 removed, over 2 steps" in text
    assert "too_short 200 (20.0 %, 20.0 kB) · 1 text" in text
    assert "32.0 kB cleaned away in kept documents" in text
    assert '<span class="pct" title="800 / 1,000">80.0 %</span>' in page
    assert "score 0.25 3 words en 7 A short text." in text


def test_clusters_of_near_duplicates_are_shown_by_size(data: ReportData, tmp_path: Path) -> None:
    data["sources"]["wikipedia"]["duplicates"] = {
        "drop_near_duplicates": {"units": 900, "dropped": 31, "cluster_sizes": {"16": 1, "2": 7}},
        "drop_repeated_ids": {"units": 900, "dropped": 3},
    }
    text = Page(html(data, tmp_path)).text
    assert "drop_near_duplicates: 31 documents gone; clusters by size: 7 of 2–3, 1 of 16–31" in text
    assert "drop_repeated_ids" not in text
    assert table(tmp_path / "tables" / "clusters.csv")[1:] == [
        ["wikipedia", "drop_near_duplicates", "2", "3", "7"],
        ["wikipedia", "drop_near_duplicates", "16", "31", "1"],
    ]


def test_a_funnel_that_does_not_add_up_is_a_red_gate(data: ReportData, tmp_path: Path) -> None:
    data["sources"]["wikipedia"]["steps"][0]["documents_kept"] = 797
    assert conservation_problems(data["sources"]["wikipedia"]) == [
        "read: 3 of 1,000 documents unaccounted for",
        "clean_text: 800 documents came in, read had kept 797",
    ]
    text = Page(html(data, tmp_path)).text
    assert "✗ 1 gate fails, 1 holds" in text
    assert "✗ does not add up: read: 3 of 1,000 documents unaccounted for" in text
    assert "Does not add up: read: 3 of 1,000" in (tmp_path / "report.md").read_text("utf-8")


def test_bytes_are_held_too_where_the_step_says_what_it_edited_away(data: ReportData) -> None:
    wikipedia = data["sources"]["wikipedia"]
    wikipedia["steps"][1]["bytes_edited"] = 32_000
    assert conservation_problems(wikipedia) == []
    wikipedia["steps"][1]["bytes_edited"] = 31_999
    assert conservation_problems(wikipedia) == ["clean_text: 1 of 80,000 bytes unaccounted for"]


def test_last_step_keeps_what_the_source_has(data: ReportData) -> None:
    data["sources"]["books"]["documents"] = 9
    assert conservation_problems(data["sources"]["books"]) == [
        "clean_text kept 10 documents, the source has 9"
    ]


def test_absent_sources_are_named(data: ReportData, tmp_path: Path) -> None:
    text = Page(html(data, tmp_path)).text
    assert "2 of 3" in text
    assert "absent: arxiv" in text
    assert "arxiv (absent)" in text
    assert "Absent: arxiv. Their share is spread" in (tmp_path / "report.md").read_text("utf-8")


def test_empty_parts_say_so(data: ReportData, tmp_path: Path) -> None:
    text = Page(html(data, tmp_path)).text
    assert "This run used no model." in text
    assert "No model has been trained on this mixture yet." in text
    assert "No score was recorded." in text
    assert "No kept text was sampled." in text
    data.update({"sources": {}, "mixture": [], "gates": [], "absent_sources": []})
    text = Page(html(data, tmp_path)).text
    assert "! no gate was evaluated" in text
    assert "No mixture was planned." in text
    assert "Nothing was removed." in text
    assert "No source is present." in text


def test_markdown_has_the_mix_table(data: ReportData, tmp_path: Path) -> None:
    data["mixture"][2]["warnings"] = ["50.0 epochs | more than 4"]
    write_report(data, tmp_path)
    lines = (tmp_path / "report.md").read_text("utf-8").splitlines()
    assert (
        "| wikipedia | 800 | 48.0 kB | 12,000 | 98.8 % | 4.00 | 60.0 % | 75.0 % | 22,500 | 1.88 | 60.0 % | 2.45 |"
        in lines
    )
    assert "| arxiv (absent) | – | – | 0 | 0.0 % | – | 20.0 % | 0.0 % | 0 | – | 20.0 % | 2.45 |" in lines
    assert "- books: 50.0 epochs \\| more than 4" in lines
    assert "| read | 1,000 | 800 | 80.0 % | 80.0 % | 100 kB | 80.0 kB | 80.0 % | too_short 200 |" in lines


def test_training_curve_survives_a_loss_that_is_not_finite(data: ReportData, tmp_path: Path) -> None:
    data["training"] = {
        "steps": [1, 2, 3],
        "loss": [8.5, float("nan"), 6.25],
        "validation": {"wikipedia": [[2, 7.0], [3, 6.5]], "books": [[3, float("inf")]]},
        "preset": "toy",
        "parameters": 4_812_032,
    }
    page = html(data, tmp_path)
    assert "training 6.250" in Page(page).text
    assert "wikipedia (validation) 6.500" in Page(page).text
    assert "nan" not in page.split('class="plot wide"')[1].split("</svg>")[0]
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert written["training"]["loss"] == [8.5, None, 6.25]
    rows = table(tmp_path / "tables" / "training.csv")
    assert rows[1:4] == [["train", "1", "8.5"], ["train", "2", ""], ["train", "3", "6.25"]]


def cells(page: str) -> str:
    """The visible text, cells of tables apart."""
    return Page(page.replace("</td>", " </td>").replace("</th>", " </th>")).text


def test_training_is_held_against_unigram_models_and_told_in_bits_a_byte(
    data: ReportData, tmp_path: Path
) -> None:
    data["training"] = {
        "steps": [1, 2, 3],
        "loss": [8.5, 7.0, 6.25],
        "validation": {"wikipedia": [[2, 7.0], [3, 6.5]], "books": [[2, 6.0], [3, 5.5]]},
        "bits_per_byte": {"wikipedia": [[2, 2.5], [3, 2.25]]},
        "unigram": {"wikipedia": 7.75},
        "preset": "toy",
        "parameters": 4_812_032,
    }
    page = html(data, tmp_path)
    text = cells(page)
    assert "wikipedia 6.500 7.750 1.250 2.250" in text
    assert "books 5.500 – – –" in text
    (line,) = [tag for tag in page.split("<polyline ")[1:] if tag.startswith('class="s0 dotted"')]
    (first, left), (last, right) = (
        pair.split(",") for pair in line.split('points="')[1].split('"')[0].split()
    )
    assert left == right and float(first) < float(last)  # over all steps at one height
    assert "dotted: a model that knows only how frequent" in text
    assert "| wikipedia | 6.500 | 7.750 | 2.250 |" in (tmp_path / "report.md").read_text("utf-8")
    rows = table(tmp_path / "tables" / "training.csv")
    assert ["bits_per_byte/wikipedia", "3", "2.25"] in rows and ["unigram/wikipedia", "", "7.75"] in rows
    del data["training"]["unigram"], data["training"]["bits_per_byte"]
    assert "; dotted: a" not in cells(html(data, tmp_path))


def fertility(tokens: int, byte_tokens: int = 0) -> FertilityData:
    return {
        "bytes": 1_000,
        "words": 200,
        "tokens": tokens,
        "byte_tokens": byte_tokens,
        "bytes_per_token": 1_000 / tokens,
        "tokens_per_word": tokens / 200,
        "byte_fallback_fraction": byte_tokens / tokens,
    }


def test_tokenizer_shows_its_sample_and_its_fit_beside_a_reference(data: ReportData, tmp_path: Path) -> None:
    german: FertilityData = {**fertility(500), "reference": fertility(625)}
    wikipedia: FertilityData = {
        **fertility(250, 1),
        "reference": fertility(400),
        "languages": {"en": {**fertility(200), "reference": fertility(250)}, "de": german},
    }
    data["tokenizer"] = {
        "sha256": "cd" * 32,
        "vocabulary": 32_000,
        "sample": {
            "blocks": 3,
            "lines": 12_345,
            "bytes": 2_000_000,
            "lines_cut": 7,
            "lines_skipped": 0,
            "sha256": "ef" * 32,
            "sources": {
                "books": {"wanted_bytes": 4_750_000, "bytes": 500_000, "documents": 3},
                "wikipedia": {"wanted_bytes": 250_000, "bytes": 1_500_000, "documents": 88},
            },
        },
        "fertility": {
            "models": {
                "tokenizer": {"sha256": "cd" * 32, "vocabulary": 32_000},
                "reference": {"sha256": "01" * 32, "vocabulary": 32_000},
            },
            "total": wikipedia,
            "sources": {"wikipedia": wikipedia},
        },
    }
    text = cells(html(data, tmp_path))
    assert "32,000 pieces, trained on 2.00 MB in 12,345 lines" in text
    assert "wikipedia 1.00 kB 4.00 1.25 0.40 % 2.50 2.00 0.00 %" in text
    assert "de 1.00 kB 2.00 2.50 0.00 % 1.60 3.12 0.00 %" in text
    assert f"sample sha256 {'ef' * 32}" in text and f"reference sha256 {'01' * 32}" in text
    assert "lines cut 7" in text and "wikipedia 250 kB 1.50 MB 88 75.0 % 5.0 %" in text
    assert "books 4.75 MB 500 kB 3 25.0 % 95.0 %" in text
    markdown = (tmp_path / "report.md").read_text("utf-8").splitlines()
    assert "| · en | 1.00 kB | 5.00 | 1.00 | 0.00 % | 4.00 | 1.25 | 0.00 % |" in markdown
    assert "| wikipedia | 250 kB | 1.50 MB | 88 | 75.0 % | 5.0 % |" in markdown
    rows = table(tmp_path / "tables" / "fertility.csv")
    assert rows[1] == ["wikipedia", "", "tokenizer", "1000", "200", "250", "1", "4.0", "1.25", "0.004"]
    assert [row[:3] for row in rows[1:]] == [
        ["wikipedia", language, model]
        for language in ("", "de", "en")
        for model in ("tokenizer", "reference")
    ]
    data["tokenizer"] = {"sha256": "cd" * 32, "vocabulary": 300, "given": "<llama>.model"}
    text = cells(html(data, tmp_path))
    assert "300 pieces, given (<llama>.model)" in text and "Its fit was not measured." in text


def test_what_is_held_out_is_told_by_source(data: ReportData, tmp_path: Path) -> None:
    data["sources"]["books"]["validation"] = {"candidates": 12, "near_copies_of_training": 2}
    text = cells(html(data, tmp_path))
    assert "books 12 2 10 10 6.7 %" in text
    assert "| books | 12 | 2 | 10 | 10 |" in (tmp_path / "report.md").read_text("utf-8")
    assert table(tmp_path / "tables" / "validation.csv")[1:] == [["books", "12", "2", "10", "10"]]


def test_caps_and_warnings_of_the_plan_are_shown(data: ReportData, tmp_path: Path) -> None:
    assert "Cap" not in cells(html(data, tmp_path))
    data["mixture"][2]["max_epochs"] = 3.0
    data["mixture_warnings"] = ["budget out of reach: max_epochs allow 5 of 9 tokens"]
    text = cells(html(data, tmp_path))
    assert "Epochs Cap Share" in text and "plan: budget out of reach" in text
    lines = (tmp_path / "report.md").read_text("utf-8").splitlines()
    assert "- plan: budget out of reach: max_epochs allow 5 of 9 tokens" in lines
    assert "- books: at most 3.00 epochs" in lines
    assert [row[6:7] for row in table(tmp_path / "tables" / "mixture.csv")] == [
        ["max_epochs"],
        [""],
        [""],
        ["3.0"],
    ]


def test_histogram_draws_thresholds_and_pales_what_does_not_survive(data: ReportData, tmp_path: Path) -> None:
    data["histograms"] = {
        "language_score": {
            "edges": [0.0, 0.25, 0.5, 0.75, 1.0],
            "counts": [5, 10, 20, 65],
            "thresholds": [{"label": "minimum", "value": 0.5}],
            "kept": [0.5, None],
        }
    }
    page = html(data, tmp_path)
    assert page.count('<rect class="out"') == 2
    assert page.count('<rect class="in"') == 2
    assert "minimum 0.5</text>" in page
    assert "0.75 to 1: 65 of 100 documents (65.0 %)" in page


def test_the_reference_classifier_shows_what_each_threshold_keeps_and_its_calibration(
    data: ReportData, tmp_path: Path
) -> None:
    curve: list[ThresholdShares] = [
        {
            "threshold": i / 100,
            "kept": 1 - i / 100,
            "recall": 1 - i / 200,
            "false_positive_rate": 1 - i / 100,
            "precision": 0.75 if i < 100 else None,
        }
        for i in range(101)
    ]
    bins: list[ReliabilityBin] = [
        {"low": 0.0, "high": 0.5, "pages": 30, "mean_score": 0.25, "positive_fraction": 0.5},
        {"low": 0.5, "high": 1.0, "pages": 0, "mean_score": None, "positive_fraction": None},
    ]
    data["models"] = {
        "reference": {
            "auc": 0.8125,
            "threshold": 0.25,
            "precision": None,
            "ece": 0.125,
            "rate": 0.5,
            "curve": curve,
            "reliability": bins,
        }
    }
    page = html(data, tmp_path)
    text = Page(page).text
    assert "Reference classifier: what a threshold keeps" in text
    cells = '<td class="n">{}</td>'.format
    assert "".join(map(cells, ("0.25", "75.0 %", "87.5 %", "75.0 %", "75.0 %"))) in page
    assert "".join(map(cells, ("1.00", "0.0 %", "50.0 %", "0.0 %", "–"))) in page
    assert "threshold 0.25</text>" in page
    assert page.count('<polyline class="positive"') == page.count('<polyline class="negative"') == 1
    assert page.count('<circle class="positive"') == 1
    assert "score 0.25: 50.0 % of 30 pages are references" in page
    assert "AUC: how often a reference scores above a random page0.8125 threshold of the run0.25" in text
    calibration = "expected calibration error: mean distance of a score from the share of references"
    assert f"{calibration}0.125" in text and "learning rate0.5" in text
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert f"- {calibration}: 0.125\n" in markdown
    assert "| 0.25 | 75.0 % | 87.5 % | 75.0 % | 75.0 % |" in markdown
    assert len(table(tmp_path / "tables" / "reference_thresholds.csv")) == 102
    rows = table(tmp_path / "tables" / "reference_reliability.csv")
    assert rows[1:] == [["0.0", "0.5", "30", "0.25", "0.5"], ["0.5", "1.0", "0", "", ""]]


def test_a_curve_without_a_sample_of_the_crawl_leaves_its_line_out(data: ReportData, tmp_path: Path) -> None:
    row: ThresholdShares = {
        "threshold": 0.0,
        "kept": None,
        "recall": 1.0,
        "false_positive_rate": 1.0,
        "precision": 0.5,
    }
    data["models"] = {"reference": {"curve": [row, {**row, "threshold": 1.0}]}}
    page = html(data, tmp_path)
    assert page.count("<polyline") == 2
    cells = '<td class="n">{}</td>'.format
    assert "".join(map(cells, ("0.00", "–", "100.0 %", "100.0 %", "50.0 %"))) in page


def test_csv_cells_are_never_formulas(data: ReportData, tmp_path: Path) -> None:
    books = data["sources"]["books"]
    books["domains"] = {"=cmd|' /C calc'!A0": {"documents": 1, "bytes": 60}}
    write_report(data, tmp_path)
    rows = table(tmp_path / "tables" / "content.csv")
    assert rows[-1] == ["books", "domain", "'=cmd|' /C calc'!A0", "1", "60"]


def test_a_large_report_is_written_within_a_second(data: ReportData, tmp_path: Path) -> None:
    reasons: dict[str, Amount] = {f"reason_{i}": {"documents": 20, "bytes": 2_000} for i in range(10)}
    data["sources"]["wikipedia"]["steps"][0]["removed"] = reasons
    data["samples"] = [
        sample("words " * 1_000, id=str(n), reason=reason) for reason in reasons for n in range(40)
    ]
    write_report(data, tmp_path)
    begin = time.perf_counter()
    page = html(data, tmp_path)
    assert time.perf_counter() - begin < 1.0
    assert page.count("<blockquote") == 200
    assert page.count("words ") < 200 * 340
    assert "first 2,000 of 6,000 characters" in Page(page).text
