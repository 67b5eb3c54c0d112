"""The stack of open elements and the list of active formatting elements of a page, as an HTML parser keeps them.

Used by `html_cost`, which says what they are counted for. The rules are those of the HTML Living Standard, 13.2.4.2
(stack), 13.2.4.3 (active formatting elements), 13.2.6.4 (what each start and end tag closes) and 13.2.6.5 (foreign
content). All is kept in arrays: `stack` (places x fields), `active` and `hashes` (entries), `last` (for each name the
place of its innermost open element, -1 if none is open), `counters`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.hashing import hash_table

# Measured on the whole-page extraction of Resiliparse 2.0.1; a page at one of them takes under half a second.
MAX_NODES = 500_000  # tags and elements opened again: 0.4 s and 300 MB; real pages have 71,000 at most
MAX_STEPS = 100_000_000  # of 1 to 4 ns each; the 3,932 real pages measured take 3.4 million at most
# Each element that is opened adds the depth to the steps, so that depth² / 2 stays under MAX_STEPS.
PLACES = 16_384

# Kinds of elements, as bits.
VOID, RAW, FORMATTING, SPECIAL, BARRIER = 1, 2, 4, 8, 16
ENDS_P, BREAKS_OUT, IS_LIST, REOPENS, IGNORED, IN_TABLE = 32, 64, 128, 256, 512, 1024
HEADING, PLAIN_TO_END, IN_SVG, IN_MATH, MARKER = 2048, 4096, 8192, 16384, 32768
IN_RUBY, IMPLIED_END = 65536, 131072
_KINDS = {
    VOID: "area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr",
    RAW: "script style textarea title xmp iframe noembed noframes",
    FORMATTING: "a b big code em font i nobr s small strike strong tt u",
    # 13.2.4.2, special; void and raw elements are never on the stack here.
    SPECIAL: "address applet article aside blockquote button caption center colgroup dd details dir div dl dt fieldset"
    " figcaption figure footer frameset h1 h2 h3 h4 h5 h6 header hgroup li listing main marquee menu nav noscript"
    " object ol p pre search section select summary table tbody td template tfoot th thead tr ul",
    BARRIER: "applet caption table td th marquee object template select",
    MARKER: "applet caption td th marquee object template",  # in the list of active formatting elements
    ENDS_P: "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer h1 h2"
    " h3 h4 h5 h6 header hgroup hr li dd dt listing main menu nav ol p pre search section summary ul xmp",
    BREAKS_OUT: "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing"
    " menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var",
    IN_SVG: "foreignobject desc title",  # HTML within a drawing
    IN_MATH: "mi mo mn ms mtext annotation-xml",  # HTML within a formula
    IS_LIST: "ul ol",  # what the extraction indents; behind a list without content it never indents less again
    REOPENS: "applet area br button embed image img input keygen marquee noscript object select wbr xmp",
    IGNORED: "html head body form",  # on the stack once at most, whatever the page says
    IN_TABLE: "caption colgroup tbody td tfoot th thead tr",
    HEADING: "h1 h2 h3 h4 h5 h6",
    PLAIN_TO_END: "plaintext",
    IN_RUBY: "rb rt rp rtc",
    IMPLIED_END: "dd dt li optgroup option p rb rp rt rtc",  # 13.2.6.3
}
_NUMBERS = {
    name: number
    for number, name in enumerate(
        dict.fromkeys(f"{' '.join(_KINDS.values())} svg math option optgroup".split()), start=1
    )
}
KNOWN = len(_NUMBERS) + 1
NAME_HASHES, NAME_NUMBERS = hash_table(_NUMBERS)
KIND_OF = np.zeros(KNOWN, dtype=np.int32)
for _bit, _names in _KINDS.items():
    for _name in _names.split():
        KIND_OF[_NUMBERS[_name]] |= _bit
A, NOBR, FONT, P, LI, DD, DT = (_NUMBERS[name] for name in ("a", "nobr", "font", "p", "li", "dd", "dt"))
ADDRESS, DIV, UL, OL, BUTTON = (_NUMBERS[name] for name in ("address", "div", "ul", "ol", "button"))
TABLE, TBODY, THEAD, TFOOT, TR, TD, TH = (
    _NUMBERS[name] for name in ("table", "tbody", "thead", "tfoot", "tr", "td", "th")
)
ANNOTATION = _NUMBERS["annotation-xml"]
TEMPLATE, SELECT, OPTION, OPTGROUP = (_NUMBERS[name] for name in ("template", "select", "option", "optgroup"))
FRAMESET, NOFRAMES, SCRIPT, INPUT, CAPTION, BR, RUBY = (
    _NUMBERS[name] for name in ("frameset", "noframes", "script", "input", "caption", "br", "ruby")
)
SVG, MATH = _NUMBERS["svg"], _NUMBERS["math"]

# Fields of an open element. Places are those of open elements at or below it; place 0 is the root.
_NUMBER, _SAME, SCOPE, _BLOCK, _ITEM, FOREIGN, LISTS, FILLED, _AT_MARKER, _FIRST, _ENTRY = range(11)
# Fields of an active formatting element: its number and its place on the stack, -1 when it is not open.
_ENTRY_NUMBER, PLACE = 0, 1
# The counters that the functions below share.
TOP, ACTIVE, NODES, STEPS, INDENTATION, TAG_NAMES, ATTRIBUTE_NAMES, EMPTY_LISTS = range(8)


@njit(cache=True)
def push(
    number: int,
    kind: int,
    foreign: int,
    stack: NDArray[np.int32],
    last: NDArray[np.int32],
    counters: NDArray[np.int64],
) -> None:
    below = int(counters[TOP])
    top = below + 1
    if top >= PLACES:
        counters[STEPS] += MAX_STEPS
        return
    counters[TOP] = top
    counters[NODES] += 1
    counters[STEPS] += top
    stack[top, _NUMBER] = number
    stack[top, _SAME] = last[number]
    last[number] = top
    stack[top, SCOPE] = top if kind & BARRIER else stack[below, SCOPE]
    stack[top, _BLOCK] = top if kind & SPECIAL else stack[below, _BLOCK]
    is_item_end = kind & SPECIAL and number not in (ADDRESS, DIV, P)
    stack[top, _ITEM] = top if is_item_end else stack[below, _ITEM]
    stack[top, FOREIGN] = foreign
    stack[top, LISTS] = stack[below, LISTS] + (1 if kind & IS_LIST else 0)
    stack[below, FILLED] = 1
    stack[top, FILLED] = 0
    stack[top, _AT_MARKER] = kind & MARKER
    stack[top, _FIRST] = counters[ACTIVE] if kind & MARKER else stack[below, _FIRST]
    stack[top, _ENTRY] = -1


@njit(cache=True)
def pop_from(
    place: int,
    stack: NDArray[np.int32],
    active: NDArray[np.int32],
    last: NDArray[np.int32],
    counters: NDArray[np.int64],
) -> None:
    """Closes the element at `place` and all above it; formatting elements stay active unless a marker goes."""
    top = int(counters[TOP])
    while top >= place or (top > 0 and stack[top, _NUMBER] == 0):
        if stack[top, _NUMBER] > 0:
            last[stack[top, _NUMBER]] = stack[top, _SAME]
            if stack[top, _ENTRY] >= 0:
                active[stack[top, _ENTRY], PLACE] = -1
            if not stack[top, FILLED] and stack[top, LISTS] > stack[top - 1, LISTS]:
                counters[EMPTY_LISTS] += 1
            if stack[top, _AT_MARKER]:
                counters[ACTIVE] = stack[top, _FIRST]
        top -= 1
    counters[TOP] = top


@njit(cache=True)
def _forget(
    entry: int,
    stack: NDArray[np.int32],
    active: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    counters: NDArray[np.int64],
) -> None:
    """Takes an entry out of the active formatting elements."""
    if active[entry, PLACE] >= 0:
        stack[active[entry, PLACE], _ENTRY] = -1
    count = int(counters[ACTIVE])
    counters[STEPS] += count - entry
    for later in range(entry + 1, count):
        active[later - 1] = active[later]
        hashes[later - 1] = hashes[later]
        if active[later, PLACE] >= 0:
            stack[active[later, PLACE], _ENTRY] = later - 1
    counters[ACTIVE] = count - 1


@njit(cache=True)
def end_formatting(
    number: int,
    stack: NDArray[np.int32],
    active: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    last: NDArray[np.int32],
    counters: NDArray[np.int64],
) -> bool:
    """The end tag of a formatting element; False when no such element is active.

    With a block open inside, the element leaves the stack from below the block (the adoption agency's outcome).
    """
    top = int(counters[TOP])
    entry = int(counters[ACTIVE]) - 1
    while entry >= stack[top, _FIRST] and active[entry, _ENTRY_NUMBER] != number:
        entry -= 1
    if entry < stack[top, _FIRST]:
        return False
    place = int(active[entry, PLACE])
    if place >= 0 and place < stack[top, SCOPE]:
        return True
    _forget(entry, stack, active, hashes, counters)
    if place < 0:
        return True
    if stack[top, _BLOCK] < place:
        pop_from(place, stack, active, last, counters)
        return True
    if last[number] == place:
        last[number] = stack[place, _SAME]
    else:
        above = last[number]
        while stack[above, _SAME] != place:
            above = stack[above, _SAME]
            counters[STEPS] += 1
        stack[above, _SAME] = stack[place, _SAME]
    stack[place, _NUMBER] = 0
    return True


@njit(cache=True)
def reopen(
    stack: NDArray[np.int32], active: NDArray[np.int32], last: NDArray[np.int32], counters: NDArray[np.int64]
) -> None:
    """Opens the active formatting elements again that were closed with a block around them (13.2.4.3)."""
    count, first = int(counters[ACTIVE]), int(stack[counters[TOP], _FIRST])
    entry = count
    while entry > first and active[entry - 1, PLACE] < 0:
        entry -= 1
    for closed in range(entry, count):
        if counters[STEPS] > MAX_STEPS or counters[NODES] > MAX_NODES:
            return
        push(int(active[closed, _ENTRY_NUMBER]), FORMATTING, 0, stack, last, counters)
        active[closed, PLACE] = counters[TOP]
        stack[counters[TOP], _ENTRY] = closed


@njit(cache=True)
def note_formatting(
    number: int,
    hashed: np.uint64,
    stack: NDArray[np.int32],
    active: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    counters: NDArray[np.int64],
) -> None:
    """The element on top becomes active; of four alike the first one is dropped (13.2.4.3)."""
    top = int(counters[TOP])
    earliest, alike = -1, 0
    for entry in range(stack[top, _FIRST], counters[ACTIVE]):
        counters[STEPS] += 1
        if hashes[entry] == hashed:
            earliest = entry if alike == 0 else earliest
            alike += 1
    if alike >= 3:
        _forget(earliest, stack, active, hashes, counters)
    count = int(counters[ACTIVE])
    if count >= PLACES:
        counters[STEPS] += MAX_STEPS
        return
    active[count, _ENTRY_NUMBER], active[count, PLACE] = number, top
    hashes[count] = hashed
    stack[top, _ENTRY] = count
    counters[ACTIVE] = count + 1


@njit(cache=True)
def place_to_end(number: int, kind: int, stack: NDArray[np.int32], last: NDArray[np.int32], top: int) -> int:
    """Place of the element that an end tag closes, formatting elements apart; 0 when it closes none."""
    found = int(last[number])
    scope = int(stack[top, SCOPE])
    table = max(last[TABLE], max(last[TEMPLATE], last[SELECT]))
    if kind & HEADING:
        for heading in range(KNOWN):
            if KIND_OF[heading] & HEADING:
                found = max(found, last[heading])
    if number in (TEMPLATE, SELECT):
        return found
    if number == TABLE:
        return found if found == table else 0
    if kind & IN_TABLE:
        return found if found > table else 0
    if not kind & SPECIAL:
        return found if found > stack[top, _BLOCK] or found == top else 0
    if number == P:
        scope = max(scope, last[BUTTON])
    elif number == LI:
        scope = max(scope, max(last[UL], last[OL]))
    return found if found > scope or (kind & BARRIER and found == scope) else 0


@njit(cache=True)
def place_implied(number: int, kind: int, stack: NDArray[np.int32], last: NDArray[np.int32], top: int) -> int:
    """Place of the element that a start tag closes first, formatting elements apart; 0 when it closes none."""
    scope = int(stack[top, SCOPE])
    above = int(stack[top, _NUMBER])
    if kind & IN_TABLE:
        limit = max(last[TABLE], last[TEMPLATE])
        if number == TR or number in (TD, TH):
            limit = max(limit, max(last[TBODY], max(last[THEAD], last[TFOOT])))
        if number in (TD, TH):
            limit = max(limit, last[TR])
        return limit + 1 if last[SELECT] < limit < top else 0
    if number == LI or number in (DD, DT):
        item = int(stack[top, _ITEM])
        named = stack[item, _NUMBER]
        if item > 0 and (named == number or (number != LI and named in (DD, DT))):
            return item
    if kind & HEADING and KIND_OF[above if above < KNOWN else 0] & HEADING:
        return top
    if kind & ENDS_P and last[P] > max(scope, last[BUTTON]):
        return int(last[P])
    if number == TABLE and last[TABLE] > max(max(last[TD], last[TH]), max(last[CAPTION], last[TEMPLATE])):
        return int(last[TABLE])
    if (kind & IN_RUBY and last[RUBY] > scope) or (number in (OPTION, OPTGROUP) and last[SELECT] > 0):
        place = top
        while stack[place, _NUMBER] < KNOWN and KIND_OF[stack[place, _NUMBER]] & IMPLIED_END:
            place -= 1
        return place + 1 if place < top else 0
    if number == BUTTON and last[BUTTON] > scope:
        return int(last[BUTTON])
    if number in (OPTION, OPTGROUP) and above == OPTION:
        return top
    return 0
