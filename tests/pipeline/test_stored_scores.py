"""What a stored score says of a threshold, held against the step itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.settings import UsageError
from pipeline.stored_scores import THRESHOLDS, refuse_looser, stored_verdict, with_probability
from stages.c4_language import KeepC4English
from stages.decontamination import Decontaminate
from stages.document import Document, Origin, Rejected
from stages.fineweb import KeepFineweb
from stages.gopher import KeepGopher
from stages.language import KeepLanguage
from stages.length import KeepLength
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences
from stages.score_limits import as_float32


def document(text: str = "", **scores: float) -> Document:
    return Document("a", "commoncrawl", text, Origin("f"), scores=scores)


def reason(outcome: Any) -> str | None:
    return outcome.reason if isinstance(outcome, Rejected) else None


def test_the_side_of_a_threshold_is_that_of_the_exact_score() -> None:
    """200,000 scores as classifiers give them, stored in 32 bits, against thresholds near and on them."""
    generator = np.random.default_rng(7)
    undecided = 0
    for exact in generator.random(2000).tolist():
        near = exact + generator.normal(0, 3e-8, 98)
        for limit in [exact, as_float32(exact), *near.clip(0, 1).tolist()]:
            step = KeepReferences(min_probability=limit)
            verdict = stored_verdict(step, document(reference=as_float32(exact)))
            if verdict is None:
                undecided += 1
                continue
            assert isinstance(verdict, Rejected) == (exact < limit), (exact, limit)
    assert 10_000 < undecided < 150_000


def test_references_and_c4_languages_are_rejected_for_their_own_reasons() -> None:
    assert reason(stored_verdict(KeepReferences(min_probability=0.5), document(reference=0.4))) == (
        "not_reference_like"
    )
    page = replace(document(), language="en", language_score=as_float32(0.991))
    assert reason(stored_verdict(KeepC4English(min_probability=0.995), page)) == "language_score_too_low"
    assert stored_verdict(KeepC4English(min_probability=0.99), page) is page
    assert stored_verdict(KeepC4English(min_probability=0.991), page) is None


def test_a_language_score_is_compared_with_its_two_decimals() -> None:
    page = replace(document(), language="de", language_score=as_float32(0.65))
    keep = KeepLanguage(languages=None, min_score=0.65)
    assert stored_verdict(keep, page) is page
    assert reason(stored_verdict(replace(keep, min_score=0.651), page)) == "language_score_too_low"
    assert reason(stored_verdict(replace(keep, languages=("en",)), page)) == "language_not_wanted"


def test_perplexity_is_known_by_its_bucket() -> None:
    page = document(perplexity=900.0).with_metadata(bucket="middle")
    keep = KeepPerplexity(models="", keep=("head",))
    assert reason(stored_verdict(keep, page)) == "perplexity_middle"
    assert stored_verdict(replace(keep, keep=("middle",)), page) is page
    whole = document().with_metadata(bucket="all")
    assert stored_verdict(keep, whole) is whole


def test_lengths_and_quality_rules_give_their_own_verdict() -> None:
    assert reason(stored_verdict(KeepLength(min_characters=3), document("ab"))) == "too_short"
    scores = {f"fineweb_{name[4:]}": 0.2 for name in THRESHOLDS[KeepFineweb]}
    page = replace(document(), scores=scores)
    assert reason(stored_verdict(KeepFineweb(), page)) == "duplicate_line_characters"
    assert stored_verdict(KeepFineweb(max_duplicate_line_character_fraction=0.2), page) is page
    with pytest.raises(ValueError, match="has no score gopher_words"):
        stored_verdict(KeepGopher(), page)


def test_an_overlap_with_benchmarks_is_a_stored_score_too() -> None:
    page = document(benchmark_overlap=as_float32(0.3)).with_metadata(benchmark_overlap="[]")
    assert reason(stored_verdict(Decontaminate(max_covered_fraction=0.2), page)) == "benchmark_overlap"
    assert stored_verdict(Decontaminate(max_covered_fraction=0.4), page) is page
    assert stored_verdict(Decontaminate(max_covered_fraction=0.3), page) is None
    assert stored_verdict(Decontaminate(mode="flag", max_covered_fraction=0.2), page) is page
    assert isinstance(stored_verdict(Decontaminate(max_covered_fraction=0.0), document()), Document)


@pytest.mark.parametrize(
    ("old", "changes"),
    [
        (KeepReferences(), {"min_probability": 0.24}),
        (KeepLength(max_characters=10_000), {"max_characters": None}),
        (KeepLength(max_characters=10_000), {"max_characters": 10_001}),
        (KeepLanguage(languages=("en",)), {"languages": None}),
        (KeepLanguage(languages=("en",)), {"languages": ("en", "de")}),
        (KeepPerplexity(models=""), {"keep": ("head", "tail")}),
        (KeepGopher(), {"max_hashes_per_word": 0.2}),
        (Decontaminate(), {"max_covered_fraction": 0.6}),
    ],
)
def test_a_looser_threshold_is_refused(old: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="that is not in documents/; run again"):
        refuse_looser(old, replace(old, **changes), "here", "run again")


def test_a_tighter_threshold_is_not() -> None:
    refuse_looser(KeepLength(), KeepLength(301, 10_000), "here", "")
    refuse_looser(KeepLanguage(None), KeepLanguage(("en",), 0.9), "here", "")
    refuse_looser(KeepPerplexity(models=""), KeepPerplexity(models="", keep=("middle",)), "here", "")


def test_a_share_to_keep_is_compared_by_the_probability_that_it_means() -> None:
    report = {"thresholds_by_kept_fraction": [0.9, 0.5, 0.3, 0.1]}
    step = with_probability(KeepReferences(keep_fraction=0.5), report)
    assert step == KeepReferences(min_probability=0.5)
    assert with_probability(KeepReferences(), report) == KeepReferences()
