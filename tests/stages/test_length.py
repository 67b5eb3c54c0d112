"""Length limits."""

from __future__ import annotations

import pytest

from stages.document import Document, Origin, Rejected
from stages.length import KeepLength


def document(text: str) -> Document:
    return Document("1", "commoncrawl", text, Origin("f"))


def test_keeps_a_text_of_just_enough_characters() -> None:
    kept = document("é" * 300)
    assert KeepLength()(kept) is kept


def test_counts_characters_and_line_ends() -> None:
    assert KeepLength(min_characters=5)(document("é\né\n")) == Rejected(document("é\né\n"), "too_short", 4.0)


def test_drops_a_text_over_the_upper_limit() -> None:
    stage = KeepLength(min_characters=0, max_characters=3)
    assert stage(document("abc")) == document("abc")
    assert stage(document("abcd")) == Rejected(document("abcd"), "too_long", 4.0)


@pytest.mark.parametrize(("least", "most"), [(300, 299), (0, 0)])
def test_limits_that_no_text_can_meet_are_refused(least: int, most: int) -> None:
    KeepLength(min_characters=300, max_characters=300)
    with pytest.raises(ValueError, match=rf"^max_characters must be at least {max(least, 1)}, not {most};"):
        KeepLength(min_characters=least, max_characters=most)
