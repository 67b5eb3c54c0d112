"""Where blocks stand on the page: in which list item, table row and cell; and which rows are lines of a table of data.

A row is written on one line when it is one of data: each of its cells holds one block, there are two or more, and
it is no longer than MAX_ROW_WORDS. Other tables serve to lay the page out, and their cells are paragraphs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import WORD_UNITS
from stages.extraction.elements import TAGS
from stages.extraction.scanner import Page
from stages.extraction.text_run import WORDS

MAX_ROW_WORDS = 80

LI, UL, OL, TABLE, TR, TD, TH = (TAGS[name] for name in ["li", "ul", "ol", "table", "tr", "td", "th"])


class Layout(NamedTuple):
    """For each of the E elements the innermost one around it (itself counted), or 0; `is_line` for rows of data."""

    item: NDArray[np.int32]  # list item, within the innermost table cell
    list_depth: NDArray[np.int32]  # lists around it, within that cell
    table: NDArray[np.int32]
    row: NDArray[np.int32]
    cell: NDArray[np.int32]
    is_line: NDArray[np.bool_]


@njit(cache=True)
def lay_out(page: Page) -> Layout:
    elements = len(page.element_parent)
    item = np.zeros(elements, dtype=np.int32)
    list_depth = np.zeros(elements, dtype=np.int32)
    table = np.zeros(elements, dtype=np.int32)
    row = np.zeros(elements, dtype=np.int32)
    cell = np.zeros(elements, dtype=np.int32)
    for e in range(1, elements):
        tag = page.element_tag[e]
        parent = page.element_parent[e]
        is_cell = tag in (TD, TH)
        item[e] = e if tag == LI else (0 if is_cell else item[parent])
        list_depth[e] = 0 if is_cell else list_depth[parent] + (1 if tag in (UL, OL) else 0)
        table[e] = e if tag == TABLE else table[parent]
        row[e] = e if tag == TR else (0 if tag == TABLE else row[parent])
        cell[e] = e if is_cell else (0 if tag in (TR, TABLE) else cell[parent])

    is_line = np.zeros(elements, dtype=np.bool_)
    words = np.zeros(elements, dtype=np.int64)
    cells = np.zeros(elements, dtype=np.int32)
    last_block = np.full(elements, -1, dtype=np.int32)
    for k in range(len(page.block_element)):
        e = page.block_element[k]
        r = row[e]
        if r == 0:
            continue
        before = last_block[r]
        # Another block in the cell, text outside cells, or a table within the row: no row of data.
        if cell[e] == 0 or (before >= 0 and (before != k - 1 or cell[page.block_element[before]] == cell[e])):
            words[r] = (MAX_ROW_WORDS + 1) * WORD_UNITS
        last_block[r] = k
        cells[r] += 1
        words[r] += page.block_counts[k, WORDS]
    for e in range(1, elements):
        is_line[e] = cells[e] > 1 and words[e] <= MAX_ROW_WORDS * WORD_UNITS
    return Layout(item, list_depth, table, row, cell, is_line)
