"""Mixtures: the tables that ship, and checked shares, weights, epochs and caps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mixtures.mixture import SOURCES, Mixture, load_mixture, parse_count, plan_mixture
from mixtures.published import llama1_table
from stages import document


def error_of(*arguments: object) -> str:
    with pytest.raises(ValueError) as error:
        load_mixture(*arguments)  # type: ignore[arg-type]
    return str(error.value)


def test_ships_the_table_of_the_paper() -> None:
    assert load_mixture("llama1").shares == {
        "commoncrawl": 0.67,
        "c4": 0.15,
        "github": 0.045,
        "wikipedia": 0.045,
        "books": 0.045,
        "arxiv": 0.025,
        "stackexchange": 0.02,
    }
    assert load_mixture("llama1").shares == {source: row.share for source, row in llama1_table().items()}


@pytest.mark.parametrize("name", ["llama1", "redpajama", "slimpajama"])
def test_ships_mixtures_of_all_seven_sources(name: str) -> None:
    mixture = load_mixture(name)
    assert mixture.sources == tuple(llama1_table())
    assert sum(mixture.shares.values()) == pytest.approx(1)


def test_knows_the_sources_that_the_pipeline_reads() -> None:
    assert SOURCES == document.SOURCES


def test_ships_the_open_reproductions_as_they_are() -> None:
    reproduction = load_mixture("redpajama").shares
    assert reproduction["commoncrawl"] == pytest.approx(0.7256, abs=1e-4)
    assert reproduction["stackexchange"] == pytest.approx(0.0165, abs=1e-4)
    assert load_mixture("slimpajama").shares["c4"] == pytest.approx(0.267)


def test_reads_shares_weights_and_epochs_from_a_table_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("weights: {books: 1, arxiv: 3}\nmax_epochs: {arxiv: 2}\n")
    expected = Mixture({"books": 1.0, "arxiv": 3.0}, "weights", {"arxiv": 2.0})
    assert load_mixture("mine.yaml", tmp_path) == load_mixture(tmp_path / "mine.yaml") == expected
    assert load_mixture({"weights": {"books": 1, "arxiv": 3}, "max_epochs": {"arxiv": 2}}) == expected
    bare = load_mixture({"books": 0.25, "arxiv": 0.75})
    assert bare == load_mixture({"shares": {"books": 0.25, "arxiv": 0.75}})
    assert bare.shares == load_mixture({"weights": {"books": 1, "arxiv": 3}}).shares
    assert load_mixture({"books": 1, "max_epochs": 3}).max_epochs == {"books": 3.0}
    assert load_mixture({"epochs": {"books": 2.5}}) == Mixture({"books": 2.5}, "epochs")


@pytest.mark.parametrize(
    "table",
    [
        {"books": 0.25, "arxiv": 0.75},
        {"shares": {"books": 1.0}, "max_epochs": {"books": 2.0}},
        {"weights": {"books": 7.0, "c4": 2.0}},
        {"epochs": {"books": 2.0}, "max_epochs": {"books": 3.0}},
    ],
)
def test_writes_the_table_that_it_reads(table: dict[str, object]) -> None:
    assert load_mixture(table).as_table() == table


def test_refuses_shares_of_another_sum() -> None:
    assert error_of({"books": 1, "arxiv": 3}) == (
        "mixture: the shares sum to 4: make them sum to 1, or write them as weights: {...}"
    )
    assert load_mixture({"books": 0.5, "arxiv": 0.5000005}).kind == "shares"


def test_names_file_and_key_of_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("wikipdia: 1.0")
    assert error_of(path) == f"{path}: unknown source 'wikipdia': did you mean wikipedia?"
    path.write_text("books: -1")
    assert error_of(path) == f"{path}: books: shares -1: give a positive number, or leave it out"
    path.write_text("books: [")
    assert error_of(path).startswith(f"{path}: not YAML (")
    assert "\n" not in error_of(path)
    path.write_text("- books")
    assert error_of(path) == (
        f"{path}: expected a table, for example shares: {{commoncrawl: 0.67, books: 0.33}}"
    )
    path.write_text("weights: {books: 1}\nmax_epoch: 4")
    assert error_of(path) == f"{path}: unknown key 'max_epoch': did you mean max_epochs?"
    path.write_text("weights: {books: 1}\nbooks: 4")
    assert error_of(path) == f"{path}: unknown key 'books': only weights and max_epochs may stand here"
    path.write_text("weights: {books: 1}\nepochs: {arxiv: 4}")
    assert error_of(path) == f"{path}: weights and epochs: give one of them for all sources"
    path.write_text("weights: {books: 1}\nmax_epochs: {arxiv: 4}")
    assert error_of(path) == (f"{path}: max_epochs: arxiv has no share: give it one, or leave the cap out")
    path.write_text("weights: {}")
    assert error_of(path).startswith(f"{path}: weights: expected a table")
    assert error_of("llama9", tmp_path) == (
        "mixture llama9: neither a file nor one of llama1, redpajama, slimpajama: correct the name or the path"
    )
    for wrong in (True, float("nan"), float("inf"), 1e300, "0.5", None, 0):
        assert "give a positive number" in error_of({"books": wrong})
        if wrong is not None:
            assert "max_epochs" in error_of({"books": 1, "max_epochs": wrong})


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("books: 0.5\nc4: 0.5\nbooks: 0.1\n")
    found = error_of(path)
    assert found.startswith(f"{path}: not YAML (the key 'books' stands twice") and found.endswith(
        "): correct it"
    )
    assert "line 3" in found and "\n" not in found


# Four levels of 30 aliases: a value whose text is a thousand times as long as the file.
BOMB = "[&a [" + "y, " * 30 + "], &b [" + "*a, " * 30 + "], &c [" + "*b, " * 30 + "], [" + "*c, " * 30 + "]]"


@pytest.mark.parametrize(
    "table",
    ["books: BOMB", "weights: BOMB", "weights: {books: BOMB}", "books: 1\nmax_epochs: BOMB", "BOMB: 1"],
)
def test_nested_aliases_are_refused_in_a_short_line(tmp_path: Path, table: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(table.replace("BOMB", BOMB))
    assert error_of(path).startswith(f"{path}: ") and len(error_of(path)) < len(str(path)) + 500


def test_only_numbers_and_texts_are_counts() -> None:
    for wrong in (yaml.safe_load(BOMB), 10**60_000, "1" * 10**6, {"tokens": 1}):
        with pytest.raises(ValueError, match="is not a whole number up to") as error:
            parse_count(wrong)
        assert len(str(error.value)) < 500


def test_a_number_of_thousands_of_digits_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("books: " + "9" * 60_000)
    assert error_of(path).startswith(f"{path}: not YAML (Exceeds the limit")
    path.write_text("books: 0x" + "9" * 60_000)
    assert error_of(path) == (
        f"{path}: books: shares a number of thousands of digits: give a positive number, or leave it out"
    )


def test_renormalises_over_what_is_present() -> None:
    mixture = Mixture({"books": 0.5, "arxiv": 0.3, "github": 0.2})
    assert mixture.present({"arxiv": 7, "books": 9, "c4": 1, "github": 0}) == pytest.approx(
        {"arxiv": 0.375, "books": 0.625, "c4": 0.0, "github": 0.0}
    )
    with pytest.raises(ValueError, match="nothing is there of any of its sources"):
        mixture.present({"c4": 3})


def test_shares_follow_from_epochs_and_sizes() -> None:
    mixture = Mixture({"books": 3.0, "arxiv": 1.0}, "epochs")
    assert mixture.present({"books": 100, "arxiv": 300, "c4": 5}) == {"books": 0.5, "arxiv": 0.5, "c4": 0.0}
    assert mixture.present({"books": 100, "arxiv": 0}) == {"books": 1.0, "arxiv": 0.0}


def test_has_no_shares_without_data_when_they_follow_from_it() -> None:
    for mixture, named in (
        (Mixture({"books": 3.0}, "epochs"), "epochs"),
        (Mixture({"books": 1.0}, "shares", {"books": 4.0}), "max_epochs"),
    ):
        with pytest.raises(ValueError, match=f"^mixture: with {named} its shares follow from the tokens"):
            _ = mixture.shares


def test_reads_each_source_as_often_as_its_epochs_say_when_the_budget_is_theirs() -> None:
    mixture = Mixture({"books": 2.0, "arxiv": 0.5}, "epochs")
    plan = plan_mixture(mixture, {"books": 100, "arxiv": 400}, 400)
    assert [row.epochs for row in plan.rows] == [2.0, 0.5]
    assert plan.shares == {"books": 0.5, "arxiv": 0.5}
    assert plan.warnings == ()


def test_warns_when_the_budget_is_not_that_of_the_epochs() -> None:
    mixture = Mixture({"books": 2.0, "arxiv": 0.5}, "epochs")
    plan = plan_mixture(mixture, {"books": 100, "arxiv": 400}, 600)
    assert [row.epochs for row in plan.rows] == [3.0, 0.75]
    assert plan.warnings == ("the epochs make 400 tokens: the budget of 600 reads 1.5 times as often",)


def test_plans_epochs_without_a_source_that_is_not_there() -> None:
    mixture = Mixture({"books": 2.0, "arxiv": 0.5}, "epochs")
    books, arxiv = plan_mixture(mixture, {"books": 100}, 200).rows
    assert (books.epochs, books.warnings) == (2.0, ())
    assert (arxiv.epochs, arxiv.warnings) == (None, ("not there",))
    with pytest.raises(ValueError, match="nothing is there of any of its sources"):
        plan_mixture(mixture, {}, 200)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("1.4T", 1400000000000),
        ("1.0T", 1000000000000),
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
