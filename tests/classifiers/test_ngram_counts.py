from __future__ import annotations

import pytest

from classifiers.ngram_counts import NgramCounts, count_ngrams


def spelled(counts: NgramCounts, n: int) -> dict[str, int]:
    def ngram(order: int, row: int) -> list[str]:
        table = counts.tables[order - 1]
        before = ngram(order - 1, int(table.prefix[row])) if order > 1 else []
        return [*before, counts.words[table.word[row]]]

    return {" ".join(ngram(n, row)): int(count) for row, count in enumerate(counts.tables[n - 1].count)}


def test_counts_each_order_within_sentences_only() -> None:
    counts = count_ngrams([["a", "b", "a"], ["a", "b"]], 3)
    assert spelled(counts, 1) == {"<unk>": 0, "<s>": 2, "</s>": 2, "a": 3, "b": 2}
    assert spelled(counts, 2) == {"<s> a": 2, "a b": 2, "b a": 1, "a </s>": 1, "b </s>": 1}
    assert spelled(counts, 3) == {"<s> a b": 2, "a b a": 1, "b a </s>": 1, "a b </s>": 1}
    assert (counts.sentences, counts.tokens) == (2, 5)


def test_links_each_ngram_to_its_last_words() -> None:
    counts = count_ngrams([["a", "b", "a"], ["a", "b"]], 3)
    shorter, longer = list(spelled(counts, 2)), list(spelled(counts, 3))
    for ngram, suffix in zip(longer, counts.tables[2].suffix, strict=True):
        assert shorter[suffix] == ngram.split(" ", 1)[1]


def test_sentences_shorter_than_the_order_have_no_long_ngrams() -> None:
    counts = count_ngrams([["a"]], 5)
    assert [len(table) for table in counts.tables] == [4, 2, 1, 0, 0]


def test_drops_sentence_marks_inside_a_sentence() -> None:
    counts = count_ngrams([["a", "</s>", "<s>", "<unk>", "b"]], 2)
    assert spelled(counts, 2) == {"<s> a": 1, "a b": 1, "b </s>": 1}


@pytest.mark.parametrize("token", ["", "a b", "a\n", "\0"])
def test_refuses_a_token_that_arpa_cannot_hold(token: str) -> None:
    with pytest.raises(ValueError, match="empty or contains white space"):
        count_ngrams([["a", token]], 2)


def test_refuses_an_empty_corpus() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        count_ngrams([], 2)
