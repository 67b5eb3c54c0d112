"""Labels and measure against texts small enough to count by hand."""

from __future__ import annotations

import pytest

from classifiers.block_labels import Match, label_blocks, match_texts, score_matches, shingles_of, words_of


def test_words_are_runs_of_letters_and_digits_and_single_han_and_kana_signs() -> None:
    assert words_of("It’s 20 °C, snake_case; 東京タワー!") == [
        "It",
        "s",
        "20",
        "C",
        "snake_case",
        *"東京タワー",
    ]


def test_a_text_shorter_than_a_shingle_is_one_shingle() -> None:
    assert shingles_of(["a", "b"]) == [("a", "b")]
    assert shingles_of([]) == []
    assert shingles_of(list("abcde")) == [("a", "b", "c", "d"), ("b", "c", "d", "e")]


def test_a_block_is_main_text_when_half_of_its_shingles_are_in_the_known_text() -> None:
    known = "one two three four five six seven"
    # Shingles: two of four, then one of three.
    half = "one two three four five other words"
    less = "one two three four other words"
    assert label_blocks([half], known).main.tolist() == [1.0]
    assert label_blocks([less], known).main.tolist() == [0.0]


def test_a_short_block_is_judged_by_the_shingles_with_its_neighbours() -> None:
    known = "the first long paragraph ends here Heading two begins another long paragraph"
    blocks = [
        "Home",
        "the first long paragraph ends here",
        "Heading two",
        "begins another long paragraph",
        "Share",
    ]
    assert label_blocks(blocks, known).main.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_blocks_without_words_are_not_main_text() -> None:
    assert label_blocks(["* * *", "one two three four", ""], "one two three four").main.tolist() == [
        0.0,
        1.0,
        0.0,
    ]
    assert label_blocks([], "one").main.tolist() == []


def test_found_is_the_fraction_of_the_known_shingles_on_the_page() -> None:
    assert label_blocks(["a b c d"], "a b c d e").found == 0.5
    assert label_blocks(["a b c d"], "").found == 0.0


def test_repeated_shingles_count_as_often_as_they_occur() -> None:
    found = match_texts("a b c d x a b c d", "a b c d")
    # Found: abcd twice and four with x; known: abcd once.
    assert found == Match(1 / 6, 5 / 6, 0.0)
    assert found.f1 == pytest.approx(2 / 7)


def test_two_empty_texts_meet() -> None:
    assert match_texts("", "") == Match(0.0, 0.0, 0.0)
    assert match_texts("", "").f1 == 1.0


def test_precision_leaves_out_pages_without_found_text_as_the_benchmark_does() -> None:
    perfect, empty = match_texts("a b c d", "a b c d"), match_texts("", "a b c d")
    score = score_matches([perfect, empty])
    assert (score.precision, score.recall) == (1.0, 0.5)
    assert score.f1 == pytest.approx(2 / 3)


def test_no_pages_score_nothing() -> None:
    assert score_matches([]).f1 == 0.0


def test_a_short_block_at_the_end_is_judged_by_what_comes_before_it() -> None:
    assert label_blocks(["a b c d e", "The end", "x"], "a b c d e The end").main.tolist() == [1.0, 1.0, 0.0]
