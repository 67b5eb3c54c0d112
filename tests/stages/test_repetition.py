from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from stages.repetition import (
    duplicate_parts,
    lines_of,
    paragraphs_of,
    repeated_ngram_characters,
    word_table,
)


def plainly_repeated(words: list[str]) -> dict[int, int]:
    """The same numbers from sets of character positions."""
    starts = [sum(map(len, words[:i])) for i in range(len(words) + 1)]

    def characters(positions: Iterable[int], order: int) -> int:
        return len({c for i in positions for c in range(starts[i], starts[i + order])})

    result = {}
    for order in range(2, 11):
        ngrams = [tuple(words[i : i + order]) for i in range(len(words) - order + 1)]
        if order <= 4:
            counts = Counter(ngrams)
            top = max(counts.values(), default=0)
            result[order] = max(
                (
                    characters([i for i, other in enumerate(ngrams) if other == ngram], order)
                    for ngram, count in counts.items()
                    if count == top > 1
                ),
                default=0,
            )
        else:
            result[order] = characters([i for i, ngram in enumerate(ngrams) if ngram in ngrams[:i]], order)
    return result


@pytest.mark.parametrize("seed", range(8))
def test_repeated_ngrams_are_what_counting_positions_gives(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        vocabulary = [letter * draw.randint(1, 3) for letter in "abcdefgh"[: draw.randint(1, 8)]]
        words = [draw.choice(vocabulary) for _ in range(draw.randint(0, 50))]
        words += words[: draw.randint(0, len(words))]
        assert repeated_ngram_characters(word_table(" ".join(words))) == plainly_repeated(words), words


def test_an_ngram_that_occurs_once_is_not_frequent() -> None:
    assert set(repeated_ngram_characters(word_table("one two three four")).values()) == {0}


def test_of_equally_frequent_ngrams_the_longest_counts() -> None:
    repeated = repeated_ngram_characters(word_table("a b | cc dd | a b | cc dd"))
    assert repeated[2] == 8
    assert repeated[3] == 2 * 5  # "| cc dd", as often as "a b |"


def test_a_character_counts_once_in_overlapping_ngrams() -> None:
    repeated = repeated_ngram_characters(word_table("ha " * 20))
    assert repeated[2] == 40  # 19 bigrams over 20 words
    assert repeated[5] == 38  # the first word is in the first 5-gram only
    assert repeated[10] == 38


def test_words_are_compared_as_words_and_not_glued() -> None:
    assert repeated_ngram_characters(word_table("a bc d e f | ab c d e f"))[5] == 0


def test_the_copy_counts_and_not_the_first_occurrence() -> None:
    repeated = repeated_ngram_characters(word_table("aa bb cc dd ee | aa bb cc dd ee"))
    assert (repeated[5], repeated[6]) == (10, 0)


@pytest.mark.parametrize("text", ["", "word", "two words"])
def test_short_texts_repeat_nothing(text: str) -> None:
    assert set(repeated_ngram_characters(word_table(text)).values()) == {0}


def test_a_million_words_take_no_quadratic_time() -> None:
    assert repeated_ngram_characters(word_table("spam " * 1_000_000))[10] == 4 * 999_999
    table = word_table(" ".join(str(i * i % 1009) for i in range(300_000)))
    assert repeated_ngram_characters(table)[10] > 0.9 * table.characters


def test_word_table_numbers_words_in_order_of_first_occurrence() -> None:
    table = word_table("to be or\u00a0not\nto be")
    assert table.words == ("to", "be", "or", "not")
    assert table.sequence.tolist() == [0, 1, 2, 3, 0, 1]
    assert table.characters == 13


def test_lines_and_paragraphs_are_stripped_and_never_blank() -> None:
    text = "\n a \nb\n \t\n\nc\r\n"
    assert lines_of(text) == ["a", "b", "c"]
    assert paragraphs_of(text) == ["a \nb", "c"]
    assert lines_of("") == paragraphs_of(" \n \n") == []


def test_duplicate_parts_counts_copies_and_their_characters() -> None:
    assert duplicate_parts(["abc", "de", "abc", "abc", "DE"]) == (2, 6)
    assert duplicate_parts([]) == (0, 0)
