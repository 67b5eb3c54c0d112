"""Exact and near copies of documents, against exact overlaps of small and real books."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.book_text import CleanGutenberg
from stages.document import Document
from stages.duplicate_documents import (
    BookSignature,
    book_signature,
    candidate_pairs,
    content_key,
    near_duplicate_books,
    overlap_fraction,
)
from stages.sources.books import Books


def words(start: int, end: int) -> str:
    return " ".join(f"w{i}" for i in range(start, end))


def test_the_key_of_a_text_never_changes() -> None:
    assert content_key("") == 0x2D06800538D394C2  # published XXH3 value of the empty input
    assert content_key("a") != content_key("b")


def test_a_signature_counts_different_five_grams() -> None:
    assert book_signature("a b c d e a b c d e").shingles == 5
    assert (book_signature("").shingles, book_signature("one two").shingles) == (0, 1)
    assert book_signature("one two three").minhash.shape == (128,)


def test_overlap_is_the_share_of_the_shorter_book() -> None:
    whole, half = book_signature(words(0, 4_000)), book_signature(words(0, 2_000))
    assert overlap_fraction(whole, half) == pytest.approx(1.0, abs=0.12)
    shifted = book_signature(words(1_000, 5_000))
    assert overlap_fraction(whole, shifted) == pytest.approx(0.75, abs=0.08)
    assert overlap_fraction(whole, book_signature(words(9_000, 9_900))) < 0.05
    assert overlap_fraction(whole, book_signature("")) == 0.0


def test_the_longest_copy_is_kept_whatever_the_order() -> None:
    books = [
        ("b", words(0, 1_000)),
        ("a", words(0, 1_000)),
        ("c", words(0, 1_020)),
        ("d", words(5_000, 6_000)),
    ]
    signatures = [(name, book_signature(text)) for name, text in books]
    forward = near_duplicate_books(signatures)
    backward = near_duplicate_books(signatures[::-1])
    assert {signatures[i][0]: signatures[k][0] for i, (k, _) in forward.items()} == {"a": "c", "b": "c"}
    assert {3 - i: 3 - k for i, (k, _) in backward.items()} == {i: k for i, (k, _) in forward.items()}


def test_a_crowd_of_copies_gives_few_pairs() -> None:
    signature = book_signature(words(0, 100))
    assert len(candidate_pairs([signature] * 500, 32, 4)) < 1_000
    dropped = near_duplicate_books([(f"{i:03}", signature) for i in range(500)])
    assert len(dropped) == 499
    assert {kept for kept, _ in dropped.values()} == {0}


def test_bands_have_to_fit_the_signature() -> None:
    with pytest.raises(ValueError, match="128 permutations"):
        candidate_pairs([], 32, 8)
    assert near_duplicate_books([]) == {}
    assert near_duplicate_books([("a", BookSignature(np.zeros(128, np.uint32), 0))]) == {}


def test_finds_the_known_pairs_of_the_sample(shared_data: Path) -> None:
    names = [
        *("gutenberg/pg1342", "gutenberg/pg1342.body-only", "gutenberg/Pride_and_Prejudice_JaneAusten"),
        *("gutenberg/11-0", "gutenberg/pg11.body-only", "gutenberg/pg161", "gutenberg/pg161.other-edition"),
        *("gutenberg/pg55", "gutenberg/46-0", "gutenberg/Persuasion"),
    ]
    signatures: list[tuple[str, BookSignature]] = []
    for name in names:
        path = shared_data / "books" / f"{name}.txt"
        with path.open("rb") as stream:
            [book] = Books().read(stream, str(path))
        assert isinstance(book, Document)
        cleaned = CleanGutenberg()(book)
        assert isinstance(cleaned, Document)
        signatures.append((name, book_signature(cleaned.text)))
    dropped = near_duplicate_books(signatures)
    assert {i: kept for i, (kept, _) in dropped.items()} == {1: 0, 2: 0, 4: 3, 5: 6}
    assert all(overlap > 0.94 for _, overlap in dropped.values())
