from __future__ import annotations

import random
from collections import Counter

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


@pytest.mark.parametrize("order", [0, 7])
def test_refuses_an_order_that_kenlm_does_not_read(order: int) -> None:
    with pytest.raises(ValueError, match="it must be 1 to 6"):
        count_ngrams([["a"]], order)


@pytest.mark.parametrize("seed", range(5))
def test_equals_counting_in_dictionaries(seed: int) -> None:
    choose = random.Random(seed)
    words = [chr(ord("a") + i) for i in range(choose.choice([1, 3, 20]))]
    sentences = [choose.choices(words, k=choose.randint(0, 12)) for _ in range(choose.choice([1, 60]))]
    order = choose.randint(1, 6)
    counts = count_ngrams(sentences, order)
    ids = {word: id for id, word in enumerate(counts.words)}
    for n in range(1, order + 1):
        expected = Counter(
            " ".join(marked[i : i + n])
            for marked in (["<s>", *sentence, "</s>"] for sentence in sentences)
            for i in range(len(marked) - n + 1)
        )
        found = spelled(counts, n)
        assert {ngram: count for ngram, count in found.items() if ngram != "<unk>"} == expected
        assert list(found) == sorted(found, key=lambda ngram: [ids[word] for word in ngram.split(" ")])
        shorter = list(spelled(counts, n - 1)) if n > 1 else []
        for ngram, suffix in zip(found, counts.tables[n - 1].suffix, strict=True):
            assert n == 1 or shorter[suffix] == ngram.split(" ", 1)[1]
