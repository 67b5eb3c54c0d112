"""Lines as they are compared: the UTF-8 of a text and a table of characters in, its normalised lines out.

One compiled pass over the bytes strips each line and puts every character through the table, which may change it or
delete it. The table is built from this Python's own `str` methods, so that the result is theirs. What a table of single
characters cannot say (a lower-case form that depends on the neighbours, or of two characters) is marked in it, and
lines with such a character come out as unsure, for the caller to normalise in another way.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

# An entry of the table: the new character in the low 21 bits, and these marks.
_CHARACTER = 0x1FFFFF
_WHITE = 1 << 21  # stripped at both ends of a line
_DELETED = 1 << 22
_UNSURE = 1 << 23
TABLE_SIZE = 0x20000  # no character beyond is in upper case, a digit or white space

SLACK = 80  # a hash may read a block (64 bytes) and its own padding (8) beyond the last line
PADDING = b"\n" + bytes(8)  # ends the last line, and lets 8 bytes be read at once from any byte of a line

_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint32]
Numbers: TypeAlias = NDArray[np.int64]

_EACH = 0x0101010101010101  # times a byte: that byte eight times


def character_table(deleted: str) -> NDArray[np.uint32]:
    """The table for: strip, lower case, each decimal digit of any script as `0`, and then `deleted` deleted.

    `deleted` has no letters and no printable ASCII: of that the compiled pass takes eight at once, without the table.
    """
    assert not any(c.isalpha() or " " <= c <= "~" for c in deleted), "letters or printable ASCII"
    characters = [chr(c) for c in range(TABLE_SIZE)]
    lowered = [c.lower() for c in characters]
    table = np.array([ord(low[0]) for low in lowered], dtype=np.uint32)
    for c in {*deleted} - {"\n"}:
        table[ord(c)] |= _DELETED
    for white in re.finditer(r"\s", "".join(characters)):
        table[white.start()] |= _WHITE
    for digit in re.finditer(r"\d", "".join(characters)):
        table[digit.start()] = ord("0")  # before anything is deleted, so no digit ever is
    for code, (c, low) in enumerate(zip(characters, lowered, strict=True)):
        # Capital sigma has two lower-case forms. A form of more bytes would outgrow the buffer of the compiled pass.
        if c != low and (len(low) > 1 or c == "Σ" or len(low.encode()) > len(c.encode())):
            table[code] |= _UNSURE
    return table


@njit(cache=True)
def load(data: Bytes, at: np.uint64) -> np.uint64:
    """8 bytes as a little-endian number; the compiler makes one instruction of it."""
    value = _U64(data[at])
    for k in range(1, 8):
        value |= _U64(data[at + _U64(k)]) << _U64(8 * k)
    return value


@njit(cache=True)
def _entry(text: Bytes, at: np.uint64, table: Words) -> tuple[np.uint32, np.uint64]:
    """Table entry of the character at a byte, and the byte after it."""
    b = _U32(text[at])
    if b < 0x80:
        return table[b], at + _U64(1)
    code = _U32(text[at + _U64(1)] & 63)
    if b < 0xE0:
        return table[(b & _U32(31)) << _U32(6) | code], at + _U64(2)
    code = code << _U32(6) | _U32(text[at + _U64(2)] & 63)
    if b < 0xF0:
        return table[(b & _U32(15)) << _U32(12) | code], at + _U64(3)
    code = (b & _U32(7)) << _U32(18) | code << _U32(6) | _U32(text[at + _U64(3)] & 63)
    return (table[code] if code < TABLE_SIZE else code), at + _U64(4)


@njit(cache=True)
def _put(out: Bytes, o: np.uint64, c: np.uint32) -> np.uint64:
    """Writes a character in UTF-8; returns the place after it."""
    if c < 0x80:
        out[o] = c
        return o + _U64(1)
    if c < 0x800:
        out[o] = _U32(0xC0) | c >> _U32(6)
        out[o + _U64(1)] = _U32(0x80) | c & _U32(63)
        return o + _U64(2)
    if c < 0x10000:
        out[o] = _U32(0xE0) | c >> _U32(12)
        out[o + _U64(1)] = _U32(0x80) | c >> _U32(6) & _U32(63)
        out[o + _U64(2)] = _U32(0x80) | c & _U32(63)
        return o + _U64(3)
    out[o] = _U32(0xF0) | c >> _U32(18)
    out[o + _U64(1)] = _U32(0x80) | c >> _U32(12) & _U32(63)
    out[o + _U64(2)] = _U32(0x80) | c >> _U32(6) & _U32(63)
    out[o + _U64(3)] = _U32(0x80) | c & _U32(63)
    return o + _U64(4)


@njit(cache=True)
def normalise_lines(text: Bytes, table: Words) -> tuple[Bytes, Numbers, Numbers]:
    """The normalised lines one after another, the end of each in them, and the numbers of the unsure ones.

    `text` ends in `PADDING`. The normalised lines are followed by at least `SLACK` bytes of anything.
    """
    high, low = _U64(0x80 * _EACH), _U64(0x7F * _EACH)
    count = 0
    for b in text[: text.size - 8]:
        count += b == 10
    out = np.empty(text.size + SLACK, dtype=np.uint8)
    ends = np.empty(count, dtype=np.int64)
    unsure = np.empty(count, dtype=np.int64)
    doubts = 0
    at = o = _U64(0)
    for line in range(count):
        while text[at] != 10:
            entry, after = _entry(text, at, table)
            if not entry & _U32(_WHITE):
                break
            at = after
        begin = at
        marks = _U32(0)
        while True:
            # Eight bytes at once: `special` has the top bit of each that is no printable ASCII. All eight are written,
            # in lower case and with digits as 0; those before the first special one count.
            x = load(text, at)
            t = x & low
            special = (x | ~(t + _U64(0x60 * _EACH)) | (t + _U64(_EACH))) & high
            upper = (t + _U64(0x3F * _EACH)) & ~(t + _U64(0x25 * _EACH)) & high
            digit = (t + _U64(0x50 * _EACH)) & ~(t + _U64(0x46 * _EACH)) & high
            x = (x | upper >> _U64(2)) & ~((digit >> _U64(7)) * _U64(15))
            for k in range(8):
                out[o + _U64(k)] = _U8(x >> _U64(8 * k))
            below = (special - _U64(1)) & ~special & high
            plain = (below >> _U64(7)) * _U64(_EACH) >> _U64(56)
            at += plain
            o += plain
            if special == 0:
                continue
            if text[at] == 10:
                break
            while True:
                entry, at = _entry(text, at, table)
                marks |= entry
                if not entry & _U32(_DELETED):
                    o = _put(out, o, entry & _U32(_CHARACTER))
                if text[at] < 0x80:
                    break
        # The white space at the end is taken back, as far as it was not deleted anyway.
        last = at
        while last > begin:
            after = last
            last -= _U64(1)
            while text[last] & 0xC0 == 0x80:
                last -= _U64(1)
            entry, _ = _entry(text, last, table)
            if not entry & _U32(_WHITE):
                break
            if not entry & _U32(_DELETED):
                o -= after - last
        ends[line] = o
        at += _U64(1)
        if marks & _U32(_UNSURE):
            unsure[doubts] = line
            doubts += 1
    return out, ends, unsure[:doubts].copy()
