"""Text between two tags, counted into the block that it belongs to."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import (
    AMPERSAND,
    ASCII_KINDS,
    CLOSER,
    COMMA,
    DIGIT,
    HAN,
    JOINER,
    LETTER,
    NOTHING,
    SENTENCE_END,
    SPACE,
    UNSPACED,
    WORD_UNITS,
    Bytes,
    character_at,
    is_capital,
    is_small,
    kind_of,
    reference_at,
)
from stages.extraction.hashing import FIRST_HASH, PRIME

# Raw counts of a block; words in quarters. STARTS and ENDS are no counts but the kinds of its first letter (1 small,
# 2 another) and of its last mark (1 ends like prose).
WORDS, LINK_WORDS, CHARACTERS, SENTENCE_ENDS, COMMAS, DIGITS, CAPITALS, LINE_BREAKS, STARTS, ENDS = range(10)
COUNTS = 10

LESS = ord("<")
STARTS_SMALL, STARTS_OTHERWISE = 1, 2

# What makes a `<` the begin of markup when it stands behind it (HTML 13.2.5.6): a letter, / ! ?
STARTS_MARKUP = np.zeros(256, dtype=np.bool_)
for _byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/!?":
    STARTS_MARKUP[_byte] = True


@njit(cache=True)
def clear(counts: NDArray[np.int32], text_hash: NDArray[np.uint64]) -> None:
    counts[:] = 0
    text_hash[0] = FIRST_HASH


@njit(cache=True)
def end_of_text(data: Bytes, at: int) -> int:
    """Where the next markup begins."""
    size = len(data)
    while at < size and (data[at] != LESS or at + 1 == size or not STARTS_MARKUP[data[at + 1]]):
        at += 1
    return at


@njit(cache=True)
def count_text(
    data: Bytes, at: int, linked: bool, counts: NDArray[np.int32], text_hash: NDArray[np.uint64]
) -> tuple[int, bool]:
    """Adds the text from `at` on to the counts; returns where it ends and whether a word is in it."""
    size = len(data)
    hashed = text_hash[0]
    words = characters = digits = 0
    in_word = False
    last_kind = -1
    while at < size:
        byte = int(data[at])
        if byte < 128:
            if byte == LESS and at + 1 < size and STARTS_MARKUP[data[at + 1]]:
                break
            if byte == AMPERSAND:
                point, at = reference_at(data, at, size)
                kind = kind_of(point)
            else:
                point = byte
                kind = int(ASCII_KINDS[byte])
                at += 1
        else:
            point, at = character_at(data, at, size)
            kind = kind_of(point)
        if kind == SPACE:
            in_word = False
            continue
        if kind == NOTHING:
            continue
        characters += 1
        hashed = (hashed ^ np.uint64(point)) * PRIME
        last_kind = kind
        if kind in (LETTER, DIGIT):
            if not in_word:
                in_word = True
                words += WORD_UNITS
                if is_capital(point):
                    counts[CAPITALS] += 1
                if counts[STARTS] == 0:
                    counts[STARTS] = STARTS_SMALL if is_small(point) else STARTS_OTHERWISE
            if kind == DIGIT:
                digits += 1
        elif kind in (HAN, UNSPACED):
            in_word = False
            words += WORD_UNITS // 2 if kind == HAN else WORD_UNITS // 4
            if counts[STARTS] == 0:
                counts[STARTS] = STARTS_OTHERWISE
        elif kind != JOINER:
            in_word = False
            if kind == SENTENCE_END:
                counts[SENTENCE_ENDS] += 1
            elif kind == COMMA:
                counts[COMMAS] += 1
    counts[WORDS] += words
    if linked:
        counts[LINK_WORDS] += words
    counts[CHARACTERS] += characters
    counts[DIGITS] += digits
    if last_kind >= 0:
        counts[ENDS] = 1 if last_kind in (SENTENCE_END, CLOSER, JOINER) else 0
    text_hash[0] = hashed
    return at, words > 0
