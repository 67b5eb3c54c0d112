"""Which open element a tag ends, by the places of the open elements on the scanner's stack, in constant time.

`last` holds for each tag the place of its innermost open element, -1 if none is open; place 0 is the root. The rules
are those of the HTML Living Standard, sections 13.2.4.2 (scopes) and 13.2.6.4.7 (start and end tags in the body).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.elements import BLOCK, HEADING, TAG_COUNT, TAG_HASHES, TAG_NUMBERS, TAGS, UNSEEN
from stages.extraction.hashing import look_up

UNKNOWN_NAMES = 256  # told apart on one page; end tags of the others are ignored
UNKNOWN_SLOTS = 1024

BODY, HTML, CAPTION, P, H1, H6 = (TAGS[name] for name in ("body", "html", "caption", "p", "h1", "h6"))
DD, DL, DT, LI, OL, UL = (TAGS[name] for name in ("dd", "dl", "dt", "li", "ol", "ul"))
NOSCRIPT, TABLE, TBODY, TD = (TAGS[name] for name in ("noscript", "table", "tbody", "td"))
TEMPLATE, TFOOT, TH, THEAD, TR = (TAGS[name] for name in ("template", "tfoot", "th", "thead", "tr"))


@njit(cache=True)
def number_of(hashed: np.uint64, unknown: NDArray[np.uint64], numbers: NDArray[np.int32]) -> int:
    """The number of a tag on this page: that of TAGS, or the next free one for a name that is not there; 0 if none."""
    tag = look_up(TAG_HASHES, TAG_NUMBERS, hashed)
    if tag >= 0:
        return tag
    slot = hashed & np.uint64(UNKNOWN_SLOTS - 1)
    while unknown[slot] != np.uint64(0):
        if unknown[slot] == hashed:
            return int(numbers[slot])
        slot = (slot + np.uint64(1)) & np.uint64(UNKNOWN_SLOTS - 1)
    known = int(numbers[UNKNOWN_SLOTS])
    if known == UNKNOWN_NAMES:
        return 0
    numbers[UNKNOWN_SLOTS] = known + 1
    unknown[slot] = hashed
    numbers[slot] = TAG_COUNT + known
    return TAG_COUNT + known


@njit(cache=True)
def _opened_heading(last: NDArray[np.int32]) -> int:
    """Place of the innermost open heading, which any heading's end tag closes."""
    found = -1
    for tag in range(H1, H6 + 1):
        found = max(found, last[tag])
    return found


@njit(cache=True)
def place_to_close(number: int, kind: int, last: NDArray[np.int32], scope: int, barrier: int) -> int:
    """Place on the stack of the element that an end tag closes, or -1.

    `scope` and `barrier` are the places of the innermost block-level (or unseen) element and of the innermost BARRIER.
    """
    found = _opened_heading(last) if kind & HEADING else last[number]
    if number in (BODY, HTML):
        return -1
    if kind & UNSEEN:
        return found
    if number == TABLE:
        return found if found > last[TEMPLATE] else -1
    if number in (TD, TH, CAPTION, TR):
        return found if found > max(last[TABLE], last[TEMPLATE]) else -1
    if number in (TBODY, THEAD, TFOOT):
        return found if found > max(last[TABLE], last[TEMPLATE]) else -1
    return found if found > (barrier if kind & BLOCK else scope) else -1


@njit(cache=True)
def place_implied(
    tag: int, last: NDArray[np.int32], tag_at_scope: int, scope: int, barrier: int, hidden: int
) -> int:
    """Place on the stack of the element whose end a block-level start tag implies, or -1.

    `hidden` is the place of the innermost unseen element: what is in it ends nothing outside.
    """
    limit = max(barrier, hidden)
    table = max(last[TABLE], hidden)
    if tag == LI:
        found = last[LI]
        limit = max(max(last[UL], last[OL]), limit)
    elif tag in (DT, DD):
        found = max(last[DT], last[DD])
        limit = max(last[DL], limit)
    elif tag in (TD, TH):
        found = max(last[TD], last[TH])
        limit = max(table, last[TR])
    elif tag == TR:
        found = last[TR]
        limit = table
    elif tag in (TBODY, THEAD, TFOOT):
        found = max(max(last[TBODY], last[THEAD]), last[TFOOT])
        limit = table
    else:
        ends_paragraph = tag_at_scope == P and tag != NOSCRIPT
        found = scope if ends_paragraph or (H1 <= tag <= H6 and H1 <= tag_at_scope <= H6) else -1
        limit = 0
    return found if found > limit else -1
