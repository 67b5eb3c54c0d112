"""The text of a post under construction: lines, what stands before each of them, and the marks around words.

Used by `post_scan`, which reads the HTML. All state is in two arrays, so that compiled functions share it: `out` (the
bytes so far) and `state` (the numbers named below; boxes are the lists, items and quotes around the place). Line ends
and blanks are owed until the next visible character, so that nothing ends in white space. Marks around words (a link,
code, an exponent) are put in when the words end, as only then it is known what they are.

Character references are copied as they are written, to be read once at the end; an `&` that begins none is written as
NUL, which no post holds.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import lowered
from stages.extraction.characters import SEMICOLON, Bytes, reference_at

Numbers = NDArray[np.int64]

MAX_DEPTH = 8  # lists, items and quotes in one another; what is deeper is laid out as at this depth
MAX_START_DIGITS = 6  # of the first number of a list
# What one tag, line end or reference may add at most: a prefix of every depth, a mark and a fence.
ROOM = MAX_DEPTH * (MAX_START_DIGITS + 4) + 32

# State: what is written, and what is owed.
SIZE, DUE, BLANK, EMPTY, HEADING = range(5)
# Boxes that are open, how many of them were never left since the last line, and lists among them.
DEPTH, SHARED, LISTS = range(5, 8)
# Marks: where in `out` the words begin, or one of the two below; where in the HTML the link leads.
LINK, CODE, RAISED, RAISED_SIGN, HREF_START, HREF_END = range(8, 14)
# Tables; what is counted: code characters written, dollar signs written outside of code; whether the text begins with
# code, a list, a quote, a heading or a table.
IN_TABLE, IN_ROW, CELLS, ROWS, IN_CODE, IN_MATH, CODE_CHARACTERS, DOLLARS, MARKDOWN, IS_BLOCK = range(14, 24)
# Of each box: its kind, its number (of a list the next one), the width of its mark, and whether the mark is written.
KIND, NUMBER, WIDTH, MARKED, STATE_SIZE = range(24, 25 + 4 * MAX_DEPTH, MAX_DEPTH)
BULLETS, NUMBERS, ITEM, QUOTE, SPOILER = range(5)
NONE, AWAITED = -1, -2  # no mark; a mark whose first word has not come

AMPERSAND_MARK = 0  # an `&` that is no reference
MAX_RAISED_BYTES = 40  # of an exponent or index; what is longer is small print

_NEW_LINE, _BLANK, _TAB, _RETURN, _AMPERSAND = (ord(c) for c in "\n \t\r&")
_DASH, _DOT, _ZERO, _QUOTE, _EXCLAMATION, _BAR, _TICK, _NUMBER_SIGN = (ord(c) for c in "-.0>!|`#")
_OPEN_BRACKET, _CLOSE_BRACKET, _OPEN, _CLOSE, _OPEN_BRACE, _CLOSE_BRACE = (ord(c) for c in "[](){}")
_ADDRESS_STARTS = tuple(ord(c) for c in "/hfm")
_ESCAPED = np.full(128, -1, dtype=np.int64)  # characters that would end an address, as the two digits after %
for _character in " ()<>":
    _ESCAPED[ord(_character)] = int.from_bytes(f"{ord(_character):02X}".encode())


@njit(cache=True)
def put(out: Bytes, state: Numbers, byte: int) -> None:
    out[state[SIZE]] = byte
    state[SIZE] += 1


@njit(cache=True)
def _put_prefix(out: Bytes, state: Numbers, depth: int) -> None:
    """What stands before a line in the first `depth` boxes: marks of items that have none yet, indents, quote marks."""
    for box in range(depth):
        kind = state[KIND + box]
        if kind == ITEM and state[MARKED + box]:
            for _ in range(state[WIDTH + box]):
                put(out, state, _BLANK)
        elif kind == ITEM:
            state[MARKED + box] = 1
            number = state[NUMBER + box]
            if number < 0:
                put(out, state, _DASH)
            else:
                digits = state[WIDTH + box] - 2
                for place in range(digits - 1, -1, -1):
                    put(out, state, _ZERO + number // 10**place % 10)
                put(out, state, _DOT)
            put(out, state, _BLANK)
        elif kind >= QUOTE and state[MARKDOWN]:
            put(out, state, _QUOTE)
            if kind == SPOILER:
                put(out, state, _EXCLAMATION)
            put(out, state, _BLANK)


@njit(cache=True)
def _put_empty_line(out: Bytes, state: Numbers, depth: int) -> None:
    """The prefix of a line without words: as far as the last quote mark, without the blank behind it."""
    if not state[MARKDOWN]:
        return
    while depth > 0 and state[KIND + depth - 1] < QUOTE:
        depth -= 1
    for box in range(depth):
        if state[KIND + box] == ITEM and not state[MARKED + box]:
            return
    _put_prefix(out, state, depth)
    if depth > 0:
        state[SIZE] -= 1


@njit(cache=True)
def start_line(out: Bytes, state: Numbers) -> None:
    """Pays the line ends that are owed, and writes the prefix of the line."""
    if state[SIZE] == 0:
        state[IS_BLOCK] = state[DEPTH] > 0 or state[HEADING] > 0 or state[IN_ROW]
    else:
        for left in range(state[DUE] - 1, -1, -1):
            put(out, state, _NEW_LINE)
            if left and state[SHARED] and state[MARKDOWN]:
                _put_empty_line(out, state, state[SHARED])
    if state[DEPTH]:
        _put_prefix(out, state, state[DEPTH])
    if state[HEADING]:
        for _ in range(state[HEADING]):
            put(out, state, _NUMBER_SIGN)
        put(out, state, _BLANK)
    state[HEADING] = state[DUE] = state[BLANK] = state[EMPTY] = 0
    state[SHARED] = state[DEPTH]


@njit(cache=True)
def begin_word(out: Bytes, state: Numbers) -> None:
    """Everything that is owed before a visible character."""
    if state[EMPTY]:
        start_line(out, state)
    elif state[BLANK]:
        put(out, state, _BLANK)
        state[BLANK] = 0
    for mark in (LINK, CODE):
        if state[mark] == AWAITED:
            state[mark] = state[SIZE]


@njit(cache=True)
def put_visible(out: Bytes, state: Numbers, byte: int) -> None:
    begin_word(out, state)
    put(out, state, byte)


@njit(cache=True)
def _insert(out: Bytes, state: Numbers, at: int, byte: int) -> None:
    """Puts a byte before what was written at `at`; marks that begin behind it move on."""
    for place in range(state[SIZE], at, -1):
        out[place] = out[place - 1]
    out[at] = byte
    state[SIZE] += 1
    for mark in (LINK, CODE, RAISED):
        if state[mark] > at:
            state[mark] += 1


@njit(cache=True)
def longest_run(data: Bytes, start: int, end: int, wanted: int) -> int:
    longest = run = 0
    for at in range(start, end):
        run = run + 1 if data[at] == wanted else 0
        longest = max(longest, run)
    return longest


@njit(cache=True)
def close_code(out: Bytes, state: Numbers) -> None:
    """Back-ticks around code, one more than it holds in a row (CommonMark 0.31, section 6.1)."""
    start = state[CODE]
    state[CODE] = NONE
    if start < 0:
        return
    end = state[SIZE]
    ticks = longest_run(out, start, end, _TICK) + 1
    pad = out[start] == _TICK or out[end - 1] == _TICK
    added = ticks + pad
    for place in range(end - 1, start - 1, -1):
        out[place + added] = out[place]
    for place in range(ticks):
        out[start + place] = _TICK
    if pad:
        out[start + ticks] = _BLANK
    state[SIZE] += added
    for mark in (LINK, RAISED):
        if state[mark] > start:
            state[mark] += added
    if pad:
        put(out, state, _BLANK)
    for _ in range(ticks):
        put(out, state, _TICK)


@njit(cache=True)
def close_raised(out: Bytes, state: Numbers) -> None:
    """`^` or `_` before an exponent or index, with braces when it is of more than one character, as TeX has it."""
    start, end = state[RAISED], state[SIZE]
    state[RAISED] = NONE
    if start < 0 or start == end or end - start > MAX_RAISED_BYTES:
        return
    characters = 0
    for place in range(start, end):
        if out[place] == _BLANK or out[place] == _NEW_LINE:
            return
        characters += out[place] & 0xC0 != 0x80
    if characters > 1:
        _insert(out, state, start, _OPEN_BRACE)
        put(out, state, _CLOSE_BRACE)
    _insert(out, state, start, state[RAISED_SIGN])


@njit(cache=True)
def _leads_somewhere(data: Bytes, start: int, end: int) -> bool:
    """Is it an address of http(s), ftp or mail, or a path of the site?"""
    return start < end and lowered(int(data[start])) in _ADDRESS_STARTS


@njit(cache=True)
def _is_address(data: Bytes, href: int, href_end: int, out: Bytes, start: int, end: int) -> bool:
    """Is what was written the address itself?"""
    if end - start != href_end - href:
        return False
    different = 0
    for place in range(end - start):
        written, stated = out[start + place], data[href + place]
        different += written != stated and not (written == AMPERSAND_MARK and stated == _AMPERSAND)
    return different == 0


@njit(cache=True)
def close_link(data: Bytes, out: Bytes, state: Numbers) -> None:
    """`[words](address)`, or the address alone when the words are the same."""
    start, end = state[LINK], state[SIZE]
    state[LINK] = NONE
    href, href_end = state[HREF_START], state[HREF_END]
    if start < 0 or not _leads_somewhere(data, href, href_end):
        return
    if _is_address(data, href, href_end, out, start, end):
        return
    # An image that leads to itself, as the sites' editor writes them all.
    image = end - 1 - (href_end - href)
    if (
        image > start + 1
        and out[start] == _EXCLAMATION
        and out[start + 1] == _OPEN_BRACKET
        and out[end - 1] == _CLOSE
        and _is_address(data, href, href_end, out, image, end - 1)
    ):
        return
    _insert(out, state, start, _OPEN_BRACKET)
    put(out, state, _CLOSE_BRACKET)
    put(out, state, _OPEN)
    put_value(data, href, href_end, True, out, state)
    put(out, state, _CLOSE)


@njit(cache=True)
def close_marks(data: Bytes, out: Bytes, state: Numbers) -> None:
    """Ends exponents, code and links where a block ends: none goes over it."""
    close_raised(out, state)
    close_code(out, state)
    close_link(data, out, state)


@njit(cache=True)
def put_value(data: Bytes, start: int, end: int, is_address: bool, out: Bytes, state: Numbers) -> None:
    """The value of an attribute: white space as one blank; in an address none, and what would end it as %XX."""
    at = start
    while at < end:
        byte = int(data[at])
        behind = at + 1
        if byte in (_NEW_LINE, _TAB, _RETURN):
            if not is_address and state[SIZE] > 0 and out[state[SIZE] - 1] != _BLANK:
                put(out, state, _BLANK)
        elif is_address and byte < 128 and _ESCAPED[byte] >= 0:
            put(out, state, 37)  # %
            put(out, state, _ESCAPED[byte] >> 8)
            put(out, state, _ESCAPED[byte] & 255)
        elif byte == _AMPERSAND:
            _, behind = reference_at(data, at, end)
            if data[behind - 1] == SEMICOLON:
                for place in range(at, behind):
                    put(out, state, data[place])
            else:  # `?a=1&copy=2`: in a value only what ends in `;` is sure to be a reference
                behind = at + 1
                put(out, state, AMPERSAND_MARK)
        elif byte >= 32:
            put(out, state, byte)
        at = behind


@njit(cache=True)
def owe_lines(data: Bytes, out: Bytes, state: Numbers, lines: int) -> None:
    """A block ends or begins: so many line ends before the next word. In a row of a table it is a blank; in lists of
    plain text it is one line end, as an empty line would part the items."""
    if state[IN_ROW]:
        state[BLANK] = 1
        return
    if state[LINK] != NONE or state[CODE] != NONE or state[RAISED] != NONE:
        close_marks(data, out, state)
    if state[LISTS]:
        if not state[MARKDOWN]:
            lines = 1
        for box in range(state[DEPTH]):
            if state[KIND + box] == ITEM and not state[MARKED + box]:
                lines = 0  # nothing is in the item yet: what it begins with stands behind its mark
    state[DUE] = max(state[DUE], lines)
    state[EMPTY] = 1
    state[BLANK] = state[IN_MATH] = 0
    state[SHARED] = min(state[SHARED], state[DEPTH])


@njit(cache=True)
def push_box(state: Numbers, kind: int, number: int) -> None:
    """Opens a list (`number` is its first), an item (`number` is its own, below 0 for a bullet) or a quote."""
    depth = state[DEPTH]
    if depth == MAX_DEPTH:
        return
    state[KIND + depth] = kind
    state[NUMBER + depth] = number
    state[MARKED + depth] = 0
    width = 2
    if kind == ITEM and number >= 0:
        width = 3
        while number >= 10:
            number //= 10
            width += 1
    state[WIDTH + depth] = width
    state[DEPTH] += 1
    state[LISTS] += kind <= NUMBERS


@njit(cache=True)
def pop_boxes(state: Numbers, first: int, last: int) -> bool:
    """Leaves the innermost box of the kinds first..last and all within; False when there is none. An item is only
    looked for in the innermost list."""
    box = state[DEPTH] - 1
    while box >= 0 and not first <= state[KIND + box] <= last:
        if first == ITEM and state[KIND + box] <= NUMBERS:
            return False
        box -= 1
    if box < 0:
        return False
    for inner in range(box, state[DEPTH]):
        state[LISTS] -= state[KIND + inner] <= NUMBERS
    state[DEPTH] = box
    state[SHARED] = min(state[SHARED], box)
    return True


@njit(cache=True)
def begin_cell(data: Bytes, out: Bytes, state: Numbers) -> None:
    """The bar before a cell: between two cells, and in Markdown before the first one too."""
    close_marks(data, out, state)
    state[CELLS] += 1
    if state[CELLS] > 1 or state[MARKDOWN]:
        state[BLANK] = 1
        put_visible(out, state, _BAR)
    state[BLANK] = 1


@njit(cache=True)
def end_row(data: Bytes, out: Bytes, state: Numbers) -> None:
    """The end of a row of a table; in Markdown the first one has a line of dashes below (GFM 0.29, section 4.10)."""
    if not state[IN_ROW]:
        return
    close_marks(data, out, state)
    if state[MARKDOWN] and state[CELLS]:
        state[BLANK] = 1
        put_visible(out, state, _BAR)
        state[ROWS] += 1
        if state[ROWS] == 1:
            put(out, state, _NEW_LINE)
            _put_prefix(out, state, state[DEPTH])
            put(out, state, _BAR)
            for _ in range(state[CELLS]):
                put(out, state, _BLANK)
                for _ in range(3):
                    put(out, state, _DASH)
                put(out, state, _BLANK)
                put(out, state, _BAR)
    state[IN_ROW] = 0
    owe_lines(data, out, state, 1)


@njit(cache=True)
def put_code(code: Bytes, length: int, language: Bytes, out: Bytes, state: Numbers) -> None:
    """A block of code, its line breaks and indents as they are; empty lines before and after it go. In Markdown it is
    fenced by more back-ticks than it holds in a row (CommonMark 0.31, section 4.5)."""
    first = 0
    for place in range(length):
        if code[place] == _NEW_LINE:
            first = place + 1
        elif code[place] != _BLANK and code[place] != _TAB:
            break
    while length > first and (
        code[length - 1] == _NEW_LINE or code[length - 1] == _BLANK or code[length - 1] == _TAB
    ):
        length -= 1
    if first >= length:
        return
    begins = state[SIZE] == 0
    start_line(out, state)
    if begins:
        state[IS_BLOCK] = 1
    fence = 0
    if state[MARKDOWN]:
        fence = max(3, longest_run(code, first, length, _TICK) + 1)
        for _ in range(fence):
            put(out, state, _TICK)
        for byte in language:
            put(out, state, byte)
        put(out, state, _NEW_LINE)
        if code[first] != _NEW_LINE:
            _put_prefix(out, state, state[DEPTH])
    for place in range(first, length):
        byte = code[place]
        put(out, state, byte)
        if byte == _NEW_LINE:
            if code[place + 1] == _NEW_LINE:
                _put_empty_line(out, state, state[DEPTH])
            else:
                _put_prefix(out, state, state[DEPTH])
    if state[MARKDOWN]:
        put(out, state, _NEW_LINE)
        _put_prefix(out, state, state[DEPTH])
        for _ in range(fence):
            put(out, state, _TICK)
