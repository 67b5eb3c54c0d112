"""The gates of the report: what needs a look, and the figures that decided."""

from __future__ import annotations

from typing import Any

from pipeline.loss_floors import FLOORS, MIN_DOCUMENTS, loss_gate
from pipeline.report_gates import gates


def meter(**quantities: tuple[int, int, int]) -> dict[str, Any]:
    """The loss meter of a source: quantity -> documents, raw, kept."""
    total = {q: {"documents": d, "raw": r, "kept": k} for q, (d, r, k) in quantities.items()}
    return {"loss": {"total": total, "languages": {}, "most_lost": []}}


def test_a_share_under_its_floor_needs_a_look_and_says_which() -> None:
    gate = loss_gate(
        {
            "wikipedia": meter(characters=(100, 1_000, 500), formulas=(40, 100, 40)),
            "stackexchange": meter(code_characters=(50, 1_000, 899)),
        }
    )
    assert gate == {
        "name": "Parsers",
        "state": "amber",
        "detail": "wikipedia keeps 40.0 % of its formulas, under 90.0 %; "
        "stackexchange keeps 89.9 % of its code characters, under 90.0 %",
    }


def test_shares_at_their_floors_hold() -> None:
    gate = loss_gate({"books": meter(characters=(30, 1_000, 800)), "arxiv": meter(formulas=(30, 100, 75))})
    assert gate == {
        "name": "Parsers",
        "state": "green",
        "detail": "of the sources with 30 documents to judge by (books, arxiv) "
        "no share of raw text is under its floor",
    }


def test_a_few_documents_are_not_judged() -> None:
    assert loss_gate({"books": meter(characters=(MIN_DOCUMENTS - 1, 1_000, 1))}) is None
    assert loss_gate({"c4": meter(), "commoncrawl": {}}) is None


def test_floors_are_shares() -> None:
    assert all(0 < floor <= 0.9 for floors in FLOORS.values() for floor in floors.values())


def account(documents: int, damaged: int, **more: Any) -> dict[str, Any]:
    removed = {"damaged_record": {"documents": damaged, "bytes": 0}} if damaged else {}
    step = {"step": "read", "documents_in": documents + damaged, "removed": removed}
    return {"steps": [step], "tokens": {"train": 9, "validation": 1}, **more}


def sample(wanted: int, found: int) -> dict[str, int]:
    """What was wanted and found of a source for the tokenizer's sample, in bytes."""
    return {"wanted_bytes": wanted, "bytes": found, "documents": 1}


def tokenizer_gate(**sources: dict[str, int]) -> Any:
    manifest = {"sources": {}, "mixture": [], "models": {}, "tokenizer": {"sample": {"sources": sources}}}
    (gate,) = [gate for gate in gates(manifest) if gate["name"] == "Tokenizer"]
    return gate


def test_a_source_with_more_than_twice_its_share_of_the_tokenizers_sample_needs_a_look() -> None:
    gate = tokenizer_gate(books=sample(955, 5), github=sample(45, 45), arxiv=sample(0, 0))
    assert gate == {
        "name": "Tokenizer",
        "state": "amber",
        "detail": "github is 90.0 % of its sample and 4.5 % of the mixture; "
        "set tokenizer.sample_bytes to what every source can fill",
    }


def test_a_source_with_twice_its_share_of_the_tokenizers_sample_holds() -> None:
    assert tokenizer_gate(books=sample(75, 25), github=sample(25, 25))["state"] == "green"


def test_a_given_tokenizer_has_no_sample_to_judge() -> None:
    manifest: dict[str, Any] = {"sources": {}, "mixture": [], "models": {}, "tokenizer": {"given": "a.model"}}
    assert "Tokenizer" not in [gate["name"] for gate in gates(manifest)]


def test_a_run_has_its_gates_in_order() -> None:
    manifest = {
        "sources": {"books": account(999, 2, **meter(characters=(900, 1_000, 100)))},
        "mixture": [{"source": "books", "epochs": 4.1}],
        "models": {},
        "tokenizer": {"sample": {"sources": {"books": sample(10, 10)}}},
    }
    assert [(gate["name"], gate["state"]) for gate in gates(manifest)] == [
        ("Accounts", "green"),
        ("Sources", "amber"),
        ("Repetition", "amber"),
        ("Damaged records", "amber"),
        ("Validation", "green"),
        ("Tokenizer", "green"),
        ("Parsers", "amber"),
    ]


def test_one_damaged_record_in_a_thousand_holds() -> None:
    manifest: dict[str, Any] = {
        "sources": {"books": account(999, 1)}, "mixture": [], "models": {}, "tokenizer": {"given": "a.model"}
    }  # fmt: skip
    (damage,) = [gate for gate in gates(manifest) if gate["name"] == "Damaged records"]
    assert damage["state"] == "green" and damage["detail"] == "1 of 1,000 records set aside as damaged"
