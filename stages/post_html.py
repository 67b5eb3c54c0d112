"""HTML of a forum post to text: tags go, the shape that carries meaning stays.

In: the sanitised HTML of a Stack Exchange post (https://meta.stackexchange.com/questions/1777: p, pre, code, lists,
blockquote, headings, tables, a, img, sub, sup, kbd ...), well-formed or not. Out: text with one blank line between
blocks, bulleted and numbered lists with their numbers and indents, code with its own line breaks and indents, cells
of tables parted by ` | `, formulas (`$...$`, `\\begin{...}`) as they are written. White space collapses as a browser
does it, no-break spaces too, but for code and the lines of displayed formulas. Character references are read once.

Two forms. `plain` is what the LLaMA paper says, "removed the HTML tags from text": nothing stands for a tag but line
ends, the marks of items and the bars between cells. `markdown` says what the tags said, in the notation in which the
posts were written (CommonMark 0.31, GFM tables): fences with the language, back-ticks, `>` and `>!` (spoilers), `#`,
`[words](address)`, `![image](address)`, and as in TeX `x^2`, `a_{ij}` for sup and sub. In both, emphasis, struck-out
words and keys (kbd) are their words.
"""

from __future__ import annotations

from html import unescape
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from stages.extraction.characters import Bytes
from stages.post_lines import Numbers
from stages.post_measure import count_characters, measure_post
from stages.post_scan import room_for, write_post
from stages.xml_references import resolve

Markup = Literal["plain", "markdown"]


class PostText(NamedTuple):
    """The text of a post in UTF-8; the counts of its HTML, as `stages.content` counts; what was written of its formulas
    and code; whether the text begins with a block (code, a list, a quote, a heading, a table).

    A formula is a pair of dollar signs outside of code, on both sides; code is what stands within `code` and `pre`, a
    reference being one character.
    """

    text: bytes
    raw_characters: int
    raw_digits: int
    raw_formulas: int
    raw_code_characters: int
    formulas: int
    code_characters: int
    is_block: int


@njit(cache=True)
def _read_all(data: Bytes, spans: Numbers, escaped: bool, markdown: bool) -> tuple[Bytes, Numbers, Numbers]:
    """The texts of many posts, whose HTML stands in `data` from `spans[n, 0]` to `spans[n, 1]`, escaped as an XML value
    or not.

    Returns the texts one after the other, their bounds, and a row of counts for each: of the HTML (characters,
    digits, formulas, code characters) and of what was written (formulas, code characters), a formula being a pair of
    dollar signs, and whether the text begins with a block. The row is of -1 when a post holds a reference that XML's
    writers do not use.
    """
    posts = len(spans)
    longest = 0
    for post in range(posts):
        longest = max(longest, spans[post, 1] - spans[post, 0])
    room = np.empty(longest, dtype=np.uint8)
    out = np.empty(room_for(data), dtype=np.uint8)
    ends = np.zeros(posts + 1, dtype=np.int64)
    counts = np.full((posts, 7), -1, dtype=np.int64)
    for post in range(posts):
        ends[post + 1] = ends[post]
        size = resolve(data, spans[post, 0], spans[post, 1], escaped, room)
        if size < 0:
            continue
        html = room[:size]
        written, code_characters, dollars, is_block = write_post(html, markdown, out[ends[post] :])
        ends[post + 1] += written
        characters, digits, raw_code_characters, raw_dollars = measure_post(html)
        counts[post, 0], counts[post, 1] = characters, digits
        counts[post, 2], counts[post, 3] = raw_dollars // 2, raw_code_characters
        counts[post, 4], counts[post, 5], counts[post, 6] = dollars // 2, code_characters, is_block
    return out[: ends[posts]], ends, counts


def read_posts(data: Bytes, spans: Numbers, escaped: bool, markup: Markup) -> list[PostText | None]:
    """Text and counts of many posts, whose HTML in UTF-8 stands in `data` from `spans[n, 0]` to `spans[n, 1]`.

    `escaped`: it stands there as values of XML attributes, with the references that the writers of dumps use
    (`stages.xml_references`); a post with another one gives None. Many at once, as a call costs as
    much as a short post.
    """
    written, ends, counts = _read_all(data, spans, escaped, markup == "markdown")
    texts, places = written.tobytes(), ends.tolist()
    read: list[PostText | None] = []
    for start, end, of_post in zip(places, places[1:], counts.tolist(), strict=False):
        if of_post[0] < 0:
            read.append(None)
            continue
        text = texts[start:end]
        if b"&" in text:
            text = unescape(text.decode("utf-8", "replace")).encode()
        if b"\x00" in text:
            text = text.replace(b"\x00", b"&")  # an ampersand that begins no reference
        read.append(PostText(text, *of_post))
    return read


def read_post(html: str, markup: Markup = "plain") -> PostText:
    """Text and counts of one post's HTML."""
    data = html.encode("utf-8", "replace")
    (read,) = read_posts(np.frombuffer(data, dtype=np.uint8), np.array([[0, len(data)]]), False, markup)
    assert read is not None
    return read


def count_text(text: str) -> tuple[int, int]:
    """Characters and digits of a text, as `stages.content.content_of` counts them, in one pass."""
    characters, digits = count_characters(np.frombuffer(text.encode(), dtype=np.uint8))
    return characters, digits
