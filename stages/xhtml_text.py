"""The text of a page of a book (XHTML or HTML): headings, paragraphs, verse and tables as lines of plain text.

In: markup as a string. Out: paragraphs parted by blank lines, as in a plain text book; a line of verse is a line, a
stanza a paragraph. The parser is that of HTML, which knows no entity definitions and fetches nothing, so that entity
bombs and outside references are only text; XHTML's closed empty elements are opened for it. The rules are ours, after
how EPUB readers show these elements (EPUB 3.3 content documents, HTML rendering section 15.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_VOID = _words("area base br col embed hr img input link meta param source track wbr")
_BLOCKS = _words(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup html li main menu nav ol p pre section summary table tbody tfoot "
    "thead tr ul"
)
_LINE_BLOCKS = _words("li tr dt dd caption")  # parted by a line end, not by a blank line
_SKIPPED = _words(
    "audio applet canvas embed head iframe map nav noscript object rp rt script style svg template title video"
)
_SKIPPED_TYPES = frozenset({"pagebreak", "doc-pagebreak", "page-list", "landmarks", "toc", "doc-toc"})
_VERSE = _words("poem poetry verse stanza linegroup line-group lg z3998:verse z3998:poem z3998:song")
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w:-]*)((?:\s[^<>]*?)?)/>")
_PROLOG = re.compile(
    r"^\s*(?:<\?xml[^>]*\?>|<!DOCTYPE[^\[>]*(?:\[[^\]]*\]\s*)?>|<!--.*?-->|\s)+", re.S | re.I
)
_BLANKS = re.compile(r"[ \t\n\r\f\xa0]+")
_SEVERAL_BLANKS = re.compile(r"  +")


@dataclass
class PageText:
    """`text` of a page; its visible characters, those inside links, and the number of links; `types` are what
    `epub:type` says of the whole page: of its body, or of the one element in it."""

    text: str
    visible: str
    link_characters: int
    links: int
    types: frozenset[str] = frozenset()


class TooComplex(ValueError):
    """Markup that the parser gives up, as its elements are nested 2,048 deep; pages of books have 10 to 30."""


def page_text(markup: str) -> PageText:
    """The text of a page; an empty one for markup without a body. Raises TooComplex."""
    opened = _SELF_CLOSED.sub(_open, _PROLOG.sub("", markup, count=1).replace("\0", ""))
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    try:
        root = etree.fromstring(opened.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        root = None
    if any(entry.level_name == "FATAL" for entry in parser.error_log):
        raise TooComplex(parser.error_log.last_error.message[:100])
    if root is None:
        return PageText("", "", 0, 0)
    writer = _Writer()
    writer.write(root)
    return PageText(
        writer.text(), "".join(writer.visible), writer.link_characters, writer.links, _page_types(root)
    )


def _page_types(root: etree._Element) -> frozenset[str]:
    body = root.find("body")
    if body is None:
        return frozenset()
    types = _tokens(body, "epub:type")
    return types | _tokens(body[0], "epub:type") if len(body) == 1 else types


def _open(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name.lower() in _VOID else f"<{name}{match[2]}></{name}>"


@dataclass(frozen=True, slots=True)
class _Open:
    """An element that is being written: its children left, the line ends around it, and what it is in."""

    element: etree._Element
    children: Iterator[etree._Element]
    height: int
    pre: bool = False
    verse: bool = False
    link: bool = False


class _Writer:
    """Walks a tree without recursion and writes its text piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._gap = 0  # line ends that stand before the next text, 0 to 2
        self._blank = False  # a blank is waiting
        self._begun = False
        self.visible: list[str] = []
        self.link_characters = 0
        self.links = 0

    def text(self) -> str:
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    def write(self, root: etree._Element) -> None:
        stack = [self._enter(root, _Open(root, iter(()), 0))]
        while stack:
            within = stack[-1]
            child = next(within.children, None)
            if child is None:
                stack.pop()
                self._part(within.height)
                if stack:
                    self._say(within.element.tail, stack[-1])
            elif not isinstance(child.tag, str) or self._is_skipped(child):
                self._say(child.tail, within)
            else:
                stack.append(self._enter(child, within))

    def _is_skipped(self, element: etree._Element) -> bool:
        types = _tokens(element, "epub:type") | _tokens(element, "role")
        return element.tag in _SKIPPED or bool(types & _SKIPPED_TYPES) or element.get("hidden") is not None

    def _enter(self, element: etree._Element, within: _Open) -> _Open:
        tag = element.tag
        height = self._height(element, within.verse) if tag in _BLOCKS else 0
        if tag == "br":
            self._part(min(2, self._gap + 1))
        elif tag == "hr":
            self._part(2)
        elif tag in ("td", "th") and self._begun and self._gap == 0 and element.getprevious() is not None:
            self._pieces.append("\t")
            self._blank = False
        else:
            self._part(height)
        is_link = tag == "a" and bool((element.get("href") or "").strip())
        self.links += is_link
        own = _tokens(element, "class") | _tokens(element, "epub:type")
        opened = _Open(
            element,
            iter(element),
            height,
            pre=within.pre or tag == "pre",
            verse=within.verse or bool(own & _VERSE),
            link=within.link or is_link,
        )
        self._say(element.text, opened)
        return opened

    def _height(self, element: etree._Element, verse: bool) -> int:
        """Line ends around a block: one around a list item, a table row and a line of verse, else two."""
        if element.tag in _LINE_BLOCKS:
            return 1
        if verse and element.tag in ("div", "p"):
            # A block of several lines is a stanza, one that holds blocks is a poem or a stanza of lines.
            inner = any(
                child.tag in _BLOCKS or child.tag == "br" for child in element.iter() if child is not element
            )
            return 2 if inner else 1
        return 2

    def _part(self, height: int) -> None:
        """So many line ends before the next text, at least."""
        if height:
            self._gap = max(self._gap, height)
            self._blank = False

    def _say(self, said: str | None, within: _Open) -> None:
        if not said:
            return
        self.visible.append(said)
        if within.link:
            self.link_characters += len(_BLANKS.sub("", said))
        said = said.replace("\xad", "")
        words = said if within.pre else _collapsed(said)
        if not words.strip():
            self._blank = self._blank or bool(words)
            return
        if not within.pre:
            self._blank = self._blank or words[0] == " "
            words = words.strip(" ")
        self._break()
        self._pieces.append(words.replace("\xa0", " "))
        self._begun = True
        self._blank = not within.pre and said[-1] in " \t\n\r\f"

    def _break(self) -> None:
        if self._begun:
            self._pieces.append("\n" * self._gap or " " * self._blank)
        self._gap, self._blank = 0, False


def _collapsed(said: str) -> str:
    """A text with one blank for each run of blanks and line ends; no-break spaces stay."""
    said = said.replace("\n", " ").replace("\t", " ").replace("\r", " ").replace("\f", " ")
    return _SEVERAL_BLANKS.sub(" ", said) if "  " in said else said


def _tokens(element: etree._Element, name: str) -> frozenset[str]:
    value = element.get(name)
    return frozenset(value.lower().split()) if value else frozenset()
