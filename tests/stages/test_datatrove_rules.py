"""datatrove's reading of the rules, against the verdicts of datatrove 0.10.1 on 947 English pages."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.datatrove_rules import datatrove_fineweb_scores, datatrove_gopher_scores, english_words
from stages.document import Document, Origin, Rejected
from stages.fineweb import KeepFineweb, MeasureFineweb
from stages.gopher import KeepGopher, MeasureGopher

# datatrove's reason -> ours
REPETITION = {
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    **{f"top_{order}_gram": f"frequent_{order}_gram" for order in (2, 3, 4)},
    **{f"duplicated_{order}_n_grams": f"duplicate_{order}_grams" for order in range(5, 11)},
}
QUALITY = {
    "gopher_short_doc": "few_words",
    "gopher_long_doc": "many_words",
    "gopher_below_avg_threshold": "short_words",
    "gopher_above_avg_threshold": "long_words",
    "gopher_too_many_hashes": "many_hashes",
    "gopher_too_many_ellipsis": "many_ellipses",
    "gopher_too_many_bullets": "many_bullet_lines",
    "gopher_too_many_end_ellipsis": "many_ellipsis_lines",
    "gopher_below_alpha_threshold": "few_alphabetic_words",
    "gopher_enough_stop_words": "few_stop_words",
}
FINEWEB = {
    "line_punct_ratio": "few_punctuated_lines",
    "short_line_ratio": "many_short_lines",
    "char_dup_ratio": "duplicate_line_characters",
    "list_ratio": "many_newlines",
}
METRICS = {  # the value behind a rule -> our score
    "dup_para_frac": "duplicate_paragraph_fraction",
    "dup_para_char_frac": "duplicate_paragraph_character_fraction",
    "dup_line_frac": "duplicate_line_fraction",
    "dup_line_char_frac": "duplicate_line_character_fraction",
    **{f"top_{order}": f"top_{order}_gram_character_fraction" for order in (2, 3, 4)},
    **{f"dup_{order}": f"duplicate_{order}_gram_character_fraction" for order in range(5, 11)},
    "non_symbol_words": "words",
    "mean_word_len": "mean_word_characters",
}
PAGES = 947


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[tuple[str, dict[str, Any]]]:
    folder = shared_data / "goldens" / "gopher"
    texts = [row["text"] for row in rows(folder / "texts.jsonl.gz")]
    return list(zip(texts, rows(folder / "datatrove.jsonl.gz"), strict=True))


def failed(outcome: Document | Rejected) -> list[str]:
    if isinstance(outcome, Document):
        return []
    return [outcome.reason, *filter(None, outcome.detail.removeprefix("also ").split(", "))]


def document(text: str, scores: dict[str, float]) -> Document:
    return Document("1", "commoncrawl", text, Origin("f"), scores=scores)


def test_fineweb_verdicts_are_datatroves(pages: list[tuple[str, dict[str, Any]]]) -> None:
    keep = KeepFineweb(max_duplicate_line_character_fraction=0.01)
    for text, golden in pages:
        scores = datatrove_fineweb_scores(text, golden["metrics"]["words"])
        reasons = failed(keep(document(text, scores)))
        assert (reasons or ["kept"])[0] == FINEWEB.get(golden["fineweb"], "kept"), golden["url"]
        assert reasons == [ours for theirs, ours in FINEWEB.items() if theirs in golden["fineweb_fails"]]
    assert len(pages) == PAGES


def test_gopher_line_and_paragraph_numbers_are_datatroves(pages: list[tuple[str, dict[str, Any]]]) -> None:
    for text, golden in pages:
        scores = datatrove_gopher_scores(text, [])
        for theirs in list(METRICS)[:4]:
            assert round(scores[f"gopher_{METRICS[theirs]}"], 6) == golden["metrics"][theirs], golden["url"]
        reasons = failed(KeepGopher()(document(text, scores)))
        fails = golden["gopher_quality_fails"] + golden["gopher_repetition_fails"]
        for theirs in [*list(REPETITION)[:4], "gopher_too_many_bullets", "gopher_too_many_end_ellipsis"]:
            assert ({**QUALITY, **REPETITION}[theirs] in reasons) == (theirs in fails), golden["url"]
    assert len(pages) == PAGES


def test_gopher_verdicts_with_spacy_words_are_datatroves(pages: list[tuple[str, dict[str, Any]]]) -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed; pip install 'llama-corpus[parity]'")
    split = english_words()
    for text, golden in pages:
        words = split(text)
        assert words is not None
        metrics = golden["metrics"]
        assert hashlib.sha1("\n".join(words).encode()).hexdigest() == metrics["words_sha1"], golden["url"]
        scores = datatrove_gopher_scores(text, words)
        for theirs, ours in METRICS.items():
            assert round(scores[f"gopher_{ours}"], 6) == metrics[theirs], (golden["url"], theirs)
        reasons = failed(KeepGopher()(document(text, scores)))
        for names, field in ((QUALITY, "gopher_quality"), (REPETITION, "gopher_repetition")):
            own = [reason for reason in reasons if reason in names.values()]
            assert own == [ours for theirs, ours in names.items() if theirs in golden[f"{field}_fails"]]
            assert (own or ["kept"])[0] == names.get(golden[field], "kept")
    assert len(pages) == PAGES


def test_an_ngram_that_occurs_once_is_frequent_to_datatrove() -> None:
    scores = datatrove_gopher_scores("ab cd ef", ["ab", "cd", "ef"])
    assert scores["gopher_top_2_gram_character_fraction"] == 5 / 8  # the first one, with its blank
    assert scores["gopher_top_4_gram_character_fraction"] == 0


def test_datatrove_compares_ngrams_as_glued_words() -> None:
    text = "a bc d e f ab c d e f"
    scores = datatrove_gopher_scores(text, text.split())
    assert scores["gopher_duplicate_5_gram_character_fraction"] == 6 / len(text)


def test_datatrove_counts_marks_as_words_and_the_not_as_a_stop_word() -> None:
    scores = datatrove_gopher_scores("The end, of.", ["The", "end", ",", "of", "."])
    assert scores["gopher_words"] == 3
    assert scores["gopher_alphabetic_word_fraction"] == 3 / 5
    assert scores["gopher_stop_words"] == 1


def test_datatrove_strips_the_text_before_it_splits_paragraphs_but_not_lines() -> None:
    scores = datatrove_gopher_scores("\n\na\n\na\n", [])
    assert scores["gopher_duplicate_paragraph_fraction"] == 1 / 2
    assert scores["gopher_duplicate_line_fraction"] == 2 / 4  # the last of "", "a", "a", "" is a copy too


def test_a_text_without_words_divides_by_nothing() -> None:
    assert set(datatrove_gopher_scores("", []).values()) == {0}
    assert set(datatrove_fineweb_scores("", 0).values()) == {0}


@pytest.mark.parametrize("stage", [MeasureGopher("datatrove"), MeasureFineweb("datatrove")])
def test_without_spacy_the_profile_says_what_to_install(
    stage: MeasureGopher | MeasureFineweb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ValueError, match=r"^profile datatrove takes .* pip install 'llama-corpus\[parity\]'"):
        stage.prepare()


@pytest.mark.parametrize("stage", [MeasureGopher("datatrove"), MeasureFineweb("datatrove")])
def test_the_profile_takes_the_words_of_spacy_and_no_endless_one(
    stage: MeasureGopher | MeasureFineweb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokenizer(text: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(text=token) for token in text.replace(",", " , ").split(" ")]

    english = SimpleNamespace(tokenizer=tokenizer, memory_zone=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(blank=lambda language: english))
    measure = stage.prepare()
    outcome = measure(document("a, \t b\nc", {}))
    assert isinstance(outcome, Document)
    assert outcome.scores.get("gopher_words", 2) == 2  # "a" and "b\nc"; "," is no word
    assert outcome.scores.get("fineweb_newlines_per_word", 1 / 3) == pytest.approx(1 / 3)
    assert isinstance(measure(document("(" * 1_000, {})), Document)
    outcome = measure(document("(" * 1_001, {}))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "word_too_long"
