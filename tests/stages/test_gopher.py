from __future__ import annotations

import dataclasses

import pytest

from stages.document import Document, Origin, Rejected
from stages.gopher import REASONS, KeepGopher, MeasureGopher, gopher_scores


def measured(text: str) -> Document:
    outcome = MeasureGopher().prepare()(Document("1", "commoncrawl", text, Origin("f")))
    assert isinstance(outcome, Document)
    return outcome


def failing(text: str, keep: KeepGopher | None = None) -> set[str]:
    """All rules that a text fails."""
    outcome = (keep or KeepGopher())(measured(text))
    if isinstance(outcome, Document):
        return set()
    return {outcome.reason, *outcome.detail.removeprefix("also ").split(", ")} - {""}


def letters(count: int) -> list[str]:
    return [chr(ord("a") + i) for i in range(count)]


def repeated_ngram(order: int, characters: int, of: int) -> str:
    """An n-gram of so many characters, there twice, in a text of `of` characters (white space not counted)."""
    first, *others = letters(order)
    ngram = " ".join([first * (characters - order + 1), *others])
    return f"{ngram} {'z' * (of - 2 * characters)} {ngram}"


def mix(separator: str, part: str, times: int) -> str:
    """A thousand parts, so many of which are this one and the others are `b`."""
    return separator.join([part] * times + ["b"] * (1_000 - times))


def copies(separator: str, repeated: int) -> str:
    """A thousand parts, so many of which are copies of the first one."""
    return separator.join([*map(str, range(1_000 - repeated)), *["0"] * repeated])


def share(separator: str, characters: int, of: int) -> str:
    """A part of so many characters, there twice, in a text of `of` characters (separators not counted)."""
    return separator.join(["a" * characters, "b" * (of - 2 * characters), "a" * characters])


VECTORS = {  # reason: (a text at the limit, a text just past it)
    "few_words": ("w " * 50, "w " * 49),
    "many_words": ("w " * 100_000, "w " * 100_001),
    "short_words": ("abc " * 100, "abc " * 99 + "ab"),
    "long_words": ("0123456789 " * 100, "0123456789 " * 99 + "0123456789a"),
    "many_hashes": (mix(" ", "a#", 100), mix(" ", "a#", 101)),
    "many_ellipses": (mix(" ", "a…", 100), mix(" ", "a...", 101)),
    "many_bullet_lines": (mix("\n", "- a", 900), mix("\n", " • a", 901)),
    "many_ellipsis_lines": (mix("\n", "a...", 300), mix("\n", "a… ", 301)),
    "few_alphabetic_words": (mix(" ", "1", 200), mix(" ", "-", 201)),
    "few_stop_words": ('"The end, of it', "the the then often"),
    "duplicate_paragraphs": (copies("\n\n", 300), copies("\n \n", 301)),
    "duplicate_paragraph_characters": (share("\n\n", 20, 100), share("\n\n", 20, 99)),
    "duplicate_lines": (copies("\n", 300), copies(" \n\n", 301)),
    "duplicate_line_characters": (share("\n", 20, 100), share("\n", 20, 99)),
    # the most frequent n-gram counts with all its occurrences, here two
    "frequent_2_gram": (repeated_ngram(2, 10, 100), repeated_ngram(2, 10, 99)),
    "frequent_3_gram": (repeated_ngram(3, 9, 100), repeated_ngram(3, 9, 99)),
    "frequent_4_gram": (repeated_ngram(4, 8, 100), repeated_ngram(4, 8, 99)),
    "duplicate_5_grams": (repeated_ngram(5, 15, 100), repeated_ngram(5, 15, 99)),
    "duplicate_6_grams": (repeated_ngram(6, 14, 100), repeated_ngram(6, 14, 99)),
    "duplicate_7_grams": (repeated_ngram(7, 13, 100), repeated_ngram(7, 13, 99)),
    "duplicate_8_grams": (repeated_ngram(8, 12, 100), repeated_ngram(8, 12, 99)),
    "duplicate_9_grams": (repeated_ngram(9, 11, 100), repeated_ngram(9, 11, 99)),
    "duplicate_10_grams": (repeated_ngram(10, 10, 100), repeated_ngram(10, 10, 99)),
}


def test_every_limit_has_a_reason_and_a_vector() -> None:
    assert {field.name for field in dataclasses.fields(KeepGopher)} == set(REASONS)
    assert list(REASONS.values()) == list(VECTORS)


@pytest.mark.parametrize("reason", VECTORS)
def test_a_text_at_the_limit_passes_and_one_past_it_fails(reason: str) -> None:
    at, past = VECTORS[reason]
    assert reason not in failing(at)
    assert reason in failing(past)


@pytest.mark.parametrize("bullet", "•‣▶◀◦■□▪▫–-*●○·")
def test_every_bullet_starts_a_bullet_line(bullet: str) -> None:
    assert gopher_scores(f"{bullet} a\nb")["gopher_bullet_line_fraction"] == 0.5


PROSE = (
    "It was a bright cold day in April, and the clocks were striking thirteen. Every one of those who live "
    "along that street knows what comes next, so nobody has to be told: the keeper of the museum walks down "
    "with his lamp, counts seven doors and begins to wind them all again, from left to right."
)


def test_prose_is_kept_as_it_is() -> None:
    document = measured(PROSE)
    assert KeepGopher()(document) is document


def test_scores_are_exact_on_a_small_text() -> None:
    scores = gopher_scores("The cat...\n\n- 12 #cats\nThe cat...\n")
    assert {name.removeprefix("gopher_"): round(value, 6) for name, value in scores.items() if value} == {
        "words": 7,
        "mean_word_characters": 3.714286,  # 26 of 7
        "hashes_per_word": 0.142857,
        "ellipses_per_word": 0.285714,
        "bullet_line_fraction": 0.333333,
        "ellipsis_line_fraction": 0.666667,
        "alphabetic_word_fraction": 0.714286,
        "stop_words": 1,
        "duplicate_line_fraction": 0.333333,
        "duplicate_line_character_fraction": 0.333333,  # 10 of 30
        "top_2_gram_character_fraction": 0.692308,  # 18 of 26
    }


@pytest.mark.parametrize("text", ["", " \n\t\n", "\u3000"])
def test_a_text_without_words_has_few_words(text: str) -> None:
    assert set(gopher_scores(text).values()) == {0.0}
    outcome = KeepGopher()(measured(text))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.score) == ("few_words", 0.0)
    assert outcome.document.scores["gopher_top_2_gram_character_fraction"] == 0.0


def test_a_limit_can_be_set() -> None:
    assert failing("the of", KeepGopher(min_words=1, min_mean_word_characters=1)) == set()
    with pytest.raises(ValueError, match=r"^max_bullet_line_fraction is 90; a fraction is between 0 and 1$"):
        KeepGopher(max_bullet_line_fraction=90)
