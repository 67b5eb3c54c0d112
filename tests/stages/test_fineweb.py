from __future__ import annotations

import dataclasses

import pytest

from stages.document import Document, Origin, Rejected
from stages.fineweb import REASONS, KeepFineweb, MeasureFineweb, fineweb_scores


def failing(text: str) -> set[str]:
    """All rules that a text fails."""
    measured = MeasureFineweb().prepare()(Document("1", "commoncrawl", text, Origin("f")))
    assert isinstance(measured, Document)
    outcome = KeepFineweb()(measured)
    if isinstance(outcome, Document):
        return set()
    return {outcome.reason, *outcome.detail.removeprefix("also ").split(", ")} - {""}


def lines(count: int, text: str) -> list[str]:
    return [text] * count


LONG = "l" * 30
VECTORS = {  # reason: (a text at the limit, a text just past it)
    "few_punctuated_lines": (
        "\n".join(lines(120, "a.") + lines(880, "b")),
        "\n".join(lines(119, "a.") + lines(881, "b")),
    ),
    "many_short_lines": (
        "\n".join(lines(67, LONG[1:]) + lines(33, LONG)),
        "\n".join(lines(68, LONG[1:]) + lines(32, LONG)),
    ),
    "duplicate_line_characters": (
        "\n".join(["a" * 100, "b" * 800, "a" * 100]),
        "\n".join(["a" * 100, "b" * 799, "a" * 100]),
    ),
    "many_newlines": ("a\n\n" * 300 + "b " * 700, "a\n\n" * 300 + "b " * 699),
}


def test_every_limit_has_a_reason_and_a_vector() -> None:
    assert {field.name for field in dataclasses.fields(KeepFineweb)} == set(REASONS)
    assert list(REASONS.values()) == list(VECTORS)


@pytest.mark.parametrize("reason", VECTORS)
def test_a_text_at_the_limit_passes_and_one_past_it_fails(reason: str) -> None:
    at, past = VECTORS[reason]
    assert reason not in failing(at)
    assert reason in failing(past)


@pytest.mark.parametrize(
    "line", ["End.", "End. ", 'He said "End."', "(End!)", "終わり。", "了。」", "Ende?“", "انتهى؟"]
)
def test_the_end_of_a_sentence_counts_with_what_closes_it(line: str) -> None:
    assert fineweb_scores(line)["fineweb_punctuated_line_fraction"] == 1.0


@pytest.mark.parametrize("line", ["Title", "one, two;", "and so on…", '"', ":"])
def test_other_lines_do_not_end_a_sentence(line: str) -> None:
    assert fineweb_scores(line)["fineweb_punctuated_line_fraction"] == 0.0


def test_a_text_without_lines_has_few_punctuated_ones() -> None:
    assert set(fineweb_scores(" \n\n").values()) == {0.0}
    outcome = KeepFineweb()(Document("1", "commoncrawl", "", Origin("f"), scores=fineweb_scores("")))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "few_punctuated_lines"
