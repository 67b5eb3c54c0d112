"""Kept blocks as text: paragraphs, list items, rows of tables, and preformatted text as it stands.

Blocks are parted by an empty line; items of lists, rows of one table, terms and their definitions, and neighbouring
preformatted blocks by a line end. A list item begins with `- `, two spaces deeper for each list around its list. The
cells of a row of data are parted by ` | `. White space collapses to one space, also no-break spaces; in preformatted
text it stays, with `\\n` as line end. Character references stay, for html.unescape, but those of white space do not.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import (
    AMPERSAND,
    ASCII_KINDS,
    SPACE,
    Bytes,
    kind_of,
    reference_at,
)
from stages.extraction.elements import HEADING as HEADING_KIND
from stages.extraction.elements import IN_PRE, KINDS, TAGS
from stages.extraction.layout import Layout
from stages.extraction.scanner import LINE_BREAK, Page

MAX_LIST_DEPTH = 8  # deeper lists are not indented further
_PREFIX_BYTES = 2 * MAX_LIST_DEPTH + 8  # at most this much is written before a block

DD, DT = TAGS["dd"], TAGS["dt"]
_NEW_LINE, _RETURN, _BLANK, _TAB, _DASH, _BAR = (ord(c) for c in "\n\r \t-|")
_NBSP_1, _NBSP_2 = b"\xc2\xa0"


@njit(cache=True)
def _write_flowing(data: Bytes, page: Page, k: int, in_line: bool, out: Bytes, size: int) -> int:
    """Writes a block with its white space collapsed; returns the new size. Line breaks are blanks if `in_line`."""
    begin = size
    wants_blank = False
    for segment in range(page.block_segments[k, 0], page.block_segments[k, 1]):
        at = page.segment_start[segment]
        end = page.segment_end[segment]
        if at == LINE_BREAK:
            if in_line:
                wants_blank = True
            elif size > begin and out[size - 1] != _NEW_LINE:
                out[size] = _NEW_LINE
                size += 1
                wants_blank = False
            continue
        while at < end:
            byte = int(data[at])
            behind = at + 1
            is_blank = byte < 128 and ASCII_KINDS[byte] == SPACE
            if byte == _NBSP_1 and behind < end and data[behind] == _NBSP_2:
                is_blank = True
                behind += 1
            elif byte == AMPERSAND:
                point, behind = reference_at(data, at, end)
                is_blank = kind_of(point) == SPACE
            if is_blank:
                wants_blank = True
            elif byte != 0:
                if wants_blank and size > begin and out[size - 1] != _NEW_LINE:
                    out[size] = _BLANK
                    size += 1
                wants_blank = False
                for place in range(at, behind):
                    out[size] = data[place]
                    size += 1
            at = behind
    while size > begin and out[size - 1] == _NEW_LINE:
        size -= 1
    return size


@njit(cache=True)
def _write_preformatted(data: Bytes, page: Page, k: int, out: Bytes, size: int) -> int:
    """Writes a block with its white space, without empty lines at its begin and white space at its end."""
    begin = size
    line = size  # where the last line begins
    for segment in range(page.block_segments[k, 0], page.block_segments[k, 1]):
        at = page.segment_start[segment]
        end = page.segment_end[segment]
        is_break = at == LINE_BREAK
        if is_break:
            at, end = 0, 1
        while at < end:
            byte = _NEW_LINE if is_break else int(data[at])
            behind = at + 1
            if byte == _RETURN:
                byte = _NEW_LINE
                if behind < end and data[behind] == _NEW_LINE:
                    behind += 1
            elif byte == _NBSP_1 and behind < end and data[behind] == _NBSP_2:
                byte = _BLANK
                behind += 1
            elif byte == AMPERSAND:
                point, behind = reference_at(data, at, end)
                if kind_of(point) == SPACE:
                    byte = point if point in (_NEW_LINE, _TAB) else _BLANK
                else:
                    for place in range(at, behind - 1):
                        out[size] = data[place]
                        size += 1
                    byte = int(data[behind - 1])
            at = behind
            if byte == 0:
                continue
            out[size] = byte
            size += 1
            if byte == _NEW_LINE:
                if line == begin:  # was there nothing but white space so far?
                    is_empty = True
                    for place in range(begin, size):
                        if ASCII_KINDS[out[place] & 127] != SPACE or out[place] >= 128:
                            is_empty = False
                            break
                    if is_empty:
                        size = begin
                        continue
                line = size
    while size > begin and out[size - 1] < 128 and ASCII_KINDS[out[size - 1]] == SPACE:
        size -= 1
    return size


@njit(cache=True)
def _separate(page: Page, layout: Layout, before: int, k: int, new_item: bool, out: Bytes, size: int) -> int:
    """Writes what stands between two kept blocks."""
    e = page.block_element[before]
    f = page.block_element[k]
    if layout.row[e] == layout.row[f] and layout.is_line[layout.row[f]]:
        out[size] = _BLANK
        out[size + 1] = _BAR
        out[size + 2] = _BLANK
        return size + 3
    same_table = layout.table[e] == layout.table[f]
    rows = same_table and layout.is_line[layout.row[e]] and layout.is_line[layout.row[f]]
    items = layout.item[e] > 0 and layout.item[f] > 0 and same_table
    pre = (page.element_ancestors[e] & IN_PRE) != 0 and (page.element_ancestors[f] & IN_PRE) != 0
    definitions = (page.element_tag[e] == DD or page.element_tag[e] == DT) and page.element_tag[f] == DD
    out[size] = _NEW_LINE
    size += 1
    if not (rows or items or pre or definitions):
        out[size] = _NEW_LINE
        size += 1
    if items and not new_item:
        size = _indent(layout, f, 0, out, size)
    return size


@njit(cache=True)
def _indent(layout: Layout, e: int, less: int, out: Bytes, size: int) -> int:
    for _ in range(min(layout.list_depth[e] - less, MAX_LIST_DEPTH)):
        out[size] = _BLANK
        out[size + 1] = _BLANK
        size += 2
    return size


@njit(cache=True)
def write_text(data: Bytes, page: Page, layout: Layout, keep: NDArray[np.bool_]) -> Bytes:
    """The kept blocks as UTF-8 (as far as the page is), character references still in it."""
    room = 0
    for k in range(len(keep)):
        if keep[k]:
            room += _PREFIX_BYTES
            for segment in range(page.block_segments[k, 0], page.block_segments[k, 1]):
                room += page.segment_end[segment] - page.segment_start[segment] + 1
    out = np.empty(room, dtype=np.uint8)
    is_open = np.zeros(len(page.element_parent), dtype=np.bool_)  # list items that have their mark
    size = 0
    before = -1
    for k in range(len(keep)):
        if not keep[k]:
            continue
        e = page.block_element[k]
        item = layout.item[e]
        is_new = item > 0 and not is_open[item]
        start = size
        if before >= 0:
            size = _separate(page, layout, before, k, is_new, out, size)
        if is_new:
            is_open[item] = True
            if not KINDS[page.element_tag[e]] & HEADING_KIND:
                size = _indent(layout, e, 1, out, size)
                out[size] = _DASH
                out[size + 1] = _BLANK
                size += 2
        text = size
        if page.element_ancestors[e] & IN_PRE:
            size = _write_preformatted(data, page, k, out, size)
        else:
            size = _write_flowing(data, page, k, layout.is_line[layout.row[e]], out, size)
        if size == text:  # nothing but what is left out
            size = start
        else:
            before = k
    return out[:size]
