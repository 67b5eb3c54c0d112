"""Tags of a post's HTML: which ones matter, and what their attributes say.

Read by the HTML Living Standard, sections 13.2.5.6 to 13.2.5.40. Each call takes time linear in the bytes that it
passes.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import (
    DOUBLE_QUOTE,
    EQUALS,
    GREATER,
    SINGLE_QUOTE,
    SLASH,
    is_letter,
    is_space,
    lowered,
)
from stages.extraction.characters import Bytes
from stages.extraction.hashing import FIRST_HASH, PRIME, hash_table, look_up, name_hash
from stages.post_lines import MAX_START_DIGITS

# Kinds of tags; a tag that is not here (em, strong, span, kbd ...) only stands in the way of the text.
BLOCK, LINE, HEADING_TAG, RULE, BREAK, BULLET_LIST, NUMBER_LIST, ITEM_TAG, QUOTE_TAG, PRE, CODE_TAG = range(
    11
)
LINK_TAG, IMAGE, INDEX, EXPONENT, TABLE, ROW, CELL, DROPPED = range(11, 19)
_KINDS = {
    BLOCK: "p div section article details dl figure center address header footer main form",
    LINE: "dt dd summary caption figcaption",
    HEADING_TAG: "h1 h2 h3 h4 h5 h6",
    RULE: "hr",
    BREAK: "br",
    BULLET_LIST: "ul",
    NUMBER_LIST: "ol",
    ITEM_TAG: "li",
    QUOTE_TAG: "blockquote",
    PRE: "pre",
    CODE_TAG: "code",
    LINK_TAG: "a",
    IMAGE: "img",
    INDEX: "sub",
    EXPONENT: "sup",
    TABLE: "table",
    ROW: "tr",
    CELL: "td th",
    DROPPED: "script style template title noscript iframe object svg",
}
TAG_HASHES, TAG_KINDS = hash_table({name: kind for kind, names in _KINDS.items() for name in names.split()})

# Attributes that are read; the rows of an array of their start and end.
HREF, SRC, ALT, FIRST, CLASS = range(5)
_ATTRIBUTE_HASHES, _ATTRIBUTE_ROWS = hash_table(
    {"href": HREF, "src": SRC, "alt": ALT, "start": FIRST, "class": CLASS}
)
PRE_HASH, CODE_HASH = np.uint64(name_hash("pre")), np.uint64(name_hash("code"))


def _bytes(text: str) -> Bytes:
    return np.frombuffer(text.encode(), dtype=np.uint8)


_SPOILER, _LANG, _LANGUAGE = _bytes("spoiler"), _bytes("lang-"), _bytes("language-")
_NOT_LANGUAGES = (_bytes("none"), _bytes("default"))
_DASH, _DOT, _PLUS, _SHARP = (ord(c) for c in "-.+#")


@njit(cache=True)
def is_at(data: Bytes, at: int, end: int, wanted: Bytes) -> bool:
    if at + len(wanted) > end:
        return False
    same = 0
    while same < len(wanted) and data[at + same] == wanted[same]:
        same += 1
    return same == len(wanted)


@njit(cache=True)
def read_tag(data: Bytes, at: int, values: NDArray[np.int64]) -> int:
    """Reads a tag from behind its name; returns the place behind it, or -1 when the post ends within it.

    `values` gets start and end of the values of the known attributes, -1 where there is none; the first counts.
    """
    size = len(data)
    for row in range(len(values)):
        values[row, 0] = values[row, 1] = -1
    while at < size:
        byte = int(data[at])
        if byte == GREATER:
            return at + 1
        if byte == SLASH or is_space(byte):
            at += 1
            continue
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
        if at == size or data[at] != EQUALS:
            continue
        at += 1
        while at < size and is_space(int(data[at])):
            at += 1
        if at == size:
            return -1
        if data[at] == DOUBLE_QUOTE or data[at] == SINGLE_QUOTE:
            quote = data[at]
            start = at + 1
            at = start
            while at < size and data[at] != quote:
                at += 1
            end = at
            at += 1
        else:
            start = at
            while at < size and data[at] != GREATER and not is_space(int(data[at])):
                at += 1
            end = at
        row = look_up(_ATTRIBUTE_HASHES, _ATTRIBUTE_ROWS, hashed)
        if row >= 0 and values[row, 0] < 0:
            values[row, 0] = start
            values[row, 1] = end
    return -1


@njit(cache=True)
def is_spoiler(data: Bytes, start: int, end: int) -> bool:
    """Is `spoiler` among the words of a class attribute?"""
    for at in range(start, end - len(_SPOILER) + 1):
        behind = at + len(_SPOILER)
        if (
            is_at(data, at, end, _SPOILER)
            and (at == start or is_space(int(data[at - 1])))
            and (behind == end or is_space(int(data[behind])))
        ):
            return True
    return False


@njit(cache=True)
def language_of(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Where the language stands that a class attribute names (`lang-py`, `language-python`); 0, 0 for none."""
    for at in range(max(start, 0), end):
        if at > start and not is_space(int(data[at - 1])):
            continue
        first = at
        if is_at(data, at, end, _LANG):
            first = at + len(_LANG)
        elif is_at(data, at, end, _LANGUAGE):
            first = at + len(_LANGUAGE)
        last = first
        while last < end and not is_space(int(data[last])):
            byte = int(data[last])
            if not (is_letter(byte) or 48 <= byte <= 57 or byte in (_DASH, _DOT, _PLUS, _SHARP)):
                return 0, 0
            last += 1
        if first > at and last > first:
            for other in _NOT_LANGUAGES:
                if last - first == len(other) and is_at(data, first, last, other):
                    return 0, 0
            return first, last
    return 0, 0


@njit(cache=True)
def first_number(data: Bytes, start: int, end: int) -> int:
    if start < 0 or end == start or end - start > MAX_START_DIGITS:
        return 1
    number = 0
    for at in range(start, end):
        if not 48 <= data[at] <= 57:
            return 1
        number = number * 10 + data[at] - 48
    return number
