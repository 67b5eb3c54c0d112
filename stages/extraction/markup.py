"""Where pieces of markup end: comments and declarations, tag names, and raw text such as scripts.

All follow the HTML Living Standard, section 13.2.5. Each call takes time linear in the bytes that it passes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stages.extraction.attributes import GREATER, LESS, SLASH, is_space, lowered
from stages.extraction.characters import Bytes
from stages.extraction.hashing import FIRST_HASH, PRIME

_COMMENT_START, _SCRIPT_START, _SCRIPT_END = (
    np.frombuffer(text, dtype=np.uint8) for text in (b"<!--", b"<script", b"</script")
)
_EXCLAMATION, _DASH = ord("!"), ord("-")


@njit(cache=True)
def count_markup(data: Bytes) -> int:
    count = 0
    for byte in data:
        if byte == LESS:
            count += 1
    return count


@njit(cache=True)
def skip_past(data: Bytes, at: int, wanted: int) -> int:
    while at < len(data) and data[at] != wanted:
        at += 1
    return min(at + 1, len(data))


@njit(cache=True)
def skip_declaration(data: Bytes, at: int) -> int:
    """Behind a comment, doctype or other `<!...>`, `<?...>`, which begins at `at` (HTML 13.2.5.41 to 52)."""
    size = len(data)
    if not (
        at + 3 < size and data[at + 1] == _EXCLAMATION and data[at + 2] == _DASH and data[at + 3] == _DASH
    ):
        return skip_past(data, at + 2, GREATER)
    at += 4
    if at < size and data[at] == GREATER:  # <!-->
        return at + 1
    if at + 1 < size and data[at] == _DASH and data[at + 1] == GREATER:  # <!--->
        return at + 2
    while at + 2 < size:
        if data[at] == _DASH and data[at + 1] == _DASH:
            if data[at + 2] == GREATER:
                return at + 3
            if data[at + 2] == _EXCLAMATION and at + 3 < size and data[at + 3] == GREATER:
                return at + 4
        at += 1
    return size


@njit(cache=True)
def name_at(data: Bytes, at: int) -> tuple[np.uint64, int]:
    """Hash and end of the tag name at `at`."""
    hashed = FIRST_HASH
    while at < len(data):
        byte = int(data[at])
        if byte in (GREATER, SLASH) or is_space(byte):
            break
        hashed = (hashed ^ np.uint64(lowered(byte))) * PRIME
        at += 1
    return hashed, at


@njit(cache=True)
def end_of_raw(data: Bytes, at: int, hashed: np.uint64) -> tuple[int, int]:
    """Start and end of the end tag with this name's hash, from `at` on; -1 if there is none."""
    size = len(data)
    while at + 2 < size:
        if data[at] == LESS and data[at + 1] == SLASH:
            start = at
            found, at = name_at(data, at + 2)
            if found == hashed:
                return start, skip_past(data, at, GREATER)
            # A `<` inside the name may begin the end tag that is looked for.
            for place in range(start + 2, min(at, size - 1)):
                if data[place] == LESS:
                    at = place
                    break
        else:
            at += 1
    return -1, -1


@njit(cache=True)
def _is_at(data: Bytes, at: int, wanted: Bytes) -> bool:
    """Do these lower-case bytes stand at `at`, whatever their case?"""
    if at + len(wanted) > len(data):
        return False
    same = 0
    while same < len(wanted) and lowered(int(data[at + same])) == wanted[same]:
        same += 1
    return same == len(wanted)


@njit(cache=True)
def end_of_escaped_script(data: Bytes, at: int) -> tuple[int, int]:
    """As `end_of_raw` for a script, where in `<!-- ... <script ... </script> ... -->` the end tag is text.

    HTML 13.2.5.15 to 31, the script data escaped and double escaped states.
    """
    size = len(data)
    escaped = twice = False
    while at + 2 < size:
        byte = data[at]
        if byte == LESS:
            if not escaped:
                escaped = _is_at(data, at, _COMMENT_START)
            elif not twice:
                twice = _is_at(data, at, _SCRIPT_START) and _ends_name(data, at + 7)
            if data[at + 1] == SLASH and _is_at(data, at, _SCRIPT_END) and _ends_name(data, at + 8):
                if not twice:
                    return at, skip_past(data, at + 8, GREATER)
                twice = False
        elif byte == _DASH and escaped and data[at + 1] == _DASH and data[at + 2] == GREATER:
            escaped = twice = False
        at += 1
    return -1, -1


@njit(cache=True)
def _ends_name(data: Bytes, at: int) -> bool:
    if at >= len(data):
        return False
    byte = int(data[at])
    return byte in (GREATER, SLASH) or is_space(byte)
