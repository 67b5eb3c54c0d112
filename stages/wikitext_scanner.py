"""The first pass over wikitext: links, templates, tables, tags and comments, by one scanner with a stack.

In: raw wikitext, the language of the Wikipedia and the title of the page. Out: text in which only the marks of lines
are left (headings, lists, apostrophes, entities), and the pieces that the second pass (`stages.wikitext_lines`) must
not touch. MediaWiki's grammar is followed (https://www.mediawiki.org/wiki/Markup_spec,
https://www.mediawiki.org/wiki/Preprocessor_ABNF), and its rule that an unclosed tag has no end.

A link or a template with nothing inside is one token; of others each mark is one. What is open is on a stack of capped
depth, and no end of a tag is searched for twice: the time is linear in the length of the text whatever it is.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from stages.wikitext_names import ENGLISH_HIDDEN_NAMESPACES, HIDDEN_NAMESPACES, INTERLANGUAGE
from stages.wikitext_tags import (
    BLOCK_TAGS,
    CODE_TAGS,
    DROPPED_TAGS,
    END_TAGS,
    FORMULA_TAGS,
    LINE_TAGS,
    PLAIN_TAGS,
    TABLE_TAGS,
    VERBATIM_TAGS,
    Kind,
    Verbatim,
)
from stages.wikitext_templates import Page, render_call, superscript

# How deep templates, links and tables may nest; MediaWiki's own limit is 100 ($wgMaxPPExpandDepth).
MAX_DEPTH = 100

_TEMPLATE, _PARAMETER, _LINK, _EXTERNAL, _TABLE = range(5)

# Every alternative begins with a character of its own kind, so that the search skips plain text fast.
_TOKEN = re.compile(
    r"""
    \[\[(?P<page>[^\[\]{}|<>\n]*+)(?:\|(?P<label>[^\[\]{}|<>\n]*+))?+\]\]
    | \{\{(?P<call>[^\[\]{}<>]*+)\}\}
    | \[\[ | \]\] | \]
    | \[(?P<url>(?:(?:https?|ftps?|news|irc)://|//|mailto:)[^\s\[\]<>"]*+)
    | \{\{++ | \}\}++ | \{\| | \|
    | <!--
    | <(?P<tag>/?[a-zA-Z][a-zA-Z0-9]*+)(?:\s[^<>]*+|/)?>
    """,
    re.VERBOSE,
)
_PAGE, _LABEL, _CALL, _URL, _TAG = (_TOKEN.groupindex[n] for n in ("page", "label", "call", "url", "tag"))

MAX_TITLE_CHARACTERS = 255  # MediaWiki's limit in bytes; {{PAGENAME}} may stand in a page often
MAX_SUPERSCRIPT = 8  # characters between <sup> and </sup> that may become superscript letters
_LINE_MARKS = 64  # indents and list marks looked at in front of a table

_NEXT_HEADING = re.compile(r"^==", re.MULTILINE)


@dataclass(slots=True)
class _Open:
    """What has been opened: its kind, its complete arguments, the pieces of the current one."""

    kind: int
    arguments: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    read_to: int = 0  # of a link: where in the page it was last looked at

    def next_argument(self) -> None:
        self.arguments.append("".join(self.pieces))
        self.pieces = []


def flatten(wikitext: str, language: str, title: str) -> tuple[str, list[Verbatim]]:
    """The page with the marks of lines alone, and the pieces that are kept as they are."""
    text = wikitext.replace("\x00", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    scanner = _Scanner(text, Page(language, title[:MAX_TITLE_CHARACTERS]))
    return scanner.flatten(), scanner.verbatim


class _Scanner:
    def __init__(self, text: str, page: Page) -> None:
        self.verbatim: list[Verbatim] = []
        self._text = text
        self._page = page
        self._hidden = HIDDEN_NAMESPACES.get(page.language, ENGLISH_HIDDEN_NAMESPACES)
        self._stack = [_Open(_TABLE)]  # the page itself is at the bottom
        self._next_end: dict[str, int] = {}  # where the next end of a tag is, so that no search is made twice

    def flatten(self) -> str:
        text, stack, page = self._text, self._stack, self._page
        search = _TOKEN.search
        position = 0
        while match := search(text, position):
            start = match.start()
            top = stack[-1]
            if start > position:
                top.pieces.append(text[position:start])
            position = match.end()
            group = match.lastindex
            if group in (_PAGE, _LABEL):
                top.pieces.append(self._link_text(match[_PAGE], match[_LABEL]))
            elif group == _CALL:
                name, *arguments = match[_CALL].split("|")
                top.pieces.append(render_call(name, arguments, page))
            elif group == _TAG:
                position = self._tag(match)
            elif group == _URL:
                self._push(_EXTERNAL, "")
            elif (first := text[start]) == "|":
                position = self._bar(top, start, position)
            elif first == "[":
                self._close_broken_link(start)
                self._push(_LINK, "[[")
                self._stack[-1].read_to = position
            elif first == "]":
                if top.kind == _EXTERNAL:
                    self._close_external()
                    position = start + 1
                elif top.kind == _LINK and position - start == 2:
                    self._close_link()
                else:
                    top.pieces.append(match.group())
            elif first == "{":
                if text[start + 1] == "{":
                    self._open_braces(position - start)
                elif self._is_at_line_start(start, " \t:*#;"):
                    self._push(_TABLE, "")
                else:
                    top.pieces.append("{")
                    position = start + 1
            elif first == "}":
                self._close_braces(position - start)
            else:
                position = self._after_comment(start, position)
        stack[-1].pieces.append(text[position:])
        return self._unwound()

    def _push(self, kind: int, literal: str) -> None:
        if len(self._stack) < MAX_DEPTH:
            self._stack.append(_Open(kind))
        else:
            self._stack[-1].pieces.append(literal)

    def _keep(self, kind: Kind, text: str) -> str:
        """A mark that stands for text which the second pass must not touch."""
        self.verbatim.append(Verbatim(kind, text))
        return f"\x00{len(self.verbatim) - 1}\x00"

    def _is_at_line_start(self, position: int, marks: str) -> bool:
        before = self._text[max(0, position - _LINE_MARKS) : position].rstrip(marks)
        return before.endswith("\n") or (not before and position <= _LINE_MARKS)

    def _bar(self, top: _Open, start: int, position: int) -> int:
        text = self._text
        # `|}` ends a table; before one brace more it is a last, empty argument: `{{t|}}`
        if text[position : position + 1] == "}" and self._is_at_line_start(start, " \t"):
            following = text[position : position + 3]
            depth = len(self._stack) - 1
            while depth > 0 and self._stack[depth].kind in (_LINK, _EXTERNAL):
                depth -= 1  # a link that was left open in a cell
            if (
                (following == "}}}" or following[1:2] != "}")
                and depth > 0
                and self._stack[depth].kind == _TABLE
            ):
                del self._stack[depth:]
                return position + 1
        if top.kind in (_TEMPLATE, _PARAMETER, _LINK):
            top.next_argument()
        elif len(self._stack) == 1 or top.kind == _EXTERNAL:
            top.pieces.append("|")
        return position

    def _unwound(self) -> str:
        """The page, with what was never closed: links keep their words, an open template ends with its paragraph and
        an open table before the next heading, so that a slip of one editor does not cost the article."""
        out: list[str] = []
        for depth, opened in enumerate(self._stack):
            content = "".join(opened.pieces)
            if depth == 0:
                out.append(content)
            elif opened.kind in (_LINK, _EXTERNAL):
                out.append("|".join([*opened.arguments, content]))
            elif opened.kind == _TABLE:
                heading = _NEXT_HEADING.search(content)
                out.append("\n" + content[heading.start() :] if heading else "")
            else:
                content = "|".join([*opened.arguments, content])
                out.append("\n\n" + content.partition("\n\n")[2])
        return "".join(out)

    def _open_braces(self, count: int) -> None:
        """Opens templates for pairs of braces, with a parameter innermost for an odd one."""
        parameters = 1 if count % 2 and count > 2 else 0
        pairs = (count - 3 * parameters) // 2
        for _ in range(min(pairs, MAX_DEPTH)):
            self._push(_TEMPLATE, "")
        for _ in range(parameters):
            self._push(_PARAMETER, "")

    def _close_braces(self, count: int) -> None:
        stack = self._stack
        while count >= 2:
            depth = len(stack) - 1
            while depth > 0 and stack[depth].kind in (_LINK, _EXTERNAL):
                depth -= 1  # a link that was left open inside the template
            if depth > 0 and stack[depth].kind == _TABLE and stack[depth - 1].kind == _TEMPLATE:
                depth -= 1  # a table that was left open inside the template
            if depth == 0 or stack[depth].kind not in (_TEMPLATE, _PARAMETER):
                break
            opened = stack[depth]
            for inner in stack[depth + 1 :]:
                if inner.kind != _TABLE:
                    opened.pieces += [*inner.arguments, *inner.pieces]
            del stack[depth:]
            parameter = opened.kind == _PARAMETER and count >= 3
            count -= 3 if parameter else 2
            opened.next_argument()
            if parameter:
                shown = opened.arguments[1] if len(opened.arguments) > 1 else ""
            else:
                shown = render_call(opened.arguments[0], opened.arguments[1:], self._page)
            stack[-1].pieces.append(shown)
        if count and len(stack) == 1:
            stack[-1].pieces.append("}" * count)

    def _close_broken_link(self, position: int) -> None:
        """A link whose page's name has a line end is none (MediaWiki shows the brackets): it gives way to the next."""
        stack = self._stack
        top = stack[-1]
        if top.kind != _LINK or top.arguments:
            return
        if self._text.find("\n", top.read_to, position) >= 0:
            stack.pop()
            stack[-1].pieces += top.pieces
        else:
            top.read_to = position

    def _close_external(self) -> None:
        label = "".join(self._stack.pop().pieces).strip()
        self._stack[-1].pieces.append(label)

    def _close_link(self) -> None:
        opened = self._stack.pop()
        opened.next_argument()
        arguments = opened.arguments  # all but files have one bar at most
        if "\n" in arguments[0].strip():
            shown = "|".join(arguments)
        else:
            shown = self._link_text(arguments[0], arguments[-1] if len(arguments) > 1 else None)
        self._stack[-1].pieces.append(shown)

    def _link_text(self, page: str, label: str | None) -> str:
        """What a link shows: its label, or the page's name; nothing for files, categories and other languages."""
        if ":" in page:
            page = page.strip()
            if page[0] == ":":
                page = page[1:].strip()
            else:
                prefix = page.partition(":")[0].strip().lower()
                if prefix in self._hidden or prefix in INTERLANGUAGE:
                    return ""
        if label and not label.isspace():
            return label
        return page.strip().lstrip("#").replace("_", " ")

    def _after_comment(self, start: int, end: int) -> int:
        text = self._text
        close = self._find_comment_end(end)
        if close < 0:
            return len(text)
        position = close + 3
        # A comment on a line of its own takes the line with it.
        if (start == 0 or text[start - 1] == "\n") and text[position : position + 1] == "\n":
            position += 1
        return position

    def _find_comment_end(self, position: int) -> int:
        known = self._next_end.get("-->", 0)
        if 0 <= known < position:
            known = self._next_end["-->"] = self._text.find("-->", position)
        return known

    def _find_tag_end(self, name: str, position: int) -> tuple[int, int]:
        """Start and end of `</name>`, in any case and with blanks; (-1, -1) when there is none."""
        known = self._next_end.get(name, 0)
        if known < 0:
            return -1, -1
        match = END_TAGS[name].search(self._text, max(position, known))
        self._next_end[name] = match.start() if match else -1
        return match.span() if match else (-1, -1)

    def _tag(self, match: re.Match[str]) -> int:
        """Handles an HTML or extension tag; returns where to read on."""
        name = match[_TAG].lower()
        closing = name[0] == "/"
        name = name.removeprefix("/")
        token, position = match.group(), match.end()
        pieces = self._stack[-1].pieces
        if (name in DROPPED_TAGS or name in VERBATIM_TAGS) and not closing:
            if token[-2] == "/":
                return position
            start, end = self._find_tag_end(name, position)
            if start < 0:
                return position  # MediaWiki shows the tag as text; its content is text then
            if name in VERBATIM_TAGS:
                pieces.append(self._kept_tag(name, self._text[position:start]))
            return end
        if name == "sup" and not closing:
            start, end = self._find_tag_end(name, position)
            if 0 <= start - position <= MAX_SUPERSCRIPT:
                pieces.append(superscript(self._text[position:start]))
                return start
        elif name == "table":
            if not closing:
                self._push(_TABLE, "")
            elif self._stack[-1].kind == _TABLE and len(self._stack) > 1:
                self._stack.pop()
        elif name in LINE_TAGS:
            pieces.append("\n")
        elif name in BLOCK_TAGS:
            pieces.append("\n\n")
        elif not (name in PLAIN_TAGS or name in DROPPED_TAGS or name in VERBATIM_TAGS or name in TABLE_TAGS):
            pieces.append(self._keep(Kind.LITERAL, token))
        return position

    def _kept_tag(self, name: str, content: str) -> str:
        if name in ("nowiki", "pre"):
            content = html.unescape(content)
        if name in CODE_TAGS:
            content = content.strip("\n").rstrip()
            mark = self._keep(Kind.CODE, content)
            return f"\n\n{mark}\n\n" if "\n" in content else mark
        if name in FORMULA_TAGS:
            return self._keep(Kind.FORMULA, content.strip())
        return self._keep(Kind.LITERAL, content)
