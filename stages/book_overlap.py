"""How much of a book is in another one: candidates from small sketches, the overlap itself from the whole texts.

LLaMA "removed books with more than 90% content overlap" (Touvron et al. 2023, section 2.1) and does not say how it
measured. Here the overlap of two books is |A n B| / min(|A|, |B|), where A and B are the sets of their different word
5-grams (`stages.shingles`): of the shorter one, the share that the longer one holds too. So a story in a collection
counts as much as a second edition. The measure is exact but for equal 64-bit keys of different 5-grams.

Candidates come from containment sketches (FracMinHash, Irber et al. 2022, with a bottom-k part, Broder 1997): a book's
index is all its keys below a 64th of their range, and at least its `PROBES` smallest; its probes are its `PROBES`
smallest. A pair is a candidate when half of the probes of the book with fewer 5-grams are in the index of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.document import Document
from stages.shingles import shingle_keys

Keys = npt.NDArray[np.uint64]

PROBES = 32  # ours: a pair with an overlap of 0.9 shares 16 or more with a probability of 1 - 2e-9
INDEX_LIMIT = np.uint64(
    1 << 58
)  # ours, a 64th: probes of books of 2,000 words or more lie nearly all below it
MIN_SHARED_PROBES = (
    0.5  # ours, of the probes that the other index can hold; loose, as candidates are measured
)
MAX_PARTNERS = 64  # ours: a probe that more books hold is compared with the longest of them only


@dataclass(frozen=True, slots=True, eq=False)
class BookSketch:
    """What the search keeps of a book: its sorted index, how many different 5-grams it has, and what an edition is
    judged by: replacement characters in its text, and how many of title, author and licence are known."""

    id: str
    index: Keys
    shingles: int
    damage: int
    facts: int

    @property
    def probes(self) -> Keys:
        return self.index[:PROBES]

    @property
    def limit(self) -> np.uint64:
        """All keys of the book up to this one are in its index."""
        return max(INDEX_LIMIT, self.index[-1]) if len(self.index) else INDEX_LIMIT


def book_shingles(text: str) -> Keys:
    """The keys of the different 5-grams of a text, ascending: 8 bytes for each."""
    keys: Keys = np.sort(shingle_keys(text))  # NumPy's `unique` takes thirty times as long
    first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]


def book_sketch(document: Document) -> BookSketch:
    """The sketch of one book."""
    keys = book_shingles(document.text)
    count = max(int(np.searchsorted(keys, INDEX_LIMIT)), min(PROBES, len(keys)))
    known = (document.title, document.metadata.get("author"), document.license)
    return BookSketch(
        document.id,
        keys[:count].copy(),
        len(keys),
        document.text.count("\ufffd"),
        sum(fact is not None for fact in known),
    )


def overlap_fraction(a: Keys, b: Keys) -> float:
    """Share of the smaller set that the larger one holds, 0..1; sets as `book_shingles` gives them."""
    if len(b) < len(a):
        a, b = b, a
    if not len(a):
        return 0.0
    places = np.searchsorted(b, a)
    return float(np.count_nonzero(b[np.minimum(places, len(b) - 1)] == a)) / len(a)


def candidate_pairs(sketches: Sequence[BookSketch]) -> list[tuple[int, int]]:
    """Pairs (i, j) of books that may overlap, sorted: i has more 5-grams, or as many and the smaller id.

    Memory is 16 bytes a probe and 16 bytes for each time that an index holds a probe of some book. A pair is found with
    the probability that `PROBES` gives when the shorter book has 2,000 5-grams or more, or both have few; a book of n
    5-grams in a much longer one is missed with a probability of (1 - 1/64)**(0.9 n), 1 % at n = 325.
    """
    order = sorted(range(len(sketches)), key=lambda i: (-sketches[i].shingles, sketches[i].id))
    ordered = [sketches[i] for i in order]
    wanted = np.unique(np.concatenate([np.zeros(0, np.uint64), *(sketch.probes for sketch in ordered)]))
    held: list[npt.NDArray[np.int64]] = []  # places in `wanted`, book by book, longest first
    for sketch in ordered:
        places = np.minimum(np.searchsorted(wanted, sketch.index), max(0, len(wanted) - 1))
        held.append(places[wanted[places] == sketch.index] if len(wanted) else places)
    books = np.repeat(np.arange(len(ordered)), [len(places) for places in held])
    keys = np.concatenate([np.zeros(0, np.int64), *held])
    by_key = np.argsort(keys, kind="stable")  # the books of a key stay in their order
    books, starts = books[by_key], np.searchsorted(keys[by_key], np.arange(len(wanted) + 1))
    pairs: list[tuple[int, int]] = []
    for later, sketch in enumerate(ordered):
        places = np.searchsorted(wanted, sketch.probes)
        runs = [
            books[starts[place] : min(starts[place + 1], starts[place] + MAX_PARTNERS)] for place in places
        ]
        earlier = np.concatenate([np.zeros(0, np.int64), *runs])
        partners, counts = np.unique(earlier[earlier < later], return_counts=True)
        for partner, shared in zip(partners.tolist(), counts.tolist(), strict=True):
            possible = int(np.searchsorted(sketch.probes, ordered[partner].limit, side="right"))
            if shared >= MIN_SHARED_PROBES * possible:
                pairs.append((order[partner], order[later]))
    return sorted(pairs)


def overlapping_books(
    sketches: Sequence[BookSketch],
    shingles_of: Callable[[int], Keys],
    min_overlap_fraction: float,
) -> dict[int, tuple[int, float]]:
    """Books to drop: index -> (index of the book that is kept for it, their measured overlap).

    Books are taken from the one with the most 5-grams to the one with the fewest, equal ones by id. Of a book and those
    that hold each other but for the same fraction (editions of one work) the best is kept: fewest replacement
    characters, most known facts, most 5-grams, smallest id. All books left that overlap with the kept one go. So no two
    kept books that are candidates overlap, and each dropped one overlaps with the kept book that is named: in a chain,
    where A is in B and B in C but A is not in C, C and A are kept.

    `shingles_of(index)` gives `book_shingles` of a whole book; two of them are held at a time. The result does not
    depend on the order of `sketches`.
    """
    partners: dict[int, list[int]] = {}
    for one, other in candidate_pairs(sketches):
        partners.setdefault(one, []).append(other)
        partners.setdefault(other, []).append(one)

    def longest(index: int) -> tuple[int, str]:
        return -sketches[index].shingles, sketches[index].id

    def best(index: int) -> tuple[int, int, int, str]:
        sketch = sketches[index]
        return sketch.damage, -sketch.facts, -sketch.shingles, sketch.id

    def measured(index: int, left: set[int]) -> dict[int, float]:
        """Overlaps over the limit of a book with the books left."""
        own = shingles_of(index)
        found = {}
        for other in sorted(left.intersection(partners[index]), key=longest):
            overlap = overlap_fraction(own, shingles_of(other))
            if overlap > min_overlap_fraction:
                found[other] = overlap
        return found

    dropped: dict[int, tuple[int, float]] = {}
    left = set(partners)
    for leader in sorted(partners, key=longest):
        if leader not in left:
            continue
        left.remove(leader)
        found = measured(leader, left)
        size = sketches[leader].shingles
        editions = [
            i for i, share in found.items() if share * sketches[i].shingles > min_overlap_fraction * size
        ]
        kept = min([leader, *editions], key=best)
        if kept != leader:
            left.add(leader)
            left.remove(kept)
            found = measured(kept, left)
        dropped.update({index: (kept, overlap) for index, overlap in found.items()})
        left.difference_update(found)
    return dropped
