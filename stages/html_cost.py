"""What a page would cost an HTML parser that builds a tree, found in one pass over its bytes before it is parsed.

In: UTF-8 bytes. Out: the limit that the page breaks, in words, or nothing. A parser of the HTML Living Standard goes up
the stack of open elements at many tags, opens formatting elements again behind every block that they were not closed
in, and compares an attribute with all others of its tag; the parser used here also goes through lists of the names it
has seen, and the text of nested lists is indented. Each is quadratic: a page of 1 MB can take minutes and gigabytes.

The pass follows the rules of the HTML Living Standard for open elements (`html_open_elements`). Where they have many
cases it keeps an element open rather than close it, so that it finds too much rather than too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import (
    DOUBLE_QUOTE,
    EQUALS,
    GREATER,
    LESS,
    SINGLE_QUOTE,
    SLASH,
    is_letter,
    is_space,
    lowered,
)
from stages.extraction.characters import Bytes
from stages.extraction.hashing import FIRST_HASH, PRIME, look_up, name_hash
from stages.extraction.markup import end_of_escaped_script, end_of_raw, name_at, skip_declaration, skip_past
from stages.html_open_elements import (
    ACTIVE,
    ANNOTATION,
    ATTRIBUTE_NAMES,
    BARRIER,
    BR,
    BREAKS_OUT,
    EMPTY_LISTS,
    ENDS_P,
    FILLED,
    FONT,
    FOREIGN,
    FORMATTING,
    FRAMESET,
    IGNORED,
    IN_MATH,
    IN_SVG,
    IN_TABLE,
    INDENTATION,
    INPUT,
    KIND_OF,
    KNOWN,
    LISTS,
    MATH,
    MAX_NODES,
    MAX_STEPS,
    NAME_HASHES,
    NAME_NUMBERS,
    NOBR,
    NODES,
    NOFRAMES,
    PLACE,
    PLACES,
    PLAIN_TO_END,
    RAW,
    REOPENS,
    SCOPE,
    SCRIPT,
    SELECT,
    SPECIAL,
    STEPS,
    SVG,
    TABLE,
    TAG_NAMES,
    TEMPLATE,
    TOP,
    VOID,
    A,
    P,
    end_formatting,
    note_formatting,
    place_implied,
    place_to_end,
    pop_from,
    push,
    reopen,
)

# Measured on the whole-page extraction of Resiliparse 2.0.1; a page at one of them takes under half a second.
MAX_NAMES = 4_000  # of tags, and of attributes, each told apart; real pages have 1,300 at most
MAX_INDENTATION = 4_000_000  # characters before lines of nested lists; real pages have 0.3 million at most
_SLOTS = 8_192  # of a table of names: twice MAX_NAMES
_FONT_ATTRIBUTES = np.array([name_hash(name) for name in ("color", "face", "size")], dtype=np.uint64)
_ENCODING = np.uint64(name_hash("encoding"))
_HTML_ENCODINGS = np.array(
    [name_hash(name) for name in ("text/html", "application/xhtml+xml")], dtype=np.uint64
)
_EXCLAMATION, _QUESTION, _OPEN_BRACKET, _CLOSE_BRACKET = (ord(c) for c in "!?[]")


@dataclass(frozen=True, slots=True)
class PageCost:
    """What was counted in a page, as far as the first limit that it breaks."""

    nodes: int  # tags, comments, and elements that are opened again
    steps: int  # through open elements, attributes of a tag, and names
    names: int  # of tags that HTML does not have, or of attributes
    indentation: int  # characters


def page_cost(page: bytes) -> PageCost:
    """The cost of a page of UTF-8 bytes, in time linear in it: 0.3 ms for 100 kB."""
    counters = _count(np.frombuffer(page, dtype=np.uint8))
    return PageCost(
        nodes=int(counters[NODES]),
        steps=int(counters[STEPS]),
        names=int(max(counters[TAG_NAMES], counters[ATTRIBUTE_NAMES])),
        indentation=int(counters[INDENTATION]),
    )


def broken_limit(page: bytes) -> str:
    """The limit that a page of UTF-8 bytes breaks, such as `over 500000 elements`; empty when it breaks none."""
    cost = page_cost(page)
    if cost.nodes > MAX_NODES:
        return f"over {MAX_NODES} elements"
    if cost.names >= MAX_NAMES:
        return f"over {MAX_NAMES} names of tags or attributes"
    if cost.indentation > MAX_INDENTATION:
        return f"over {MAX_INDENTATION} characters of indentation in nested lists"
    if cost.steps > MAX_STEPS:
        return f"over {MAX_STEPS} steps through open elements"
    return ""


@njit(cache=True)
def _number_of(hashed: np.uint64, slots: NDArray[np.uint64], numbers: NDArray[np.int32], known: int) -> int:
    """The number of a name: the one it was given before, or the next, which is `known`."""
    mask = np.uint64(_SLOTS - 1)
    slot = hashed & mask
    while slots[slot] != np.uint64(0):
        if slots[slot] == hashed:
            return int(numbers[slot])
        slot = (slot + np.uint64(1)) & mask
    slots[slot] = hashed
    numbers[slot] = known
    return known


@njit(cache=True)
def _skip_attributes(
    data: Bytes, at: int, slots: NDArray[np.uint64], numbers: NDArray[np.int32], counters: NDArray[np.int64]
) -> tuple[int, bool, bool]:
    """Behind the tag whose attributes begin at `at`; whether it closes itself; whether an attribute says that the
    element is HTML within foreign content: color, face or size of a font, encoding of an annotation.

    As in 13.2.5.32 to 40. Behind the end of the bytes when the tag is not closed.
    """
    size = len(data)
    closes_itself = is_html = False
    attributes = 0
    while at < size:
        byte = int(data[at])
        if byte == GREATER:
            return at + 1, closes_itself, is_html
        closes_itself = byte == SLASH
        if closes_itself or is_space(byte):
            at += 1
            continue
        hashed = FIRST_HASH
        start = at
        while at < size:
            byte = int(data[at])
            if byte in (GREATER, SLASH) or is_space(byte) or (byte == EQUALS and at > start):
                break
            hashed = (hashed ^ np.uint64(lowered(byte))) * PRIME
            at += 1
        name = hashed
        is_html = is_html or name in _FONT_ATTRIBUTES
        attributes += 1
        names = int(counters[ATTRIBUTE_NAMES])
        if _number_of(hashed, slots, numbers, names) == names:
            counters[ATTRIBUTE_NAMES] = names + 1
        counters[STEPS] += attributes + names
        if names + 1 >= MAX_NAMES or counters[STEPS] > MAX_STEPS:
            return size + 1, False, False
        behind = at
        while behind < size and is_space(int(data[behind])):
            behind += 1
        if behind == size or data[behind] != EQUALS:
            continue
        at = behind + 1
        while at < size and is_space(int(data[at])):
            at += 1
        if at == size:
            break
        quote = int(data[at])
        start = at
        if quote in (DOUBLE_QUOTE, SINGLE_QUOTE):
            start += 1
            at = skip_past(data, start, quote)
        else:
            while at < size and data[at] != GREATER and not is_space(int(data[at])):
                at += 1
        if name == _ENCODING:
            hashed = FIRST_HASH
            for place in range(start, at if start < at and data[at - 1] != quote else at - 1):
                hashed = (hashed ^ np.uint64(lowered(int(data[place])))) * PRIME
            is_html = is_html or hashed in _HTML_ENCODINGS
    return size + 1, False, False


@njit(cache=True)
def _skip_cdata(data: Bytes, at: int) -> int:
    while at + 2 < len(data):
        if data[at] == _CLOSE_BRACKET and data[at + 1] == _CLOSE_BRACKET and data[at + 2] == GREATER:
            return at + 3
        at += 1
    return len(data)


@njit(cache=True)
def _count(data: Bytes) -> NDArray[np.int64]:
    size = len(data)
    counters = np.zeros(8, dtype=np.int64)
    stack = np.empty((PLACES, 11), dtype=np.int32)
    stack[0] = 0
    active = np.empty((PLACES, 2), dtype=np.int32)
    hashes = np.empty(PLACES, dtype=np.uint64)
    last = np.full(KNOWN + MAX_NAMES + 1, -1, dtype=np.int32)
    tag_slots = np.zeros(_SLOTS, dtype=np.uint64)
    tag_numbers = np.empty(_SLOTS, dtype=np.int32)
    attribute_slots = np.zeros(_SLOTS, dtype=np.uint64)
    attribute_numbers = np.empty(_SLOTS, dtype=np.int32)
    in_frames = False
    at = 0
    while (
        at < size
        and counters[NODES] <= MAX_NODES
        and counters[STEPS] <= MAX_STEPS
        and counters[INDENTATION] <= MAX_INDENTATION
        and max(counters[TAG_NAMES], counters[ATTRIBUTE_NAMES]) < MAX_NAMES
    ):
        foreign = stack[counters[TOP], FOREIGN]
        mark = int(data[at + 1]) if at + 1 < size else 0
        if data[at] != LESS or not (mark in (_EXCLAMATION, _QUESTION, SLASH) or is_letter(mark)):
            active_count = counters[ACTIVE]
            if active_count > 0 and active[active_count - 1, PLACE] < 0 and not foreign:
                reopen(stack, active, last, counters)
            stack[counters[TOP], FILLED] = 1
            at += 1
            while at < size and data[at] != LESS:
                at += 1
            continue
        counters[NODES] += 1
        if mark in (_EXCLAMATION, _QUESTION):
            is_cdata = foreign and at + 2 < size and data[at + 2] == _OPEN_BRACKET
            at = _skip_cdata(data, at + 3) if is_cdata else skip_declaration(data, at)
            continue
        closing = mark == SLASH
        start = at + 2 if closing else at + 1
        if closing and (start == size or not is_letter(int(data[start]))):
            at = skip_past(data, start, GREATER)
            continue
        hashed, at = name_at(data, start)
        number = look_up(NAME_HASHES, NAME_NUMBERS, hashed)
        if number < 0:
            names = int(counters[TAG_NAMES])
            counters[STEPS] += names
            number = _number_of(hashed, tag_slots, tag_numbers, KNOWN + names)
            if number == KNOWN + names:
                counters[TAG_NAMES] = names + 1
        kind = int(KIND_OF[number]) if number < KNOWN else 0
        at, closes_itself, is_html = _skip_attributes(data, at, attribute_slots, attribute_numbers, counters)
        if at > size:
            break
        top = int(counters[TOP])
        counters[STEPS] += top
        counters[INDENTATION] += 2 * (stack[top, LISTS] + counters[EMPTY_LISTS])
        if kind & IGNORED and (closing or not foreign):
            continue
        in_frames = in_frames or (number == FRAMESET and not closing)
        if in_frames:
            counters[NODES] += counters[ACTIVE]
        if in_frames and closing:
            continue  # whether frames or the body are open depends on all that came before: nothing is closed
        if foreign and (number in (P, BR) if closing else kind & BREAKS_OUT or (number == FONT and is_html)):
            while stack[top, FOREIGN]:
                top -= 1
            pop_from(top + 1, stack, active, last, counters)
            top = int(counters[TOP])
            foreign = 0
        if closing:
            if kind & FORMATTING and end_formatting(number, stack, active, hashes, last, counters):
                continue
            place = place_to_end(number, kind, stack, last, top)
            if place > 0:
                pop_from(place, stack, active, last, counters)
            continue

        if foreign:
            holds_html = kind & (IN_SVG if foreign == SVG else IN_MATH)
            if number == ANNOTATION and not is_html:
                holds_html = 0
            opens = not closes_itself or in_frames
            if opens and holds_html:
                push(number, SPECIAL | BARRIER, 0, stack, last, counters)
            elif opens:
                push(
                    number,
                    0,
                    MATH if number == MATH else SVG if number == SVG else foreign,
                    stack,
                    last,
                    counters,
                )
            continue
        if kind & PLAIN_TO_END and not in_frames:
            break
        if number in (SELECT, INPUT) and last[SELECT] > 0 and last[SELECT] >= stack[top, SCOPE]:
            pop_from(int(last[SELECT]), stack, active, last, counters)
            if number == SELECT:
                continue
        if kind & RAW:
            stack[counters[TOP], FILLED] = 1
            if in_frames and number != NOFRAMES:
                continue  # the tag may be ignored, and what follows read as markup
            end = -1
            if number == SCRIPT:
                end, _ = end_of_escaped_script(data, at)
            else:
                end, _ = end_of_raw(data, at, hashed)
            if end < 0:
                break
            _, at = name_at(data, end + 2)
            at, _, _ = _skip_attributes(data, at, attribute_slots, attribute_numbers, counters)
            continue
        if kind & IN_TABLE and max(last[TABLE], last[TEMPLATE]) < 0:
            continue
        place = place_implied(number, kind, stack, last, top)
        if place > 0 and not in_frames:
            pop_from(place, stack, active, last, counters)
        if number in (A, NOBR) and not in_frames:
            end_formatting(number, stack, active, hashes, last, counters)
        if kind & REOPENS or not kind & (SPECIAL | VOID | ENDS_P):
            reopen(stack, active, last, counters)
        if kind & VOID:
            stack[counters[TOP], FILLED] = 1
            continue
        if closes_itself and number in (SVG, MATH):
            continue
        counters[NODES] -= 1  # counted again as it is opened
        push(number, kind, number if number in (SVG, MATH) else 0, stack, last, counters)
        if kind & FORMATTING:
            whole = FIRST_HASH
            for byte in data[start : at - 1]:
                whole = (whole ^ np.uint64(byte)) * PRIME
            note_formatting(number, whole, stack, active, hashes, counters)
    return counters
