"""Characters of a page's bytes: which letter, mark or space stands at a place, references (`&amp;`) included.

Words are counted in quarters: a run of letters and digits is one word, a Han or kana character half a word, a Thai,
Lao, Khmer or Burmese character a quarter, as those scripts are written without spaces. (Chinese words have about two
characters; Thai words have about four.)
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.elements import ENTITY_HASHES, ENTITY_POINTS, MAX_ENTITY_BYTES
from stages.extraction.hashing import FIRST_HASH, PRIME, look_up

Bytes = NDArray[np.uint8]

WORD_UNITS = 4  # of one word in the counts of words

# Kinds of characters.
OTHER, SPACE, LETTER, DIGIT, SENTENCE_END, COMMA, CLOSER, JOINER, NOTHING, HAN, UNSPACED = range(11)

ASCII_KINDS = np.full(128, OTHER, dtype=np.uint8)
for _characters, _kind in (
    (" \t\n\r\f", SPACE),
    ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", LETTER),
    ("0123456789", DIGIT),
    (".!?", SENTENCE_END),
    (",", COMMA),
    ('":', CLOSER),  # what else prose ends in
    ("'", JOINER),  # inside a word
    ("\0", NOTHING),
):
    for _character in _characters:
        ASCII_KINDS[ord(_character)] = _kind

AMPERSAND, HASH_SIGN, SEMICOLON = ord("&"), ord("#"), ord(";")
NBSP = 0xA0
MAX_DIGITS = 12  # of a numeric reference; what has more is not counted as one character


@njit(cache=True)
def kind_of(point: int) -> int:
    """The kind of a code point."""
    if point < 0x80:
        return int(ASCII_KINDS[point])
    if point < 0xC0:
        if point == NBSP:
            return SPACE
        if point == 0xAD:  # soft hyphen
            return NOTHING
        if point == 0xBB:  # »
            return CLOSER
        return LETTER if point == 0xAA or point == 0xB5 or point == 0xBA else OTHER
    if point < 0x590:
        return OTHER if point == 0xD7 or point == 0xF7 else LETTER
    if point < 0x2000:
        if point == 0x60C:  # Arabic comma
            return COMMA
        if (
            point == 0x61F or point == 0x6D4 or point == 0x964 or point == 0x965
        ):  # Arabic ? and full stop, dandas
            return SENTENCE_END
        if 0xE00 <= point < 0xF00 or 0x1000 <= point < 0x10A0 or 0x1780 <= point < 0x1800:
            return UNSPACED
        return LETTER
    if point < 0x2C00:
        if point <= 0x200A or point == 0x2028 or point == 0x2029 or point == 0x202F or point == 0x205F:
            return SPACE
        if point <= 0x200F or (0x202A <= point <= 0x202E) or (0x2060 <= point <= 0x206F):
            return NOTHING  # joiners and marks of direction
        if point == 0x2019:  # ’ is an apostrophe as often as a quote
            return JOINER
        if point == 0x2026:  # …
            return SENTENCE_END
        if 0x2070 <= point < 0x20A0 or 0x2100 <= point < 0x2190 or 0x2460 <= point < 0x2500:
            return LETTER  # superscripts, letter-like signs, number forms, numbers in circles
        return CLOSER if point == 0x201C or point == 0x201D else OTHER
    if point < 0x3040:
        if point < 0x2E00:
            return LETTER
        if point == 0x3000:
            return SPACE
        if point == 0x3001:
            return COMMA
        if point == 0x3002:
            return SENTENCE_END
        if 0x3005 <= point <= 0x3007:
            return HAN
        return CLOSER if point == 0x300D or point == 0x300F else OTHER
    if (
        point <= 0x30FF
        or 0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF
        or 0x20000 <= point <= 0x3FFFF
    ):
        return HAN
    if 0xFE00 <= point <= 0xFE0F or point == 0xFEFF:
        return NOTHING
    if 0xFF00 <= point <= 0xFF0F or 0xFF1A <= point <= 0xFF20:
        if point == 0xFF0C:
            return COMMA
        return SENTENCE_END if point == 0xFF01 or point == 0xFF0E or point == 0xFF1F else OTHER
    return LETTER


@njit(cache=True)
def is_capital(point: int) -> bool:
    """A capital letter of the Latin, Greek or Cyrillic alphabet (their main blocks)."""
    return (
        65 <= point <= 90 or (0xC0 <= point <= 0xDE) or (0x391 <= point <= 0x3A9) or (0x400 <= point <= 0x42F)
    )


@njit(cache=True)
def is_small(point: int) -> bool:
    """A small letter of the Latin, Greek or Cyrillic alphabet (their main blocks)."""
    return (
        97 <= point <= 122
        or (0xDF <= point <= 0xFF)
        or (0x3B1 <= point <= 0x3C9)
        or (0x430 <= point <= 0x45F)
    )


@njit(cache=True)
def character_at(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Code point and end of the character whose UTF-8 begins at `at`; a broken one is one byte long, U+FFFD."""
    first = int(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xC2 or first > 0xF4:
        return 0xFFFD, at + 1
    if first < 0xE0:
        length, point = 2, first & 0x1F
    elif first < 0xF0:
        length, point = 3, first & 0x0F
    else:
        length, point = 4, first & 0x07
    if at + length > end:
        return 0xFFFD, at + 1
    for place in range(at + 1, at + length):
        byte = int(data[place])
        if byte & 0xC0 != 0x80:
            return 0xFFFD, at + 1
        point = point << 6 | byte & 0x3F
    return point, at + length


@njit(cache=True)
def reference_at(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Code point and end of the character reference at `at`, where an `&` is; the `&` itself if there is none.

    Of a name that stands for two code points, the first. Prefixes (`&notit;`) are not searched: these are counts and
    spaces; the text goes through `html.unescape`.
    """
    place = at + 1
    if place < end and data[place] == HASH_SIGN:
        place += 1
        base = 10
        if place < end and (data[place] | 32) == 120:  # x
            base = 16
            place += 1
        first_digit = place
        point = 0
        while place < end and place - first_digit < MAX_DIGITS:
            byte = int(data[place])
            if 48 <= byte <= 57:
                digit = byte - 48
            elif base == 16 and 97 <= (byte | 32) <= 102:
                digit = (byte | 32) - 87
            else:
                break
            point = point * base + digit
            place += 1
        if place == first_digit:
            return AMPERSAND, at + 1
        if place < end and data[place] == SEMICOLON:
            place += 1
        return (point if 0 < point < 0x110000 else 0xFFFD), place
    hashed = FIRST_HASH
    stop = min(end, at + MAX_ENTITY_BYTES)
    while place < stop:
        byte = int(data[place])
        is_letter = 97 <= (byte | 32) <= 122 and byte < 128
        if not (is_letter or 48 <= byte <= 57):
            break
        hashed = (hashed ^ np.uint64(byte)) * PRIME
        place += 1
    if place == at + 1:
        return AMPERSAND, at + 1
    point = -1
    if place < end and data[place] == SEMICOLON:
        point = look_up(ENTITY_HASHES, ENTITY_POINTS, (hashed ^ np.uint64(SEMICOLON)) * PRIME)
        if point >= 0:
            return point, place + 1
    point = look_up(ENTITY_HASHES, ENTITY_POINTS, hashed)
    return (point, place) if point >= 0 else (AMPERSAND, at + 1)
