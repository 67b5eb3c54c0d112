"""Compiled loops of the n-gram search: words hashed, hashes rolled over runs of words, matches compared.

A text comes as code points (ASCII as bytes). Folding is a table: for each code point `SEPARATES`, `LEFT_OUT`, or the
code point that it becomes; those above the table stay as they are. Folded words of the known texts stand in `codes`,
one blank between two words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.shingles import FIRST_WORD_STATE, MULTIPLIER, mixed

WORDS = 13  # GPT-3 (arXiv 2005.14165), appendix C: "13-gram overlaps"
MIN_WORDS = 8  # GPT-3, appendix C: "a minimum value of 8", here of texts that are searched for as a whole

SEPARATES, LEFT_OUT = 0, 1

# Of code points: they stand in NFC whatever is around them, or may not, or are combining marks, which may not either.
SETTLED, UNSETTLED, COMBINING = 0, 1, 2
MAX_COMBINING = 30  # marks in a row: UAX 15's stream-safe text; to sort more takes time by the square

Characters = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]
Codes = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

_RING = 16  # a power of two above WORDS
_BLANK = 32

_SHORT = np.uint64(0xA54FF53A5F1D36F1)  # keeps the keys of 8 words apart from those of 13; any number does


@njit(cache=True)
def word_hashes(codes: Codes, count: int) -> tuple[Keys, Numbers, Numbers]:
    """Hash, start and end of each of the `count` words."""
    hashes = np.empty(count, dtype=np.uint64)
    starts = np.empty(count, dtype=np.int64)
    ends = np.empty(count, dtype=np.int64)
    found = 0
    word = FIRST_WORD_STATE
    start = 0
    for position in range(len(codes) + 1):
        if position < len(codes) and codes[position] != _BLANK:
            word = (word ^ np.uint64(codes[position])) * MULTIPLIER
            continue
        hashes[found] = mixed(word)
        starts[found] = start
        ends[found] = position
        found += 1
        word = FIRST_WORD_STATE
        start = position + 1
    return hashes, starts, ends


@njit(cache=True)
def _run_hash(hashes: Keys, first: int, length: int) -> np.uint64:
    """A polynomial in the hashes of a run of words."""
    value = np.uint64(0)
    for index in range(first, first + length):
        value = value * MULTIPLIER + hashes[index]
    return value


@njit(cache=True)
def ngrams_of(
    hashes: Keys, firsts: Numbers, lengths: Numbers, count: int
) -> tuple[Keys, Keys, Numbers, Numbers]:
    """The `count` n-grams of texts whose words begin at `firsts`: key, hash of the whole, text, first word in the text.

    A text of fewer than `WORDS` words is one n-gram; its key is that of its first `MIN_WORDS` words.
    """
    keys = np.empty(count, dtype=np.uint64)
    wholes = np.empty(count, dtype=np.uint64)
    texts = np.empty(count, dtype=np.int64)
    offsets = np.empty(count, dtype=np.int64)
    found = 0
    for text in range(len(lengths)):
        short = lengths[text] < WORDS
        for offset in range(1 if short else lengths[text] - WORDS + 1):
            first = firsts[text] + offset
            wholes[found] = _run_hash(hashes, first, min(WORDS, lengths[text]))
            keys[found] = _run_hash(hashes, first, MIN_WORDS) ^ _SHORT if short else wholes[found]
            texts[found] = text
            offsets[found] = offset
            found += 1
    return keys, wholes, texts, offsets


@njit(cache=True)
def equal_spans(codes: Codes, begins: Numbers, ends: Numbers, same_as: Numbers) -> bool:
    """Whether each span of the codes holds the same words as the span `same_as` it."""
    for index in range(len(begins)):
        other = same_as[index]
        if ends[index] - begins[index] != ends[other] - begins[other]:
            return False
        for offset in range(ends[index] - begins[index]):
            if codes[begins[index] + offset] != codes[begins[other] + offset]:
                return False
    return True


@njit(cache=True)
def _end_of_match(
    characters: Characters, start: int, table: Codes, codes: Codes, begin: int, end: int
) -> int:
    """Where the words codes[begin:end] end in the characters, in which a word begins at `start`; -1 if others do."""
    at, last = begin, start
    for position in range(start, len(characters)):
        character = characters[position]
        folded = table[character] if character < len(table) else np.uint32(character)
        if folded == LEFT_OUT:
            continue
        if folded == SEPARATES:
            if at == end:
                return last
            if codes[at] == _BLANK:
                at += 1
            elif codes[at - 1] != _BLANK:  # else one more blank after another
                return -1
            continue
        if at == end or codes[at] != folded:
            return -1
        at += 1
        last = position + 1
    return last if at == end else -1


@njit(cache=True)
def may_compose(characters: Codes, settling: npt.NDArray[np.uint8]) -> bool:
    """Whether a text may be another in NFC. `settling` is by code point, its last value for those beyond.

    False too where over `MAX_COMBINING` combining marks stand in a row, which no language writes.
    """
    found = False
    run = 0
    for character in characters:
        kind = settling[min(character, len(settling) - 1)]
        if kind == SETTLED:
            run = 0
            continue
        found = True
        run = run + 1 if kind == COMBINING else 0
        if run > MAX_COMBINING:
            return False
    return found


@njit(cache=True)
def find_ngrams(
    characters: Characters,
    table: Codes,
    codes: Codes,
    keys: Keys,
    begins: Numbers,
    ends: Numbers,
    bits: npt.NDArray[np.uint8],
    shift: int,
    firsts: npt.NDArray[np.int32],
    first_shift: int,
    seen: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int64],
) -> int:
    """Writes rows (n-gram, start, end) to `found` in the order of the text, one for the first place of each n-gram.

    `keys` are sorted; bit `key >> shift` of `bits` is set for each, which stands at `firsts[key >> first_shift]` or
    soon after. `seen` is zero before, and one for what was found. Returns the number of rows, at most one an n-gram.
    """
    highest_long = np.uint64(1)
    for _ in range(WORDS):
        highest_long *= MULTIPLIER
    highest_short = np.uint64(1)
    for _ in range(MIN_WORDS):
        highest_short *= MULTIPLIER
    ring = np.zeros(_RING, dtype=np.uint64)  # hashes of the last words
    starts = np.zeros(_RING, dtype=np.int64)  # and where they begin
    long = short = np.uint64(0)
    word = FIRST_WORD_STATE
    inside = False
    words = count = 0
    for position in range(len(characters) + 1):
        folded = np.uint32(SEPARATES)
        if position < len(characters):
            character = characters[position]
            folded = table[character] if character < len(table) else np.uint32(character)
            if folded == LEFT_OUT:
                continue
        if folded != SEPARATES:
            if not inside:
                starts[words % _RING] = position
                inside = True
            word = (word ^ np.uint64(folded)) * MULTIPLIER
            continue
        if not inside:
            continue
        inside = False
        last = mixed(word)
        word = FIRST_WORD_STATE
        # Before the first words the ring holds zeros, so that nothing is taken away.
        long = long * MULTIPLIER + last - highest_long * ring[(words - WORDS) % _RING]
        short = short * MULTIPLIER + last - highest_short * ring[(words - MIN_WORDS) % _RING]
        ring[words % _RING] = last
        words += 1
        for length, key in ((WORDS, long), (MIN_WORDS, short ^ _SHORT)):
            place = key >> np.uint64(shift)
            if words < length or not (bits[place >> np.uint64(3)] >> (place & np.uint64(7))) & np.uint64(1):
                continue
            index = firsts[key >> np.uint64(first_shift)]
            while index < len(keys) and keys[index] < key:
                index += 1
            while index < len(keys) and keys[index] == key:
                if not seen[index]:
                    start = starts[(words - length) % _RING]
                    end = _end_of_match(characters, start, table, codes, begins[index], ends[index])
                    if end >= 0:
                        seen[index] = 1
                        found[count, 0] = index
                        found[count, 1] = start
                        found[count, 2] = end
                        count += 1
                index += 1
    return count
