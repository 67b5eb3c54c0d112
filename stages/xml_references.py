"""References in an XML value, as writers of dumps use them: the five named ones and the white-space characters.

In: the bytes of an attribute's value between its quotes. Out: the bytes that they stand for (XML 1.0, sections 4.1 and
4.6), or None when there is another reference, or none where one must be, so that an XML parser has to look.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stages.extraction.characters import AMPERSAND, SEMICOLON, Bytes

_NAMES = ("lt", "gt", "amp", "quot", "apos", "#xA", "#xD", "#x9", "#10", "#13", "#9", "#39", "#34")
_MEANINGS = dict(zip(_NAMES, "<>&\"'\n\r\t\n\r\t'\"", strict=True))
_LONGEST = max(map(len, _MEANINGS))
# A reference is a number: its bytes between & and ;, read in base 256.
_NUMBERS = np.array([int.from_bytes(name.encode()) for name in _MEANINGS], dtype=np.uint64)
_STANDS_FOR = np.array([ord(meaning) for meaning in _MEANINGS.values()], dtype=np.uint8)


@njit(cache=True)
def resolve(data: Bytes, start: int, end: int, escaped: bool, out: Bytes) -> int:
    """Writes a value with all references read, or as it is when it is not `escaped`; returns its bytes, or -1 when it
    holds another reference."""
    written = 0
    at = start
    while at < end:
        byte = data[at]
        at += 1
        if byte == AMPERSAND and escaped:
            number = np.uint64(0)
            stop = min(end, at + _LONGEST + 1)
            while at < stop and data[at] != SEMICOLON:
                number = number << np.uint64(8) | np.uint64(data[at])
                at += 1
            if at == stop:
                return -1
            at += 1
            known = False
            for row in range(len(_NUMBERS)):
                if _NUMBERS[row] == number:
                    byte = _STANDS_FOR[row]
                    known = True
                    break
            if not known:
                return -1
        out[written] = byte
        written += 1
    return written


def read_references(value: bytes) -> bytes | None:
    """A short value with its references read; None when one of them is not of the five named ones."""
    if b"&" not in value:
        return value
    value = (
        value.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"&quot;", b'"').replace(b"&apos;", b"'")
    )
    if b"&" not in value:
        return value
    return value.replace(b"&amp;", b"&") if value.count(b"&") == value.count(b"&amp;") else None
