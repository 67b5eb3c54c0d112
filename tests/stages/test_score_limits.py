from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from stages.document import Document, Origin, Rejected, from_batch, to_batch
from stages.score_limits import as_float32, check_limits, keep_within_limits

REASONS = {"min_words": "few_words", "max_noise_fraction": "much_noise", "max_words": "many_words"}


@dataclass(frozen=True)
class KeepQuiet:
    min_words: int = 2
    max_words: int = 3
    max_noise_fraction: float = 0.3


def document(**scores: float) -> Document:
    return Document("1", "commoncrawl", "", Origin("f"), scores={f"t_{k}": v for k, v in scores.items()})


@pytest.mark.parametrize(("words", "noise"), [(2, 0.0), (3, 0.3)])
def test_keeps_scores_that_equal_a_limit(words: float, noise: float) -> None:
    given = document(words=words, noise_fraction=noise)
    assert keep_within_limits(given, KeepQuiet(), REASONS, "t") is given


def test_rejects_for_the_first_rule_and_names_the_others() -> None:
    given = document(words=4, noise_fraction=0.5)
    assert keep_within_limits(given, KeepQuiet(), REASONS, "t") == Rejected(
        given, "much_noise", 0.5, "also many_words"
    )
    given = document(words=1, noise_fraction=0)
    assert keep_within_limits(given, KeepQuiet(), REASONS, "t") == Rejected(given, "few_words", 1.0, "")


def test_a_stored_document_gets_the_verdict_of_the_one_in_memory() -> None:
    given = document(words=2, noise_fraction=0.3)
    (stored,) = from_batch(to_batch([given]))
    assert stored.scores["t_noise_fraction"] == as_float32(0.3) > 0.3
    assert isinstance(keep_within_limits(stored, KeepQuiet(), REASONS, "t"), Document)
    above = document(words=2, noise_fraction=0.3000001)
    assert isinstance(keep_within_limits(above, KeepQuiet(), REASONS, "t"), Rejected)


def test_a_missing_score_names_the_step_that_gives_it() -> None:
    with pytest.raises(
        ValueError, match=r"^document 1 has no score t_noise_fraction; put measure_quiet before keep_quiet$"
    ):
        keep_within_limits(document(words=2), KeepQuiet(), REASONS, "t")


def test_a_fraction_in_per_cent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^max_noise_fraction is 30; a fraction is between 0 and 1$"):
        check_limits(KeepQuiet(max_noise_fraction=30), REASONS)


@pytest.mark.parametrize("wrong", [1e300, 10**400, math.nan, math.inf, -1])
def test_a_limit_that_no_score_can_have_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"^min_words is .*; a limit is a number from 0 to 3\.4e\+38$"):
        check_limits(KeepQuiet(min_words=wrong), REASONS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a fraction is between 0 and 1"):
        check_limits(KeepQuiet(max_noise_fraction=wrong), REASONS)


def test_a_minimum_above_its_maximum_is_refused() -> None:
    check_limits(KeepQuiet(min_words=3, max_words=3), REASONS)
    with pytest.raises(ValueError, match=r"^min_words is 4, above max_words, 3$"):
        check_limits(KeepQuiet(min_words=4, max_words=3), REASONS)
