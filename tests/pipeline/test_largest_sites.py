from __future__ import annotations

import json
from pathlib import Path

import py7zr
import pytest

from pipeline import files
from pipeline.duplicates import DropFiles
from pipeline.largest_sites import KeepLargestSites, RankSites, rank_sites
from pipeline.recipes import RECIPES
from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, parse_settings
from stages.document import Document, Origin, Rejected

SITES = {
    "a.example.com": (3, 0),
    "b.example.com": (1, 2),
    "meta.example.com": (2, 4),
    "c.example.com": (1, 1),
}


def document(site: str, number: int, answers: int = 0) -> Document:
    scores = {"answer_count": float(answers)}
    return Document(
        f"{site}:{number}", "stackexchange", "t", Origin("f"), scores=scores, metadata={"site": site}
    )


def ranked(
    folder: Path, rule: KeepLargestSites, parts: list[list[Document]]
) -> tuple[list[str], dict[str, object]]:
    """What is left of the documents of all parts, and the statistics of the search."""
    keys = []
    for number, documents in enumerate(parts):
        collector = rule.collector()
        for one in documents:
            collector.add(one)
        keys.append(f"{number}.json")
        with files.create(str(folder / keys[-1])) as stream:
            collector.write(stream)
    result = rank_sites(str(folder), RankSites(rule, tuple(keys), "verdict.json"))
    left = []
    for number, documents in enumerate(parts):
        keep = rule.transform(str(folder), DropFiles(rule, ("verdict.json",), number))
        left += [one.id for one in documents if isinstance(keep(one), Document)]
    return left, result.statistics


def parts_of_sites() -> list[list[Document]]:
    """One part a site: (questions, answers to the first)."""
    return [
        [document(site, number, answers if number == 0 else 0) for number in range(questions)]
        for site, (questions, answers) in SITES.items()
    ]


def test_sites_are_ranked_by_questions_and_answers_and_equal_ones_by_name(tmp_path: Path) -> None:
    left, statistics = ranked(tmp_path, KeepLargestSites(count=2), parts_of_sites())
    assert left == [
        "a.example.com:0",
        "a.example.com:1",
        "a.example.com:2",
        "meta.example.com:0",
        "meta.example.com:1",
    ]
    assert statistics == {
        "units": 4,
        "dropped": 2,
        "sites_kept": {"meta.example.com": 6, "a.example.com": 3},
        "sites_left_out": {"b.example.com": 3, "c.example.com": 2},
    }


def test_meta_sites_can_be_left_out(tmp_path: Path) -> None:
    _, statistics = ranked(tmp_path, KeepLargestSites(count=2, meta_sites=False), parts_of_sites())
    assert statistics["sites_kept"] == {"a.example.com": 3, "b.example.com": 3}


def test_a_site_in_two_files_is_one_site(tmp_path: Path) -> None:
    parts = [[document("c.example.com", 9, 9)], *parts_of_sites()]
    _, statistics = ranked(tmp_path, KeepLargestSites(count=1), parts)
    assert statistics["sites_kept"] == {"c.example.com": 12}


def test_sites_can_be_named(tmp_path: Path) -> None:
    left, _ = ranked(tmp_path, KeepLargestSites(count=1, sites=("c.example.com",)), parts_of_sites())
    assert left == ["c.example.com:0"]
    with pytest.raises(ValueError, match=r"keep_largest_sites\.sites: d\.example\.com has no document"):
        ranked(tmp_path, KeepLargestSites(sites=("d.example.com", "c.example.com")), parts_of_sites())


def test_a_removed_document_says_the_place_of_its_site(tmp_path: Path) -> None:
    rule = KeepLargestSites(count=1)
    ranked(tmp_path, rule, parts_of_sites())
    removed = rule.transform(str(tmp_path), DropFiles(rule, ("verdict.json",), 0))(
        document("b.example.com", 1)
    )
    assert isinstance(removed, Rejected)
    assert (removed.reason, removed.score) == ("site_not_among_largest", 3.0)
    assert removed.detail == "b.example.com is number 3 by posts"


@pytest.mark.parametrize("wrong", [{"count": 0}, {"sites": ()}, {"window_files": 3}])
def test_refuses_what_would_keep_nothing(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        KeepLargestSites(**wrong)  # type: ignore[arg-type]


def test_both_recipes_keep_28_sites() -> None:
    for recipe in RECIPES.values():
        rules = [step for step in recipe["stackexchange"].steps if isinstance(step, KeepLargestSites)]
        assert [rule.count for rule in rules] == [28]


def dump(folder: Path, site: str, questions: int) -> None:
    rows = "".join(
        f'  <row Id="{n}" PostTypeId="1" CreationDate="2015-01-01T00:00:00.000" Score="1" Title="The {n}. question of '
        f'{site}" Body="&lt;p&gt;{" ".join(f"word{n}x{i}" for i in range(60))}&lt;/p&gt;" />\n'
        for n in range(1, questions + 1)
    )
    with py7zr.SevenZipFile(folder / f"{site}.7z", "w") as archive:
        archive.writestr(
            f'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n{rows}</posts>'.encode(), "Posts.xml"
        )


def test_a_run_says_which_sites_it_left_out(tmp_path: Path) -> None:
    for site, questions in (("big.example.com", 40), ("small.example.com", 20), ("tiny.example.com", 10)):
        dump(tmp_path, site, questions)
    raw = {
        "sources": {"stackexchange": {"inputs": ["*.7z"], "steps": {"keep_largest_sites": {"count": 2}}}},
        "models": {"lm": "none", "reference": "none"},
        "tokenizer": {"vocabulary": 300},
        "mixture": {"stackexchange": 1.0},
        "shards": {"validation_fraction": 0.1},
    }
    run = tmp_path / "run"
    manifest = run_pipeline(parse_settings(raw, str(tmp_path), "test.yaml"), str(run), Options(1, quiet=True))
    assert manifest is not None
    account = manifest["sources"]["stackexchange"]
    assert account["documents"] == 60
    assert account["duplicates"]["keep_largest_sites"]["sites_kept"] == {
        "big.example.com": 40,
        "small.example.com": 20,
    }
    assert account["duplicates"]["keep_largest_sites"]["sites_left_out"] == {"tiny.example.com": 10}
    lines = (run / "accounts" / "stackexchange.jsonl").read_text().splitlines()
    by_name = {line["name"]: line["removed"] for line in map(json.loads, lines)}
    assert by_name == {
        "big.example.com.7z": {},
        "small.example.com.7z": {},
        "tiny.example.com.7z": {"keep_largest_sites": {"site_not_among_largest": 10}},
    }
    with open(run / "config.yaml", encoding="utf-8") as config:
        assert "keep_largest_sites:" in config.read()


def test_settings_name_sites(tmp_path: Path) -> None:
    raw = {
        "sources": {"stackexchange": {"inputs": ["x"], "steps": {"keep_largest_sites": {"sites": "math"}}}}
    }
    with pytest.raises(UsageError, match="expected a list of texts"):
        run_pipeline(parse_settings(raw, str(tmp_path), "t.yaml"), str(tmp_path / "run"), Options(1))
