"""Places of what a page says about itself: values of meta, link, html and time tags, and the date in JSON-LD."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import DOUBLE_QUOTE, is_space, value_hash
from stages.extraction.characters import Bytes
from stages.extraction.elements import (
    CANONICAL,
    CONTENT,
    DATETIME,
    HREF,
    ITEMPROP,
    JSON_DATE,
    LANG,
    LANGUAGE,
    META_FACTS,
    META_HASHES,
    NAME,
    REL,
    TAGS,
    TIME_DATE,
)
from stages.extraction.hashing import look_up, name_hash

HTML, LINK, META, TIME = (TAGS[name] for name in ("html", "link", "meta", "time"))
_CANONICAL_HASH = np.uint64(name_hash("canonical"))
_DATE_KEY = np.frombuffer(b'"datePublished"', dtype=np.uint8)
_COLON = ord(":")


@njit(cache=True)
def note(facts: NDArray[np.int32], fact: int, start: int, end: int) -> None:
    """The first value that is there counts."""
    if facts[fact, 0] < 0 and start < end:
        facts[fact, 0] = start
        facts[fact, 1] = end


@njit(cache=True)
def note_json_date(data: Bytes, start: int, end: int, facts: NDArray[np.int32]) -> None:
    """Looks for `"datePublished": "..."` in a script of JSON-LD."""
    length = len(_DATE_KEY)
    for at in range(start, end - length):
        if data[at] != _DATE_KEY[0] or data[at + 5] != _DATE_KEY[5]:
            continue
        matched = 1
        while matched < length and data[at + matched] == _DATE_KEY[matched]:
            matched += 1
        if matched < length:
            continue
        place = at + length
        while place < end and (is_space(int(data[place])) or data[place] == _COLON):
            place += 1
        if place < end and data[place] == DOUBLE_QUOTE:
            close = place + 1
            while close < end and data[close] != DOUBLE_QUOTE:
                close += 1
            note(facts, JSON_DATE, place + 1, close)
            return


@njit(cache=True)
def note_facts(data: Bytes, tag: int, values: NDArray[np.int32], facts: NDArray[np.int32]) -> None:
    """What the attributes of a meta, link, html or time tag say about the page."""
    if tag == META:
        for code in (NAME, ITEMPROP):
            if values[code, 0] >= 0:
                fact = look_up(META_HASHES, META_FACTS, value_hash(data, values[code, 0], values[code, 1]))
                if fact >= 0:
                    note(facts, fact, values[CONTENT, 0], values[CONTENT, 1])
    elif tag == LINK:
        if values[REL, 0] >= 0 and value_hash(data, values[REL, 0], values[REL, 1]) == _CANONICAL_HASH:
            note(facts, CANONICAL, values[HREF, 0], values[HREF, 1])
    elif tag == HTML:
        note(facts, LANGUAGE, values[LANG, 0], values[LANG, 1])
    elif tag == TIME:
        note(facts, TIME_DATE, values[DATETIME, 0], values[DATETIME, 1])
