"""One pass over the bytes of a page: its elements, the words of their classes, and its text in blocks with counts.

In: UTF-8 bytes. Out: `Page`, arrays over elements, class words, text segments, blocks, and the places of what the page
says about itself. No tree of objects is built and no text is copied: segments are places in the bytes.

Tags are read as in the HTML Living Standard, section 13.2.5; which element is open follows the main rules of 13.2.6
(implied ends of p, li, dt, dd, tr, td and headings; an inline end tag stays within its block, a block's within its
table cell), without the repairs that move content (adoption agency, foster parenting). Every step of a tag takes
constant time: for each tag the places of its open elements are chained, so that no search goes up the stack.

A block is the text between two block-level tags or two line breaks. Elements are numbered in the order of their start
tags, so a parent comes before its children; element 0 is the root and has no tag.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.attributes import (
    GREATER,
    LESS,
    SLASH,
    is_letter,
    read_attributes,
    value_hash,
)
from stages.extraction.characters import Bytes
from stages.extraction.elements import (
    ANCESTOR_BITS,
    ATTRIBUTE_CODES,
    BARRIER,
    BLOCK,
    FACT_COUNT,
    IN_HIDDEN,
    IN_PRE,
    KINDS,
    RAW,
    TAG_COUNT,
    TAGS,
    TITLE,
    TYPE,
    UNSEEN,
    VOID,
)
from stages.extraction.hashing import FIRST_HASH, name_hash
from stages.extraction.markup import (
    count_markup,
    end_of_escaped_script,
    end_of_raw,
    name_at,
    skip_declaration,
    skip_past,
)
from stages.extraction.open_elements import (
    UNKNOWN_NAMES,
    UNKNOWN_SLOTS,
    number_of,
    place_implied,
    place_to_close,
)
from stages.extraction.stated_facts import note, note_facts, note_json_date
from stages.extraction.text_run import (
    CHARACTERS,
    COUNTS,
    LINE_BREAKS,
    STARTS_MARKUP,
    WORDS,
    clear,
    count_text,
    end_of_text,
)

MAX_BYTES = (1 << 31) - (1 << 20)  # places are 32-bit numbers
LINE_BREAK = -1  # the start of a segment that is a line break and no text

A, BODY, BR, DIALOG, HTML, NOSCRIPT = (
    TAGS[name] for name in ("a", "body", "br", "dialog", "html", "noscript")
)
LINK, META, SCRIPT, STYLE, TIME = (TAGS[name] for name in ("link", "meta", "script", "style", "time"))
TITLE_TAG, SVG, FOREIGN_OBJECT = (TAGS[name] for name in ("title", "svg", "foreignobject"))
PATH_STEP = np.uint64(31)  # an odd number, so that no bit of the parent's path is lost
_JSON_LD_HASH = np.uint64(name_hash("application/ld+json"))
_EXCLAMATION, _QUESTION = ord("!"), ord("?")


class Page(NamedTuple):
    """What a scan finds. E elements, W class words, S segments, B blocks, all in the order of the page."""

    element_parent: NDArray[np.int32]  # E
    element_tag: NDArray[np.uint8]  # E; number in elements.TAGS, 0 for a tag that is not there
    element_depth: NDArray[np.int32]  # E; 0 for the root
    element_ancestors: NDArray[
        np.uint64
    ]  # E; bits of elements.ANCESTOR_TAGS and IN_..., of the element and above
    element_path: NDArray[np.uint64]  # E; hash of the tags and classes from the root to the element
    word_element: NDArray[np.int32]  # W; each word once an element
    word_hash: NDArray[
        np.uint64
    ]  # W; hashing.name_hash of the lower-case word, with @ before it for role, itemprop
    word_place: NDArray[np.int32]  # W x 2; start and end of the word in the bytes
    segment_start: NDArray[np.int32]  # S; place in the bytes, or LINE_BREAK
    segment_end: NDArray[np.int32]  # S
    block_element: NDArray[np.int32]  # B; innermost block-level element
    block_segments: NDArray[np.int32]  # B x 2; first segment and the one behind the last
    block_counts: NDArray[np.int32]  # B x text_run.COUNTS
    block_hash: NDArray[np.uint64]  # B; of the text without white space
    facts: NDArray[np.int32]  # elements.FACT_COUNT x 2; start and end of a value in the bytes, or -1


def scan(data: bytes) -> Page:
    """Scans a page of UTF-8 bytes. Time and memory are linear in it; bytes that are no UTF-8 are characters too.

    Raises ValueError for a page of 2 GiB and more.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"a page of {len(data)} bytes: at most {MAX_BYTES} can be scanned; cut it before")
    return scan_bytes(np.frombuffer(data, dtype=np.uint8))


@njit(cache=True)
def scan_bytes(data: Bytes) -> Page:
    """`scan` for compiled callers."""
    size = len(data)
    tags = count_markup(data) + 2
    # Pages of memory that nothing is written to are never touched.
    element_parent = np.empty(tags, dtype=np.int32)
    element_tag = np.empty(tags, dtype=np.uint8)
    element_depth = np.empty(tags, dtype=np.int32)
    element_ancestors = np.empty(tags, dtype=np.uint64)
    element_path = np.empty(tags, dtype=np.uint64)
    words = size // 2 + 1
    word_element = np.empty(words, dtype=np.int32)
    word_hash = np.empty(words, dtype=np.uint64)
    word_place = np.empty((words, 2), dtype=np.int32)
    segment_start = np.empty(2 * tags, dtype=np.int32)
    segment_end = np.empty(2 * tags, dtype=np.int32)
    block_element = np.empty(tags, dtype=np.int32)
    block_segments = np.empty((tags, 2), dtype=np.int32)
    block_counts = np.empty((tags, COUNTS), dtype=np.int32)
    block_hash = np.empty(tags, dtype=np.uint64)
    facts = np.full((FACT_COUNT, 2), -1, dtype=np.int32)
    element_count = 1
    word_count = segment_count = block_count = 0
    element_parent[0] = element_tag[0] = element_depth[0] = 0
    element_ancestors[0] = np.uint64(0)
    element_path[0] = FIRST_HASH

    # The stack of open elements; place 0 is the root.
    stack = np.empty(tags, dtype=np.int32)  # the element
    stack_tag = np.empty(tags, dtype=np.int32)  # its number on this page
    same_below = np.empty(tags, dtype=np.int32)  # place of the open element with the same tag below it
    scope_at = np.empty(
        tags, dtype=np.int32
    )  # place of the innermost block-level or unseen element; 0 if none
    barrier_at = np.empty(tags, dtype=np.int32)  # ... of the innermost element with BARRIER; 0 if none
    hidden_at = np.empty(tags, dtype=np.int32)  # ... of the innermost unseen element; 0 if none
    top = 0
    stack[0] = stack_tag[0] = scope_at[0] = barrier_at[0] = hidden_at[0] = 0
    same_below[0] = -1
    last = np.full(
        TAG_COUNT + UNKNOWN_NAMES, -1, dtype=np.int32
    )  # place of the innermost open element of each tag
    unknown = np.zeros(UNKNOWN_SLOTS, dtype=np.uint64)
    numbers = np.zeros(UNKNOWN_SLOTS + 1, dtype=np.int32)
    unclosed = np.zeros(
        TAG_COUNT, dtype=np.bool_
    )  # raw tags that have no end tag in the rest of the page; place 0: escaped scripts

    counts = np.zeros(COUNTS, dtype=np.int32)  # of the block that is open
    text_hash = np.empty(1, dtype=np.uint64)
    clear(counts, text_hash)
    values = np.empty((ATTRIBUTE_CODES, 2), dtype=np.int32)
    first_segment = 0  # of the block that is open
    breaks = 0  # line breaks in a row
    linked = False
    at = 0
    while at <= size:
        is_over = at == size  # once more behind the end, to close the last block
        flushes = is_over
        kind = tag = number = name_start = 0
        closing = False
        hashed = FIRST_HASH
        hidden = hidden_at[top] > 0
        if not is_over:
            if data[at] != LESS or at + 1 == size or not STARTS_MARKUP[data[at + 1]]:
                if hidden:
                    at = end_of_text(data, at)
                    continue
                start = at
                at, has_word = count_text(data, at, linked, counts, text_hash)
                if counts[CHARACTERS] > 0 or element_ancestors[stack[top]] & IN_PRE:
                    segment_start[segment_count] = start
                    segment_end[segment_count] = at
                    segment_count += 1
                if has_word:
                    breaks = 0
                continue
            mark = data[at + 1]
            if mark in (_EXCLAMATION, _QUESTION):
                at = skip_declaration(data, at)
                continue
            closing = mark == SLASH
            name_start = at + 2 if closing else at + 1
            if closing and (name_start == size or not is_letter(int(data[name_start]))):
                at = skip_past(data, name_start, GREATER)
                continue
            hashed, at = name_at(data, name_start)
            number = number_of(hashed, unknown, numbers)
            tag = number if number < TAG_COUNT else 0
            kind = int(KINDS[tag])
            drawing = hidden_at[top]
            if (
                hidden
                and kind & BLOCK
                and not closing
                and stack_tag[drawing] == SVG
                and last[FOREIGN_OBJECT] < drawing
            ):
                # An HTML block within an unclosed drawing ends it (HTML 13.2.6.5); a foreignObject may hold one.
                while top >= drawing:
                    last[stack_tag[top]] = same_below[top]
                    top -= 1
                hidden = hidden_at[top] > 0
            if tag == BR:
                at = skip_past(data, at, GREATER)
                if hidden:
                    continue
                counts[LINE_BREAKS] += 1
                breaks += 1
                in_pre = (element_ancestors[stack[top]] & IN_PRE) != 0
                if in_pre or (breaks < 2 and counts[CHARACTERS] > 0):
                    segment_start[segment_count] = LINE_BREAK
                    segment_end[segment_count] = LINE_BREAK
                    segment_count += 1
                if in_pre or breaks < 2:
                    continue
                flushes = True
            else:
                flushes = (kind & BLOCK) != 0 and not hidden
        if flushes:
            if counts[WORDS] > 0:
                block_element[block_count] = stack[scope_at[top]]
                block_segments[block_count, 0] = first_segment
                block_segments[block_count, 1] = segment_count
                block_counts[block_count] = counts
                block_hash[block_count] = text_hash[0]
                block_count += 1
            first_segment = segment_count
            clear(counts, text_hash)
            if is_over:
                break
            if tag == BR:
                continue
            breaks = 0

        place = -1
        if closing:
            at = skip_past(data, at, GREATER)
            if tag == A and not hidden:
                linked = False
            if number > 0:
                place = place_to_close(number, kind, last, scope_at[top], barrier_at[top])
        else:
            at, closes_itself, bits, path, new_words, is_open = read_attributes(
                data, at, hashed, word_hash, word_place, word_count, values
            )
            if tag in (META, LINK, HTML, TIME):
                note_facts(data, tag, values, facts)
            is_code = tag in (SCRIPT, STYLE)
            if kind & RAW and (not closes_itself or (is_code and not hidden)):
                if unclosed[tag]:
                    continue
                start = at
                end = behind = -1
                if tag == SCRIPT and not unclosed[0]:
                    end, behind = end_of_escaped_script(data, at)
                    unclosed[0] = end < 0
                if end < 0:
                    end, behind = end_of_raw(data, at, hashed)
                if end < 0:
                    unclosed[tag] = True
                    if is_code:
                        at = size
                    continue
                at = behind
                if tag == TITLE_TAG and not hidden:
                    note(facts, TITLE, start, end)
                elif tag == SCRIPT and value_hash(data, values[TYPE, 0], values[TYPE, 1]) == _JSON_LD_HASH:
                    note_json_date(data, start, end, facts)
                continue
            is_second = tag in (HTML, BODY) and last[tag] >= 0
            if kind & (VOID | RAW) or closes_itself or number == 0 or is_second:
                continue
            if kind & BLOCK:
                scope = scope_at[top]
                place = place_implied(tag, last, stack_tag[scope], scope, barrier_at[top], hidden_at[top])
            elif tag == A and last[A] > scope_at[top]:
                place = last[A]
        if place > 0:
            while top >= place:
                if stack_tag[top] == A:
                    linked = False
                last[stack_tag[top]] = same_below[top]
                top -= 1
        if closing:
            continue

        element = element_count
        element_count += 1
        parent = stack[top]
        if tag in (HTML, BODY):
            bits = np.uint64(0)
        elif tag == NOSCRIPT or (tag == DIALOG and not is_open):
            bits |= IN_HIDDEN
        element_parent[element] = parent
        element_tag[element] = tag
        element_depth[element] = element_depth[parent] + 1
        element_ancestors[element] = element_ancestors[parent] | bits | ANCESTOR_BITS[tag]
        element_path[element] = path ^ (element_path[parent] * PATH_STEP)
        for word in range(word_count, new_words):
            word_element[word] = element
        word_count = new_words
        top += 1
        stack[top] = element
        stack_tag[top] = number
        same_below[top] = last[number]
        last[number] = top
        scope_at[top] = top if kind & (BLOCK | UNSEEN) else scope_at[top - 1]
        barrier_at[top] = top if kind & BARRIER else barrier_at[top - 1]
        hidden_at[top] = top if kind & UNSEEN else hidden_at[top - 1]
        if tag == A:
            linked = True
    return Page(
        element_parent[:element_count],
        element_tag[:element_count],
        element_depth[:element_count],
        element_ancestors[:element_count],
        element_path[:element_count],
        word_element[:word_count],
        word_hash[:word_count],
        word_place[:word_count],
        segment_start[:segment_count],
        segment_end[:segment_count],
        block_element[:block_count],
        block_segments[:block_count],
        block_counts[:block_count],
        block_hash[:block_count],
        facts,
    )
