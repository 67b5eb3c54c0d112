"""Planted items of benchmarks: which documents are flagged, which dropped, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.benchmark_items import BenchmarkText, write_text
from stages.decontamination import (
    MAX_PASSAGE_CHARACTERS,
    MAX_PASSAGES,
    SCORE,
    Decontaminate,
    Hit,
    known_texts,
    read_hits,
)
from stages.document import Document, Origin, Rejected
from stages.score_limits import as_float32
from stages.stage import Outcome

QUESTION = "A robe takes two bolts of blue fiber and half that much white fiber. How many bolts in total?"  # 19 words
ANSWER = "It takes one bolt of white fiber, so three bolts of fiber."
PASSAGE = (
    "Iron is a chemical element with symbol Fe and atomic number twenty six, a metal of the first series."
)
TEXTS = [
    BenchmarkText("robes", 1, "question", QUESTION),
    BenchmarkText("robes", 1, "answer", ANSWER, QUESTION),
    BenchmarkText("iron", 4, "passage", PASSAGE),
    BenchmarkText("iron", 4, "question", "is iron a metal"),
    BenchmarkText("fog", 2, "question", "There is most likely going to be fog around:"),
    BenchmarkText("fog", 2, "choice 1", "a marsh", "There is most likely going to be fog around:"),
]


def check(
    tmp_path: Path, text: str, step: Decontaminate | None = None, texts: list[BenchmarkText] = TEXTS
) -> Outcome:
    path = tmp_path / "benchmarks.jsonl"
    path.write_bytes(b"".join(map(write_text, texts)))
    step = step or Decontaminate()
    ready = Decontaminate(step.mode, step.max_covered_fraction, str(path)).prepare()
    return ready(Document("d", "c4", text, Origin("f"), metadata={"domain": "x.org"}, scores={"a": 1.0}))


def hits(outcome: Outcome) -> list[Hit]:
    document = outcome.document if isinstance(outcome, Rejected) else outcome
    return read_hits(document.metadata[SCORE])


def test_a_document_without_an_item_passes_as_it_is(tmp_path: Path) -> None:
    outcome = check(tmp_path, "Nothing of it. " * 20)
    assert isinstance(outcome, Document)
    assert (outcome.scores, outcome.metadata) == ({"a": 1.0}, {"domain": "x.org"})


def test_the_passage_is_told_where_accents_are_characters_of_their_own(tmp_path: Path) -> None:
    (hit,) = hits(check(tmp_path, "Cafe\u0301 de\u0301ja\u0300. " * 9 + QUESTION))
    assert (hit.part, hit.covered, hit.passage) == ("question", 1.0, QUESTION.removesuffix("?"))


def test_a_document_with_a_question_is_dropped_with_both_places(tmp_path: Path) -> None:
    outcome = check(tmp_path, f"Homework!\n\n{QUESTION.upper()}\n")
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.score) == ("benchmark_overlap", 1.0)
    assert read_hits(outcome.detail) == [Hit("robes", 1, "question", 1.0, QUESTION.upper().rstrip("?"))]


def test_flag_keeps_it_with_score_and_hits(tmp_path: Path) -> None:
    outcome = check(tmp_path, QUESTION, Decontaminate(mode="flag"))
    assert isinstance(outcome, Document)
    assert outcome.scores == {"a": 1.0, "benchmark_overlap": 1.0}
    assert outcome.metadata["domain"] == "x.org"
    assert hits(outcome)[0].item == 1


def test_part_of_a_question_is_flagged_up_to_the_limit(tmp_path: Path) -> None:
    part = " ".join(QUESTION.split()[:13])  # 13 of 19 words, 0.684
    assert check(tmp_path, part, Decontaminate(max_covered_fraction=0.69)).__class__ is Document
    dropped = check(tmp_path, part, Decontaminate(max_covered_fraction=0.68))
    assert isinstance(dropped, Rejected)
    assert dropped.score == pytest.approx(13 / 19, abs=5e-4)
    twelve = check(tmp_path, " ".join(QUESTION.split()[:12]))
    assert isinstance(twelve, Document)
    assert SCORE not in twelve.scores


def test_a_score_that_is_the_limit_passes_as_it_is_stored(tmp_path: Path) -> None:
    part = " ".join(QUESTION.split()[:13])
    outcome = check(tmp_path, part, Decontaminate(max_covered_fraction=0.684))
    assert isinstance(outcome, Document)
    assert outcome.scores[SCORE] == as_float32(0.684) != 0.684


def test_an_answer_is_found_without_most_of_its_question(tmp_path: Path) -> None:
    outcome = check(tmp_path, f"... in total? {ANSWER}")
    assert [(hit.part, hit.passage) for hit in hits(outcome)] == [
        ("answer", f"in total? {ANSWER}".rstrip("."))
    ]


def test_a_passage_is_told_and_does_not_count(tmp_path: Path) -> None:
    outcome = check(tmp_path, PASSAGE, Decontaminate(max_covered_fraction=0))
    assert isinstance(outcome, Document)
    assert outcome.scores["benchmark_overlap"] == 0.0
    assert [(hit.benchmark, hit.part, hit.covered) for hit in hits(outcome)] == [("iron", "passage", 1.0)]


def test_a_short_question_counts_with_its_answer_only(tmp_path: Path) -> None:
    assert check(tmp_path, "There is most likely going to be fog around here.").__class__ is Document
    outcome = check(tmp_path, "there is most likely going to be fog around a marsh")
    assert isinstance(outcome, Rejected)
    assert [(hit.benchmark, hit.part) for hit in hits(outcome)] == [("fog", "choice 1")]


def test_the_texts_that_are_searched_for() -> None:
    searched = [
        (text.benchmark, text.part) for text, k in zip(TEXTS, known_texts(TEXTS), strict=True) if k.searched
    ]
    assert searched == [("robes", "question"), ("robes", "answer"), ("iron", "passage"), ("fog", "choice 1")]
    assert list(known_texts(TEXTS)[1].words[:13]) == [
        *[
            "fiber",
            "and",
            "half",
            "that",
            "much",
            "white",
            "fiber",
            "how",
            "many",
            "bolts",
            "in",
            "total",
            "it",
        ]
    ]


def test_a_whole_benchmark_in_one_document_is_told_in_bounds(tmp_path: Path) -> None:
    texts = [
        BenchmarkText("many", n, "question", " ".join(f"{n}-{i}{'x' * 40}" for i in range(13)))
        for n in range(1, 151)
    ]
    found = hits(check(tmp_path, "\n".join(text.text for text in texts), texts=texts))
    assert [hit.item for hit in found] == list(range(1, 151))
    assert [len(hit.passage) for hit in found] == [MAX_PASSAGE_CHARACTERS] * MAX_PASSAGES + [0] * 50


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_limit_that_is_no_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"max_covered_fraction must be in 0..1"):
        Decontaminate(max_covered_fraction=fraction)


def test_benchmarks_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone.jsonl: no texts of benchmarks"):
        Decontaminate(benchmarks=str(tmp_path / "gone.jsonl")).prepare()
