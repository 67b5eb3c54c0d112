"""Whole documents that are there twice: exact copies by a key of the text, near copies of books by MinHash.

Exact copies use the uint64 keys and the sorted arrays of line deduplication. Books are compared by the set of
their word 5-grams: LLaMA "removed books with more than 90% content overlap" (Touvron et al. 2023, section
2.1) and does not say how it measured; overlap here is containment, the share of the shorter book that the
longer one holds too, estimated by MinHash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from stages.minhash import Signature, minhash
from stages.shingles import shingle_keys

PERMUTATIONS = 128


@dataclass(frozen=True, slots=True, eq=False)
class BookSignature:
    """MinHash values of a book's 5-grams (uint32[128]) and how many different 5-grams it has."""

    minhash: Signature
    shingles: int


def content_key(text: str) -> int:
    """64-bit key of a text (xxh3_64 of its UTF-8, seed 0), equal for equal texts.

    Two different texts among n share a key with a chance of about n**2 / 2**65: 3e-8 for a million, 0.03 for
    a billion.
    """
    return xxhash.xxh3_64_intdigest(text.encode("utf-8"), seed=0)


def book_signature(text: str) -> BookSignature:
    """The signature of one book."""
    keys = np.unique(shingle_keys(text))
    return BookSignature(minhash(keys, PERMUTATIONS), len(keys))


def overlap_fraction(a: BookSignature, b: BookSignature) -> float:
    """Estimated share of the smaller set that the larger one holds: |A n B| / min(|A|, |B|), 0..1.

    From the Jaccard index J that MinHash estimates, |A n B| = J (|A| + |B|) / (1 + J). The standard error of
    J is at most 0.044 with 128 permutations, 0.034 at J = 0.82, which is an overlap of 0.9 of books of one
    length.
    """
    smaller = min(a.shingles, b.shingles)
    if smaller == 0:
        return 0.0
    jaccard = float(np.count_nonzero(a.minhash == b.minhash)) / len(a.minhash)
    return min(1.0, jaccard * (a.shingles + b.shingles) / ((1.0 + jaccard) * smaller))


def candidate_pairs(signatures: Sequence[BookSignature], bands: int, rows: int) -> list[tuple[int, int]]:
    """Pairs (i < j) that agree in all rows of at least one band, sorted, found by sorting each band's keys.

    In a run of books with equal keys each is paired with the first and with the one before it, so that a
    crowd of copies gives no quadratic number of pairs.
    """
    if bands * rows > PERMUTATIONS:
        raise ValueError(
            f"{bands} bands of {rows} rows need more than {PERMUTATIONS} permutations: lower one of them"
        )
    if len(signatures) < 2:
        return []
    matrix = np.stack([signature.minhash for signature in signatures])
    pairs: set[tuple[int, int]] = set()
    for band in range(bands):
        columns = np.ascontiguousarray(matrix[:, band * rows : (band + 1) * rows])
        order = np.lexsort(columns.T[::-1])
        same = np.all(columns[order][1:] == columns[order][:-1], axis=1)
        first = 0
        for position in range(1, len(order)):
            if not same[position - 1]:
                first = position
                continue
            for other in {first, position - 1}:
                i, j = int(order[other]), int(order[position])
                pairs.add((min(i, j), max(i, j)))
    return sorted(pairs)


def near_duplicate_books(
    signatures: Sequence[tuple[str, BookSignature]],
    min_overlap_fraction: float = 0.9,  # LLaMA section 2.1: more than 90 % content overlap
    bands: int = 32,  # ours: with 4 rows a pair of Jaccard 0.5 is compared with a chance of 87 %, 0.7 always
    rows: int = 4,
) -> dict[int, tuple[int, float]]:
    """Books to drop: index -> (index of the book that is kept for it, overlap of the two).

    Books are taken from the longest (most 5-grams) to the shortest, equal ones by id; one is dropped when its
    overlap with a kept one is more than `min_overlap_fraction`. The result does not depend on the order of
    `signatures`.
    """
    order = sorted(range(len(signatures)), key=lambda i: (-signatures[i][1].shingles, signatures[i][0]))
    ordered = [signatures[i][1] for i in order]
    partners: dict[int, list[int]] = {}
    for earlier, later in candidate_pairs(ordered, bands, rows):
        partners.setdefault(later, []).append(earlier)
    dropped: dict[int, tuple[int, float]] = {}
    for later in sorted(partners):
        best: tuple[int, float] | None = None
        for earlier in partners[later]:
            # A copy of a dropped book is compared with the book that was kept for it.
            kept = dropped[earlier][0] if earlier in dropped else earlier
            overlap = overlap_fraction(ordered[kept], ordered[later])
            if overlap > min_overlap_fraction and (best is None or overlap > best[1]):
                best = (kept, overlap)
        if best is not None:
            dropped[later] = best
    return {order[later]: (order[kept], overlap) for later, (kept, overlap) in sorted(dropped.items())}
