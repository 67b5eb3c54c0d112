"""The key of exact copies."""

from __future__ import annotations

from stages.duplicate_documents import content_key


def test_the_key_of_a_text_never_changes() -> None:
    assert content_key("") == 0x2D06800538D394C2  # published XXH3 value of the empty input
    assert content_key("a") != content_key("b")
