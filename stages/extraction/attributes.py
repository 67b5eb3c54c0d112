"""One tag's attributes, read in place: class and id words, hidden or not, and the values that state facts of the page.

Attributes end, are quoted and are told apart as in the HTML Living Standard, section 13.2.5 (states 32 to 40).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import ASCII_KINDS, SPACE, Bytes
from stages.extraction.elements import (
    ARIA_HIDDEN,
    ATTRIBUTE_HASHES,
    ATTRIBUTE_NUMBERS,
    CLASS,
    COMMENT_HASHES,
    COMMENT_NUMBERS,
    HIDDEN,
    ID,
    IN_ARIA_HIDDEN,
    IN_COMMENTS,
    IN_HIDDEN,
    ITEMPROP,
    NAME,
    OPEN,
    ROLE,
    STYLE,
)
from stages.extraction.hashing import FIRST_HASH, PRIME, look_up

MAX_VALUE_BYTES = 240  # of a class, id, role: the words behind are not read
MAX_WORDS = 64  # of an element: the words behind are not read
MIN_WORD_BYTES = 2

LESS, GREATER, SLASH, EQUALS, DOUBLE_QUOTE, SINGLE_QUOTE, AT_SIGN = (ord(c) for c in "<>/=\"'@")
_DISPLAY_NONE = np.frombuffer(b"display:none", dtype=np.uint8)
_VISIBILITY_HIDDEN = np.frombuffer(b"visibility:hidden", dtype=np.uint8)


@njit(cache=True)
def is_space(byte: int) -> bool:
    return byte < 128 and ASCII_KINDS[byte] == SPACE


@njit(cache=True)
def lowered(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True)
def is_letter(byte: int) -> bool:
    return 97 <= lowered(byte) <= 122


@njit(cache=True)
def _holds(data: Bytes, start: int, end: int, wanted: Bytes) -> bool:
    """Is `wanted` in a value, whatever the case and the white space inside?"""
    for first in range(start, end):
        if lowered(int(data[first])) != wanted[0]:
            continue
        matched = 1
        place = first + 1
        while place < end and matched < len(wanted):
            byte = lowered(int(data[place]))
            if byte == wanted[matched]:
                matched += 1
            elif not is_space(byte) or place - first > 4 * len(wanted):
                break
            place += 1
        if matched == len(wanted):
            return True
    return False


@njit(cache=True)
def value_hash(data: Bytes, start: int, end: int) -> np.uint64:
    """The hash of a value in lower case without white space around it."""
    while start < end and is_space(int(data[start])):
        start += 1
    while end > start and is_space(int(data[end - 1])):
        end -= 1
    hashed = FIRST_HASH
    for place in range(start, min(end, start + MAX_VALUE_BYTES)):
        hashed = (hashed ^ np.uint64(lowered(int(data[place])))) * PRIME
    return hashed


@njit(cache=True)
def _note_word(
    hashes: NDArray[np.uint64],
    places: NDArray[np.int32],
    first: int,
    count: int,
    hashed: np.uint64,
    start: int,
    end: int,
) -> int:
    """Adds a word that the element does not have yet; returns the new number of words."""
    if count - first >= MAX_WORDS:
        return count
    for known in range(first, count):
        if hashes[known] == hashed:
            return count
    hashes[count] = hashed
    places[count, 0] = start
    places[count, 1] = end
    return count + 1


@njit(cache=True)
def _read_words(
    data: Bytes,
    start: int,
    end: int,
    code: int,
    hashes: NDArray[np.uint64],
    places: NDArray[np.int32],
    first: int,
    count: int,
    path: np.uint64,
) -> tuple[int, np.uint64, bool]:
    """Splits a value into words at everything but ASCII letters and where a small letter meets a capital.

    Returns the number of words, the path hash with the words of a class added, and whether a whole name of a class or
    an id is one of a comment section. Words of role and itemprop begin with `@`.
    """
    begin = FIRST_HASH
    if code in (ROLE, ITEMPROP):
        begin = (begin ^ np.uint64(AT_SIGN)) * PRIME
    end = min(end, start + MAX_VALUE_BYTES)
    hashed, whole = begin, FIRST_HASH
    length = 0
    after_small = False
    comments = False
    for place in range(start, end + 1):
        byte = int(data[place]) if place < end else 32
        small = lowered(byte)
        in_word = 97 <= small <= 122
        if length > 0 and (not in_word or (small != byte and after_small)):
            if length >= MIN_WORD_BYTES:
                count = _note_word(hashes, places, first, count, hashed, place - length, place)
                if code == CLASS:
                    path = (path ^ hashed) * PRIME
            hashed, length = begin, 0
        if in_word:
            hashed = (hashed ^ np.uint64(small)) * PRIME
            length += 1
            after_small = small == byte
        else:
            after_small = False
        if is_space(byte):
            if code <= ID and look_up(COMMENT_HASHES, COMMENT_NUMBERS, whole) >= 0:
                comments = True
            whole = FIRST_HASH
        else:
            whole = (whole ^ np.uint64(small)) * PRIME
    return count, path, comments


@njit(cache=True)
def read_attributes(
    data: Bytes,
    at: int,
    path: np.uint64,
    hashes: NDArray[np.uint64],
    places: NDArray[np.int32],
    count: int,
    values: NDArray[np.int32],
) -> tuple[int, bool, np.uint64, np.uint64, int, bool]:
    """Reads a start tag from behind its name.

    `values` gets start and end of the value of each attribute code from NAME on (-1 where there is none, the first
    counts). Returns the place behind the tag, whether it closes itself, the bits of what it is in, its path hash, the
    number of words, and whether it has the attribute `open`.
    """
    size = len(data)
    first = count
    bits = np.uint64(0)
    closes_itself = False
    is_open = False
    values[:, :] = -1
    while at < size:
        byte = int(data[at])
        if byte == GREATER:
            break
        if byte == SLASH or is_space(byte):
            closes_itself = byte == SLASH
            at += 1
            continue
        closes_itself = False
        hashed = FIRST_HASH
        name_start = at
        while at < size:
            byte = int(data[at])
            if byte in (GREATER, SLASH) or is_space(byte) or (byte == EQUALS and at > name_start):
                break
            hashed = (hashed ^ np.uint64(lowered(byte))) * PRIME
            at += 1
        while at < size and is_space(int(data[at])):
            at += 1
        start = end = at
        if at < size and data[at] == EQUALS:
            at += 1
            while at < size and is_space(int(data[at])):
                at += 1
            if at < size and (data[at] == DOUBLE_QUOTE or data[at] == SINGLE_QUOTE):
                quote = data[at]
                at += 1
                start = at
                while at < size and data[at] != quote:
                    at += 1
                end = at
                at += 1
            else:
                start = at
                while at < size and data[at] != GREATER and not is_space(int(data[at])):
                    at += 1
                end = at
        code = look_up(ATTRIBUTE_HASHES, ATTRIBUTE_NUMBERS, hashed)
        if code < 0:
            continue
        if code <= ROLE or code == ITEMPROP:
            count, path, comments = _read_words(data, start, end, code, hashes, places, first, count, path)
            if comments:
                bits |= IN_COMMENTS
        elif code == STYLE:
            if _holds(data, start, end, _DISPLAY_NONE) or _holds(data, start, end, _VISIBILITY_HIDDEN):
                bits |= IN_HIDDEN
        elif code == HIDDEN:
            bits |= IN_HIDDEN
        elif code == ARIA_HIDDEN:
            if start < end and lowered(int(data[start])) == 116:  # true
                bits |= IN_ARIA_HIDDEN
        elif code == OPEN:
            is_open = True
        if code >= NAME and values[code, 0] < 0:
            values[code, 0] = start
            values[code, 1] = end
    return min(at + 1, size), closes_itself, bits, path, count, is_open
