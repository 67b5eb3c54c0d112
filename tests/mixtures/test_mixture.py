"""Mixtures: the published table, checked shares, and the plan for a budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixtures.mixture import Mixture, llama1_table, load_mixture, parse_count, plan_mixture
from stages.document import SOURCES


def error_of(*arguments: object) -> str:
    with pytest.raises(ValueError) as error:
        load_mixture(*arguments)  # type: ignore[arg-type]
    return str(error.value)


def test_holds_the_table_of_the_paper() -> None:
    table = llama1_table()
    assert tuple(table) == SOURCES
    assert load_mixture("llama1").shares == {
        "commoncrawl": 0.67,
        "c4": 0.15,
        "github": 0.045,
        "wikipedia": 0.045,
        "books": 0.045,
        "arxiv": 0.025,
        "stackexchange": 0.02,
    }
    assert sum(row.disk for row in table.values()) == 4_749_000_000_000
    assert sum(row.reference_tokens for row in table.values()) == 1_210_000_000_000


def test_reads_shares_from_a_table_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("books: 0.25\narxiv: {share: 0.75}\n")
    expected = {"books": 0.25, "arxiv": 0.75}
    assert load_mixture("mine.yaml", tmp_path).shares == expected
    assert load_mixture(tmp_path / "mine.yaml").shares == expected
    assert load_mixture({"sources": expected}).shares == expected


def test_divides_by_the_sum_only_when_asked() -> None:
    table = {"books": 1, "arxiv": 3}
    assert error_of(table) == "mixture: the shares sum to 4: make them sum to 1, or divide each by 4"
    mixture = load_mixture(table, normalize=True)
    assert mixture.shares == {"books": 0.25, "arxiv": 0.75}
    assert mixture.message == "mixture: the shares sum to 4 and were divided by it"
    assert load_mixture({"books": 0.5, "arxiv": 0.5000005}).message == ""


def test_names_file_and_key_of_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("wikipdia: 1.0")
    assert error_of(path) == f"{path}: unknown source 'wikipdia': did you mean wikipedia?"
    path.write_text("books: -1")
    assert error_of(path) == f"{path}: books: share -1: give a positive number, or leave the source out"
    path.write_text("books: [")
    assert error_of(path).startswith(f"{path}: not YAML (")
    assert "\n" not in error_of(path)
    path.write_text("- books")
    assert error_of(path) == f"{path}: expected a table of shares, for example commoncrawl: 0.67"
    assert error_of("llama9", tmp_path).startswith("mixture llama9: neither a file nor one of llama1:")
    for wrong in (True, float("nan"), "0.5", None, 0):
        assert "give a positive number" in error_of({"books": wrong})


def test_gives_the_published_epochs_for_the_published_sizes() -> None:
    published = llama1_table()
    unique = {source: int(row.share * 1.4e12 / row.epochs) for source, row in published.items()}
    plan = plan_mixture(load_mixture("llama1"), unique, parse_count("1.4T"))
    assert [round(row.epochs or 0, 2) for row in plan.rows] == [1.10, 1.06, 0.64, 2.45, 2.23, 1.06, 1.03]
    assert [row.llama1_epochs for row in plan.rows] == [row.epochs for row in published.values()]
    assert sum(row.tokens_at_budget for row in plan.rows) == 1_400_000_000_000
    assert plan.rows[0].tokens_at_budget == 938_000_000_000
    assert (plan.absent, plan.unplanned) == ((), ())


def test_gives_the_share_of_absent_sources_to_the_others() -> None:
    mixture = Mixture({"books": 0.5, "arxiv": 0.3, "github": 0.2})
    plan = plan_mixture(mixture, {"books": 100, "arxiv": 100, "github": 0, "c4": 5}, 1001, {"books": 350})
    assert plan.absent == ("github",)
    assert plan.unplanned == ("c4",)
    assert [row.share_present for row in plan.rows] == pytest.approx([0.625, 0.375, 0.0])
    assert [row.tokens_at_budget for row in plan.rows] == [626, 375, 0]
    assert plan.rows[2].epochs is None
    assert [row.bytes_per_token for row in plan.rows] == [3.5, None, None]


def test_warns_above_four_epochs() -> None:
    mixture = Mixture({"books": 0.5, "arxiv": 0.5})
    at, above = plan_mixture(mixture, {"books": 100, "arxiv": 99}, 800).rows
    assert at.warnings == ()
    assert above.warnings == ("read 4.0 times: above 4 epochs repeated tokens teach less",)
    assert plan_mixture(mixture, {"books": 100, "arxiv": 99}, 800).as_json()[1]["warnings"] == list(
        above.warnings
    )


def test_renormalises_over_what_is_present() -> None:
    mixture = Mixture({"books": 0.5, "arxiv": 0.3, "github": 0.2})
    assert mixture.present({"arxiv": 7, "books": 9, "c4": 1, "github": 0}) == pytest.approx(
        {"arxiv": 0.375, "books": 0.625, "c4": 0.0, "github": 0.0}
    )
    with pytest.raises(ValueError, match="nothing is there of any of its sources"):
        mixture.present({"c4": 3})
    with pytest.raises(ValueError, match="tokens 0: plan for at least one"):
        plan_mixture(mixture, {"books": 1}, 0)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("1.4T", 1400000000000),
        ("20M", 20000000),
        ("3k", 3000),
        ("0.5B", 500000000),
        ("1_000", 1000),
        (7, 7),
        (0, 0),
        (2000.0, 2000),
        ("1.4e12", 1400000000000),
        (" 10 G ", 10000000000),
    ],
)
def test_reads_counts(written: object, count: int) -> None:
    assert parse_count(written) == count


@pytest.mark.parametrize(
    "written", ["", "T", "1.5", "-1", "1X", "nan", "inf", "1e999999999", "1e19", True, None, "0.0001K"]
)
def test_refuses_what_is_no_count(written: object) -> None:
    with pytest.raises(ValueError, match="is not a whole number up to"):
        parse_count(written)
