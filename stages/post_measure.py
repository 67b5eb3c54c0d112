"""Counts of a post's HTML and of texts, as `stages.content` counts; independent of what writes the text, which they
check."""

from __future__ import annotations

from numba import njit

from stages.extraction.attributes import GREATER, LESS, SLASH, is_letter
from stages.extraction.characters import AMPERSAND, SPACE, Bytes, kind_of, reference_at
from stages.extraction.markup import name_at, skip_past
from stages.post_tags import CODE_HASH, PRE_HASH

_DOLLAR, _NEW_LINE, _TAB, _BLANK = (ord(c) for c in "$\n\t ")


@njit(cache=True)
def count_characters(data: Bytes) -> tuple[int, int]:
    """Characters but for blanks, tabs and line ends, and ASCII digits, of UTF-8."""
    characters = digits = 0
    for byte in data:
        characters += byte & 0xC0 != 0x80 and byte != _BLANK and byte != _NEW_LINE and byte != _TAB
        digits += 48 <= byte <= 57
    return characters, digits


@njit(cache=True)
def measure_post(data: Bytes) -> tuple[int, int, int, int]:
    """Counts of the HTML itself: characters but for blanks, tabs and line ends; ASCII digits; characters of code (a
    reference is one); dollar signs outside of tags and code."""
    size = len(data)
    characters, digits = count_characters(data)
    code_characters = dollars = 0
    in_pre = in_code = False
    at = 0
    while at < size:
        byte = data[at]
        behind = at + 1
        if byte == LESS and behind < size and (data[behind] == SLASH or is_letter(int(data[behind]))):
            closes = data[behind] == SLASH
            hashed, behind = name_at(data, behind + closes)
            if hashed == PRE_HASH:
                in_pre = not closes
            elif hashed == CODE_HASH:
                in_code = not closes
            behind = skip_past(data, behind, GREATER)
        elif in_pre or in_code:
            if byte == AMPERSAND:
                point, behind = reference_at(data, at, size)
                code_characters += not (behind > at + 1 and kind_of(point) == SPACE)
            else:
                code_characters += byte > _BLANK and byte & 0xC0 != 0x80
        else:
            dollars += byte == _DOLLAR
        at = behind
    return characters, digits, code_characters, dollars
