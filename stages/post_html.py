"""HTML of a forum post to text: tags go, the shape that carries meaning stays.

In: the sanitised HTML of a Stack Exchange post (https://meta.stackexchange.com/questions/1777: p, pre, code, lists,
blockquote, headings, tables, a, img, inline marks). Out: text with one blank line between blocks, bulleted and numbered
lists, code blocks with their own line breaks and indentation, table cells parted by ` | `. The tree is walked without
recursion, so the depth of the HTML does not matter.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Posts hold 30,000 characters of Markdown (https://meta.stackexchange.com/questions/176445), escaping and links make
# the HTML longer. The parser's time grows with the square of the nesting, so the cap is what bounds it (2 s at worst).
MAX_HTML_CHARACTERS = 200_000
# Deeper lists are shown at this depth.
MAX_LIST_DEPTH = 8

_BLOCKS = _words("p div blockquote h1 h2 h3 h4 h5 h6 ul ol dl table hr section article details")
_LINES = _words("li dt dd tr thead tbody summary")
_DROPPED = _words("script style template head title noscript iframe object svg")
_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")


class _Text:
    """Text under construction: knows how many line ends are due before the next word."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._due = 0
        self._line_is_empty = True
        self._prefix = ""

    def break_lines(self, count: int) -> None:
        if self._line_is_empty and not self.out:
            return
        self._due = max(self._due, count)
        self._line_is_empty = True

    def mark(self, prefix: str) -> None:
        """What stands before the next word: the mark of a list item."""
        self._prefix = prefix

    def add(self, text: str) -> None:
        """Running text, its white space already collapsed."""
        if self._line_is_empty:
            text = text.lstrip(" ")
            if not text:
                return
            self.out.append("\n" * self._due + self._prefix)
            self._due, self._prefix, self._line_is_empty = 0, "", False
        elif text.startswith(" ") and self.out[-1].endswith(" "):
            text = text[1:]
        self.out.append(text)

    def add_block(self, text: str) -> None:
        """A block that stays as it is."""
        self.break_lines(2)
        self.out.append("\n" * self._due + self._prefix + text)
        self._due, self._prefix, self._line_is_empty = 2, "", True


def html_to_text(html: str) -> str:
    """The text of a post's HTML, well-formed or not; ValueError when it is longer than `MAX_HTML_CHARACTERS`."""
    if len(html) > MAX_HTML_CHARACTERS:
        raise ValueError(f"a post of {len(html)} characters of HTML, over the cap of {MAX_HTML_CHARACTERS}")
    if not html.strip():
        return ""
    body = LexborHTMLParser(html.replace("\x00", "")).body
    text = _Text()
    lists: list[int] = []  # for each open list the next number; -1 when it is bulleted
    node: LexborNode | None = body.first_child if body is not None else None
    while node is not None and body is not None:
        descend = _enter(node, text, lists)
        child = node.first_child if descend else None
        if child is not None:
            node = child
            continue
        _leave(node, text, lists)
        while node is not None and node.next is None:
            node = node.parent
            if node is None or node.mem_id == body.mem_id:
                node = None
                break
            _leave(node, text, lists)
        node = node.next if node is not None else None
    lines = "".join(text.out).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _enter(node: LexborNode, text: _Text, lists: list[int]) -> bool:
    """Writes what stands at the start of a node; says whether its children are to be visited."""
    tag = node.tag
    if tag == "-text":
        text.add(_SPACE.sub(" ", node.text_content or ""))
        return False
    if tag in _DROPPED or tag is None or tag.startswith(("-", "!")):
        return False
    if tag == "pre":
        code = node.text(deep=True).replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
        if code.strip():
            text.add_block(code)
        return False
    if tag == "br":
        text.break_lines(1)
    elif tag in ("ul", "ol"):
        text.break_lines(1 if lists else 2)
        lists.append(-1 if tag == "ul" else _first_number(node))
    elif tag == "li":
        text.break_lines(1)
        indent = "  " * (min(len(lists), MAX_LIST_DEPTH) - 1)
        if lists and lists[-1] >= 0:
            text.mark(f"{indent}{lists[-1]}. ")
            lists[-1] += 1
        else:
            text.mark(f"{indent}- ")
    elif tag in ("td", "th"):
        if _follows_a_cell(node):
            text.add(" | ")
    elif tag in _BLOCKS:
        text.break_lines(_gap(node, lists))
    elif tag in _LINES:
        text.break_lines(1)
    return True


def _leave(node: LexborNode, text: _Text, lists: list[int]) -> None:
    tag = node.tag
    if tag in ("ul", "ol"):
        lists.pop()
        text.mark("")
        text.break_lines(1 if lists else 2)
    elif tag == "li":
        text.mark("")
        text.break_lines(1)
    elif tag in _BLOCKS:
        text.break_lines(_gap(node, lists))
    elif tag in _LINES:
        text.break_lines(1)


def _gap(node: LexborNode, lists: list[int]) -> int:
    """Line ends around a block: a blank line, but none between the items of a list."""
    return 1 if lists else 2


def _follows_a_cell(node: LexborNode) -> bool:
    before = node.prev
    while before is not None:
        if before.tag in ("td", "th"):
            return True
        before = before.prev
    return False


def _first_number(node: LexborNode) -> int:
    start = node.attributes.get("start") or ""
    return int(start) if start.isdecimal() and len(start) < 7 else 1
