"""Rows of Posts.xml as the dump writes them, taken apart without an XML parser, many at once.

    <row Id="1" PostTypeId="1" ... Body="&lt;p&gt;..." />

In: the bytes of rows. Out: for each its numbers and where its texts stand, or that an XML parser has to look, which
is so for everything that is not of this form: other quotes, blanks around `=`, line ends, control characters, an
attribute that comes twice, and whatever is not well-formed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import DOUBLE_QUOTE, EQUALS, GREATER, LESS, SLASH, is_letter
from stages.extraction.characters import AMPERSAND, Bytes
from stages.extraction.hashing import FIRST_HASH, PRIME, hash_table, look_up

Numbers = NDArray[np.int64]

# Columns of a row: whether it is of the form, its numbers, and starts and ends of its texts (equal when there is none).
IS_USUAL, ID, KIND, PARENT, SCORE, ACCEPTED = range(6)
CREATED, LICENSE, OWNER, NAME, TITLE, TAGS, BODY = range(6, 20, 2)
COLUMNS = 20
MISSING = -(1 << 62)  # a number that is not there, or is none
MAX_DIGITS = 18  # what fits into 64 bits

_NUMBERS_OF = {"Id": ID, "PostTypeId": KIND, "ParentId": PARENT, "Score": SCORE, "AcceptedAnswerId": ACCEPTED}
_TEXTS = {
    "CreationDate": CREATED,
    "ContentLicense": LICENSE,
    "OwnerUserId": OWNER,
    "OwnerDisplayName": NAME,
    "Title": TITLE,
    "Tags": TAGS,
    "Body": BODY,
}
_HASHES, _PLACES = hash_table({**_NUMBERS_OF, **_TEXTS})
MAX_ATTRIBUTES = 40  # of a row; the schema has 22
_MINUS, _BLANK, _ZERO = ord("-"), ord(" "), ord("0")
_START = np.frombuffer(b"<row", dtype=np.uint8)


@njit(cache=True)
def _number(data: Bytes, start: int, end: int) -> int:
    negative = start < end and data[start] == _MINUS
    at = start + negative
    if at == end or end - at > MAX_DIGITS:
        return MISSING
    number = 0
    while at < end:
        digit = int(data[at]) - _ZERO
        if not 0 <= digit <= 9:
            return MISSING
        number = number * 10 + digit
        at += 1
    return -number if negative else number


@njit(cache=True)
def _scan_row(data: Bytes, at: int, end: int, row: Numbers, seen: NDArray[np.uint64]) -> bool:
    """Reads one row into its columns; False when it is not of the form."""
    for byte in _START:
        if at == end or data[at] != byte:
            return False
        at += 1
    count = 0
    while at + 1 < end and data[at] == _BLANK:
        at += 1
        if data[at] == SLASH:
            break
        hashed = FIRST_HASH
        while at < end and is_letter(int(data[at])):
            hashed = (hashed ^ np.uint64(data[at])) * PRIME
            at += 1
        if at + 2 >= end or data[at] != EQUALS or data[at + 1] != DOUBLE_QUOTE or hashed == FIRST_HASH:
            return False
        for other in range(count):
            if seen[other] == hashed:
                return False
        if count == MAX_ATTRIBUTES:
            return False
        seen[count] = hashed
        count += 1
        at += 2
        start = at
        references = 0
        while at < end and data[at] != DOUBLE_QUOTE:
            if data[at] < 32 or data[at] == LESS:
                return False
            references += data[at] == AMPERSAND
            at += 1
        place = look_up(_HASHES, _PLACES, hashed)
        if references and place < OWNER:
            return False  # nobody here would see that one is wrong
        if place > ACCEPTED:
            row[place], row[place + 1] = start, at
        elif place >= 0:
            row[place] = _number(data, start, at)
        at += 1
    if at + 1 >= end or data[at] != SLASH or data[at + 1] != GREATER:
        return False
    at += 2
    while at < end and data[at] <= _BLANK:
        at += 1
    return at == end


@njit(cache=True)
def scan_rows(data: Bytes, bounds: Numbers) -> Numbers:
    """The columns of each row of `data` between `bounds`."""
    table = np.zeros((len(bounds) - 1, COLUMNS), dtype=np.int64)
    seen = np.zeros(MAX_ATTRIBUTES, dtype=np.uint64)
    for number in range(len(table)):
        row = table[number]
        row[ID : ACCEPTED + 1] = MISSING
        row[IS_USUAL] = _scan_row(data, bounds[number], bounds[number + 1], row, seen)
    return table
