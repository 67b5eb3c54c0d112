"""How much of a text repeats itself: lines and paragraphs that are there twice, and word n-grams.

In: lines, paragraphs or words of one text. Out: counts of repeats and of the characters in them, from which the
Gopher and FineWeb rules make fractions. Follows Rae et al. 2021 (arXiv 2112.11446), appendix A.1.1, "Repetition
Removal". Where its wording leaves a choice: a duplicate is a copy of something earlier, so a first occurrence is none;
an n-gram is frequent only if it occurs twice; a character counts once, however many n-grams it is in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
import xxhash
from numba import njit
from numpy.typing import NDArray

TOP_ORDERS = (2, 3, 4)  # Gopher, table A1: the most frequent n-gram of these lengths
DUPLICATE_ORDERS = (5, 6, 7, 8, 9, 10)  # Gopher, table A1: all duplicate n-grams of these lengths

_BLANK_LINES = re.compile(r"\n\s*\n")


def lines_of(text: str) -> list[str]:
    """The lines of a text between `\\n`, stripped, without blank ones."""
    return [line for line in map(str.strip, text.split("\n")) if line]


def paragraphs_of(text: str) -> list[str]:
    """What blank lines separate, stripped; a text without blank lines is one paragraph."""
    return [part for part in map(str.strip, _BLANK_LINES.split(text)) if part]


def duplicate_parts(parts: Iterable[str]) -> tuple[int, int]:
    """How many parts are copies of an earlier one, and how many characters these copies have."""
    seen: set[str] = set()
    copies = characters = 0
    for part in parts:
        if part in seen:
            copies += 1
            characters += len(part)
        else:
            seen.add(part)
    return copies, characters


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """The words of a text as numbers: distinct words in order of first occurrence, and the text as their indices."""

    words: tuple[str, ...]
    lengths: NDArray[np.int64]  # characters of each distinct word
    sequence: NDArray[np.int64]  # index of each word of the text

    @property
    def characters(self) -> int:
        """Characters of all words of the text, white space not counted."""
        return int(self.lengths[self.sequence].sum())


def word_table(text: str) -> WordTable:
    """The words of a text, which are what white space separates."""
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    words = text.split()
    sequence = np.fromiter(map(numbers.__getitem__, words), dtype=np.int64, count=len(words))
    distinct = tuple(numbers)
    return WordTable(distinct, np.fromiter(map(len, distinct), dtype=np.int64, count=len(distinct)), sequence)


def repeated_ngram_characters(table: WordTable) -> dict[int, int]:
    """For each order 2 to 10 the characters of words (no white space) in repeated n-grams of that order.

    Orders 2 to 4: in all occurrences of the most frequent n-gram; of equally frequent ones that with most characters;
    0 when none occurs twice. Orders 5 to 10: in all n-grams that occurred before. Linear in the number of words.
    """
    ends = np.zeros(table.sequence.size + 1, dtype=np.int64)
    np.cumsum(table.lengths[table.sequence], out=ends[1:])
    # The hash table is seeded by the text itself, so that no text can be written to fill one slot of it.
    seed = np.uint64(xxhash.xxh3_64_intdigest(table.sequence.tobytes()))
    characters = _repeated_ngram_characters(table.sequence, ends, seed)
    return {order: int(characters[order]) for order in (*TOP_ORDERS, *DUPLICATE_ORDERS)}


@njit(cache=True)
def _slot(key: np.uint64, seed: np.uint64, mask: np.uint64) -> np.uint64:
    """Where a key belongs in a table of mask + 1 slots (finalizer of MurmurHash3)."""
    key ^= seed
    key = (key ^ (key >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    key = (key ^ (key >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return (key ^ (key >> np.uint64(33))) & mask


@njit(cache=True)
def _repeated_ngram_characters(
    words: NDArray[np.int64], ends: NDArray[np.int64], seed: np.uint64
) -> NDArray[np.int64]:
    """Characters by order, at index 2 to 10, of a text whose word i covers the characters ends[i] to ends[i + 1].

    An n-gram is numbered by the pair of (n-1)-grams that begin at its first and second word, so numbers are exact and
    an n-gram is looked at only when both of these occur twice.
    """
    size = words.size
    result = np.zeros(11, dtype=np.int64)
    grams = words.copy()  # number of the n-gram that begins at each word, -1 for one that occurs once
    counts = np.zeros(size, dtype=np.int64)
    for i in range(size):
        counts[grams[i]] += 1
    covered = np.zeros(size, dtype=np.int64)  # characters in all occurrences, each once
    covered_to = np.zeros(size, dtype=np.int64)
    keys = np.zeros(0, dtype=np.uint64)
    numbers = np.zeros(0, dtype=np.int64)
    for order in range(2, 11):
        candidates = 0
        for i in range(size):
            if grams[i] >= 0 and counts[grams[i]] < 2:
                grams[i] = -1
        for i in range(size - 1):
            if grams[i] >= 0 and grams[i + 1] >= 0:
                candidates += 1
        if candidates < 2:
            break
        capacity = 4
        while capacity < 2 * candidates:
            capacity *= 2
        if order == 2:
            keys = np.empty(capacity, dtype=np.uint64)
            numbers = np.empty(capacity, dtype=np.int64)
        numbers[:capacity] = -1
        mask = np.uint64(capacity - 1)
        found = 0
        duplicate = 0
        duplicate_to = 0
        for i in range(size - 1):
            if grams[i] < 0 or grams[i + 1] < 0:
                grams[i] = -1
                continue
            key = (np.uint64(grams[i]) << np.uint64(32)) | np.uint64(grams[i + 1])
            slot = _slot(key, seed, mask)
            while numbers[slot] >= 0 and keys[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            number = numbers[slot]
            if number < 0:
                number = found
                found += 1
                keys[slot] = key
                numbers[slot] = number
                counts[number] = 0
                covered[number] = 0
                covered_to[number] = 0
            elif order >= 5:
                duplicate += ends[i + order] - ends[max(i, duplicate_to)]
                duplicate_to = i + order
            counts[number] += 1
            if order <= 4:
                covered[number] += ends[i + order] - ends[max(i, covered_to[number])]
                covered_to[number] = i + order
            grams[i] = number
        grams[size - 1] = -1  # no n-gram of two words or more begins at the last word
        if order >= 5:
            result[order] = duplicate
            continue
        top = 1
        for number in range(found):
            if counts[number] > top or (
                counts[number] == top and top > 1 and covered[number] > result[order]
            ):
                top = counts[number]
                result[order] = covered[number]
    return result
