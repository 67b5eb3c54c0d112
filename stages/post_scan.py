"""One pass over the HTML of a post: its tags and words, laid out by `post_lines`.

Tags, comments and references are told apart by the HTML Living Standard, section 13.2.5. There is no tree: of the
rules of 13.2.6 the few that a layout needs are kept (an item ends the item before it, a block ends the words before
it, an end tag without a start tag is nothing). Each call takes time linear in the bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import LESS, SLASH, is_letter, is_space
from stages.extraction.characters import AMPERSAND, SEMICOLON, SPACE, Bytes, kind_of, reference_at
from stages.extraction.hashing import look_up
from stages.extraction.markup import end_of_raw, name_at, skip_declaration
from stages.post_lines import (
    AMPERSAND_MARK,
    AWAITED,
    BLANK,
    BULLETS,
    CELLS,
    CODE,
    CODE_CHARACTERS,
    DEPTH,
    DOLLARS,
    DUE,
    EMPTY,
    HEADING,
    HREF_END,
    HREF_START,
    IN_CODE,
    IN_MATH,
    IN_ROW,
    IN_TABLE,
    IS_BLOCK,
    ITEM,
    KIND,
    LINK,
    LISTS,
    MARKDOWN,
    MARKED,
    NONE,
    NUMBER,
    NUMBERS,
    QUOTE,
    RAISED,
    RAISED_SIGN,
    ROOM,
    ROWS,
    SIZE,
    SPOILER,
    STATE_SIZE,
    Numbers,
    begin_cell,
    begin_word,
    close_code,
    close_link,
    close_marks,
    close_raised,
    end_row,
    owe_lines,
    pop_boxes,
    push_box,
    put,
    put_code,
    put_value,
    put_visible,
)
from stages.post_tags import (
    ALT,
    BLOCK,
    BREAK,
    BULLET_LIST,
    CELL,
    CLASS,
    CODE_HASH,
    CODE_TAG,
    DROPPED,
    EXPONENT,
    FIRST,
    HEADING_TAG,
    HREF,
    IMAGE,
    INDEX,
    ITEM_TAG,
    LINE,
    LINK_TAG,
    NUMBER_LIST,
    PRE,
    PRE_HASH,
    QUOTE_TAG,
    ROW,
    RULE,
    SRC,
    TABLE,
    TAG_HASHES,
    TAG_KINDS,
    first_number,
    is_at,
    is_spoiler,
    language_of,
    read_tag,
)

_DEFAULT_ALT = np.frombuffer(
    b"enter image description here", dtype=np.uint8
)  # what the editor of the sites writes
_BEGIN, _END = (np.frombuffer(text, dtype=np.uint8) for text in (b"\\begin{", b"\\end{"))
_DOLLAR, _BACKSLASH, _NEW_LINE, _TAB, _RETURN, _BLANK = (ord(c) for c in "$\\\n\t\r ")
_CARET, _UNDERSCORE, _DASH = (ord(c) for c in "^_-")
_NBSP_1, _NBSP_2 = b"\xc2\xa0"
_IS_PLAIN = np.ones(256, dtype=np.bool_)  # bytes of running text that stand for themselves
_IS_PLAIN[:33] = False
_IS_PLAIN[[LESS, AMPERSAND, _DOLLAR, _BACKSLASH, _NBSP_1]] = False


@njit(cache=True)
def _read_code(
    data: Bytes, at: int, values: NDArray[np.int64], code: Bytes, state: Numbers
) -> tuple[int, int, int, int]:
    """The text of a `<pre>` from behind its tag, whose attributes are in `values`: the place behind its end tag, how
    many bytes, and where its language stands."""
    size = len(data)
    language, language_end = language_of(data, values[CLASS, 0], values[CLASS, 1])
    length = 0
    while at < size:
        byte = int(data[at])
        behind = at + 1
        if byte == LESS and behind < size:
            is_end = data[behind] == SLASH
            name = behind + is_end
            if name < size and is_letter(int(data[name])):
                hashed, place = name_at(data, name)
                behind = read_tag(data, place, values)
                if behind < 0 or (is_end and hashed == PRE_HASH):
                    return (size if behind < 0 else behind), length, language, language_end
                if hashed == CODE_HASH and language == language_end:
                    language, language_end = language_of(data, values[CLASS, 0], values[CLASS, 1])
                if look_up(TAG_HASHES, TAG_KINDS, hashed) == BREAK:
                    code[length] = _NEW_LINE
                    length += 1
                at = behind
                continue
            if data[behind] == 33 or data[behind] == 63:  # <! <?
                at = skip_declaration(data, at)
                continue
        if byte == _RETURN:
            byte = _NEW_LINE
            if behind < size and data[behind] == _NEW_LINE:
                behind += 1
        elif byte == _NBSP_1 and behind < size and data[behind] == _NBSP_2:
            byte = _BLANK
            behind += 1
        elif byte == AMPERSAND:
            point, behind = reference_at(data, at, size)
            if behind == at + 1:
                byte = AMPERSAND_MARK
            elif kind_of(point) == SPACE:
                byte = point if point in (_NEW_LINE, _TAB) else _BLANK
            else:
                for place in range(at, behind):
                    code[length] = data[place]
                    length += 1
                byte = SEMICOLON
                length -= data[behind - 1] == SEMICOLON
                state[CODE_CHARACTERS] += 1
                code[length] = byte
                length += 1
                at = behind
                continue
        elif byte < 32 and byte != _NEW_LINE and byte != _TAB:
            at = behind
            continue
        code[length] = byte
        length += 1
        state[CODE_CHARACTERS] += (
            byte & 0xC0 != 0x80 and byte != _BLANK and byte != _NEW_LINE and byte != _TAB
        )
        at = behind
    return size, length, language, language_end


@njit(cache=True)
def _start(kind: int, level: int, data: Bytes, values: NDArray[np.int64], out: Bytes, state: Numbers) -> None:
    """What a start tag does; `level` is that of a heading."""
    if kind == LINE:
        owe_lines(data, out, state, 1)
    elif kind == HEADING_TAG:
        owe_lines(data, out, state, 2)
        state[HEADING] = level if state[MARKDOWN] and not state[IN_ROW] else 0
    elif kind == RULE:
        owe_lines(data, out, state, 2)
        if state[MARKDOWN] and not state[IN_ROW]:
            for _ in range(3):
                put_visible(out, state, _DASH)
            owe_lines(data, out, state, 2)
    elif kind == BREAK:
        due = state[DUE] + 1
        owe_lines(data, out, state, 1)
        if state[EMPTY] and not state[IN_ROW]:
            state[DUE] = min(2, due)
    elif kind in (BULLET_LIST, NUMBER_LIST):
        _start_list(kind, first_number(data, values[FIRST, 0], values[FIRST, 1]), data, out, state)
    elif kind == ITEM_TAG:
        _start_item(data, out, state)
    elif kind == QUOTE_TAG:
        owe_lines(data, out, state, 2)
        spoiler = is_spoiler(data, values[CLASS, 0], values[CLASS, 1])
        push_box(state, SPOILER if spoiler else QUOTE, 0)
    elif kind == CODE_TAG:
        state[IN_CODE] += 1
        if state[MARKDOWN] and state[CODE] == NONE:
            state[CODE] = AWAITED
    elif kind == LINK_TAG:
        if state[MARKDOWN]:
            close_link(data, out, state)
            state[LINK] = AWAITED if values[HREF, 0] >= 0 else NONE
            state[HREF_START], state[HREF_END] = values[HREF, 0], values[HREF, 1]
    elif kind == IMAGE:
        if state[MARKDOWN] and values[SRC, 0] < values[SRC, 1]:
            begin_word(out, state)
            put(out, state, 33)  # ![
            put(out, state, 91)
            start, end = values[ALT, 0], values[ALT, 1]
            if not (end - start == len(_DEFAULT_ALT) and is_at(data, start, end, _DEFAULT_ALT)):
                put_value(data, start, end, False, out, state)
            put(out, state, 93)  # ](
            put(out, state, 40)
            put_value(data, values[SRC, 0], values[SRC, 1], True, out, state)
            put(out, state, 41)
    elif kind in (INDEX, EXPONENT):
        if state[MARKDOWN]:
            close_raised(out, state)
            joined = not (state[BLANK] or state[EMPTY])
            state[RAISED] = state[SIZE] if joined else NONE
            state[RAISED_SIGN] = _CARET if kind == EXPONENT else _UNDERSCORE
    elif kind == TABLE:
        end_row(data, out, state)
        owe_lines(data, out, state, 2)
        state[IN_TABLE] = 1
        state[ROWS] = 0
    elif kind == ROW:
        end_row(data, out, state)
        if state[IN_TABLE]:
            owe_lines(data, out, state, 1)
            state[IN_ROW] = 1
            state[CELLS] = 0
    elif kind == CELL and state[IN_ROW]:
        begin_cell(data, out, state)


@njit(cache=True)
def _start_list(kind: int, first: int, data: Bytes, out: Bytes, state: Numbers) -> None:
    inner = state[LISTS] > 0
    owe_lines(data, out, state, 1 if inner else 2)
    if inner and not state[IN_ROW]:
        state[DUE] = 1
    push_box(state, BULLETS if kind == BULLET_LIST else NUMBERS, first)


@njit(cache=True)
def _start_item(data: Bytes, out: Bytes, state: Numbers) -> None:
    top = state[DEPTH] - 1
    if top >= 0 and state[KIND + top] == ITEM:
        pop_boxes(state, ITEM, ITEM)
        top = state[DEPTH] - 1
    owe_lines(data, out, state, 1)
    number = -1
    if top >= 0 and state[KIND + top] <= NUMBERS:
        if state[MARKED + top] and not state[IN_ROW]:
            state[DUE] = 1  # items stand close, whatever is in them
        state[MARKED + top] = 1
        if state[KIND + top] == NUMBERS:
            number = state[NUMBER + top]
            state[NUMBER + top] += 1
    push_box(state, ITEM, number)


@njit(cache=True)
def _end(kind: int, data: Bytes, out: Bytes, state: Numbers) -> None:
    """What an end tag does."""
    if kind == HEADING_TAG:
        owe_lines(data, out, state, 2)
        state[HEADING] = 0
    elif kind == LINE:
        owe_lines(data, out, state, 1)
    elif kind in (BULLET_LIST, NUMBER_LIST):
        of_list = BULLETS if kind == BULLET_LIST else NUMBERS
        owe_lines(data, out, state, 1)
        pop_boxes(state, of_list, of_list)
        if not state[LISTS]:
            owe_lines(data, out, state, 2)
    elif kind == ITEM_TAG:
        owe_lines(data, out, state, 1)
        pop_boxes(state, ITEM, ITEM)
    elif kind == QUOTE_TAG:
        owe_lines(data, out, state, 2)
        pop_boxes(state, QUOTE, SPOILER)
    elif kind == CODE_TAG:
        state[IN_CODE] = max(0, state[IN_CODE] - 1)
        close_code(out, state)
    elif kind == LINK_TAG:
        close_link(data, out, state)
    elif kind in (INDEX, EXPONENT):
        close_raised(out, state)
    elif kind == TABLE:
        end_row(data, out, state)
        state[IN_TABLE] = 0
        owe_lines(data, out, state, 2)
    elif kind == ROW:
        end_row(data, out, state)


@njit(cache=True)
def _put_words(data: Bytes, at: int, out: Bytes, state: Numbers) -> int:
    """Copies running text from `at`, where a line is begun and nothing is owed, as far as it is plain: letters, signs
    and single blanks between them. Returns the place where it is not; what this does, `_put_character` would do."""
    size = len(data)
    written = state[SIZE]
    start = at
    while at < size:
        byte = data[at]
        if not _IS_PLAIN[byte]:
            if (byte != _BLANK and byte != _NEW_LINE) or at + 1 == size or not _IS_PLAIN[data[at + 1]]:
                break
            if byte == _NEW_LINE and state[IN_MATH]:
                break
            out[written] = _BLANK
            written += 1
            at += 1
            byte = data[at]
        out[written] = byte
        written += 1
        at += 1
    state[SIZE] = written
    if state[IN_CODE]:
        for place in range(start, at):
            byte = data[place]
            state[CODE_CHARACTERS] += byte > _BLANK and byte & 0xC0 != 0x80
    return at


@njit(cache=True)
def _put_character(data: Bytes, at: int, out: Bytes, state: Numbers) -> int:
    """Lays out the byte or reference at `at` of running text; returns the place behind it."""
    byte = int(data[at])
    behind = at + 1
    is_blank = False
    if byte <= 32:
        is_blank = is_space(byte)
        if not is_blank:
            return behind
        if byte == _NEW_LINE and state[IN_MATH] and not state[EMPTY] and not state[IN_ROW]:
            state[EMPTY] = state[DUE] = 1  # the lines of a displayed formula stay
            state[BLANK] = 0
            return behind
    elif byte == _NBSP_1 and behind < len(data) and data[behind] == _NBSP_2:
        is_blank = True
        behind += 1
    elif byte == AMPERSAND:
        point, behind = reference_at(data, at, len(data))
        if kind_of(point) == SPACE:
            is_blank = True
        elif behind > at + 1:
            begin_word(out, state)
            for place in range(at, behind):
                put(out, state, data[place])
            if data[behind - 1] != SEMICOLON:
                put(out, state, SEMICOLON)
            state[CODE_CHARACTERS] += state[IN_CODE] > 0
            return behind
        else:
            byte = AMPERSAND_MARK
    if is_blank:
        state[BLANK] = 1 - state[EMPTY]
        return behind
    put_visible(out, state, byte)
    if state[IN_CODE]:
        state[CODE_CHARACTERS] += byte & 0xC0 != 0x80
    elif byte == _DOLLAR:
        state[DOLLARS] += 1
        if behind < len(data) and data[behind] == _DOLLAR:
            put(out, state, _DOLLAR)
            state[DOLLARS] += 1
            state[IN_MATH] = 1 - state[IN_MATH]
            behind += 1
    elif byte == _BACKSLASH:
        if is_at(data, at, len(data), _BEGIN):
            state[IN_MATH] += 1
        elif is_at(data, at, len(data), _END):
            state[IN_MATH] = max(0, state[IN_MATH] - 1)
    return behind


@njit(cache=True)
def room_for(data: Bytes) -> int:
    """How many bytes `write_post` may write for HTML, escaped or not."""
    places = 1
    for byte in data:
        places += byte in (LESS, _NEW_LINE, AMPERSAND)
    return 4 * len(data) + places * ROOM


@njit(cache=True)
def write_post(data: Bytes, markdown: bool, out: Bytes) -> tuple[int, int, int, int]:
    """Writes the text of a post's HTML, references still in it. Returns how many bytes that is, counts of what was
    written (characters of code, and dollar signs outside of code), and whether it begins with a block."""
    size = len(data)
    state = np.zeros(STATE_SIZE, dtype=np.int64)
    values = np.empty((5, 2), dtype=np.int64)
    code = np.empty(0, dtype=np.uint8)  # room for a block of code, when there is one
    state[EMPTY] = 1
    state[MARKDOWN] = markdown
    state[LINK] = state[CODE] = state[RAISED] = NONE
    all_closed = True  # no element that is left out was found to be without an end tag
    at = 0
    while at < size:
        if state[EMPTY] and (data[at] == _NEW_LINE or data[at] == _BLANK):
            at += 1
            continue
        if data[at] != LESS or at + 1 == size:
            at = _put_character(data, at, out, state)
            if not (state[EMPTY] or state[BLANK] or state[LINK] == AWAITED or state[CODE] == AWAITED):
                at = _put_words(data, at, out, state)
            continue
        after = int(data[at + 1])
        is_end = after == SLASH
        name = at + 1 + is_end
        if name < size and is_letter(int(data[name])):
            hashed, place = name_at(data, name)
            behind = read_tag(data, place, values)
            if behind < 0:
                break
            at = behind
            kind = look_up(TAG_HASHES, TAG_KINDS, hashed)
            if kind == BLOCK:  # most tags; at its start and at its end the same
                owe_lines(data, out, state, 2)
            elif kind < 0:
                continue
            elif is_end:
                _end(kind, data, out, state)
            elif kind == PRE and not state[IN_ROW]:
                owe_lines(data, out, state, 2)
                if len(code) == 0:
                    code = np.empty(size + 1, dtype=np.uint8)
                at, length, language, language_end = _read_code(data, at, values, code, state)
                put_code(code, length, data[language:language_end], out, state)
                owe_lines(data, out, state, 2)
            elif kind == DROPPED:
                if all_closed:
                    _, end = end_of_raw(data, at, hashed)
                    all_closed = end >= 0
                    at = max(at, end)
            else:
                _start(kind, int(data[place - 1]) - 48, data, values, out, state)
        elif after == 33 or after == 63 or (is_end and at + 2 < size):  # <! <? </
            at = skip_declaration(data, at)
        else:
            at = _put_character(data, at, out, state)
    end_row(data, out, state)
    close_marks(data, out, state)
    return state[SIZE], state[CODE_CHARACTERS], state[DOLLARS], state[IS_BLOCK]
