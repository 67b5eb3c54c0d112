"""Wikitext to text: what a reader of the page reads, without boxes, tables, references and navigation.

In: a Wikipedia document whose text is raw wikitext. Out: the same document with plain text. Links keep their words,
external links their label, headings and lists stay as lines, TeX and code stay verbatim, a few templates that carry
running text are rendered, everything else goes. MediaWiki's grammar is followed
(https://www.mediawiki.org/wiki/Markup_spec, https://www.mediawiki.org/wiki/Preprocessor_ABNF), and its rule that an
unclosed tag has no end. The LLaMA paper (section 2.1) asks for pages without "hyperlinks, comments and other
formatting boilerplate".

One pass finds the marks and keeps a stack of what is open; its depth is capped, so the time is linear in the length of
the text whatever the text is. A second pass (`stages.wikitext_lines`) goes over the lines.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from stages.document import Document, Rejected
from stages.wikitext_lines import lines_to_text
from stages.wikitext_names import (
    ENGLISH_HIDDEN_NAMESPACES,
    HIDDEN_NAMESPACES,
    MAGIC_WORDS,
    PAPER_LANGUAGES,
    words,
)
from stages.wikitext_templates import render_template, superscript

# How deep templates, links and tables may nest; MediaWiki's own limit is 100 ($wgMaxPPExpandDepth).
MAX_DEPTH = 100

_TEMPLATE, _PARAMETER, _LINK, _EXTERNAL, _TABLE = range(5)

_TOKEN = re.compile(
    r"""
    (?P<open>\{\{+) | (?P<close>\}\}+) | (?P<link>\[\[) | (?P<link_end>\]\]) | (?P<bracket>\])
    | ^[ \t:*\#;]*(?P<table>\{\|) | ^[ \t]*(?P<table_end>\|\})(?!\}(?!\}))
    | (?P<bar>\|)
    | (?P<external>\[(?:(?:https?|ftps?|news|irc)://|//|mailto:)[^\s\[\]<>"]*)
    | (?P<comment><!--)
    | </?(?P<tag>[a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*|/)?>
    | __(?P<magic>[^\W_](?:\w{0,40}?[^\W_])?)__
    """,
    re.VERBOSE | re.MULTILINE,
)

# Extension tags (https://www.mediawiki.org/wiki/Parser_extension_tags): their content is no wikitext for the parser.
_DROPPED_TAGS = words(
    "ref references gallery timeline imagemap graph score templatestyles mapframe maplink hiero inputbox "
    "categorytree indicator includeonly templatedata charinsert dynamicpagelist"
)
_VERBATIM_TAGS = words("nowiki math chem ce pre syntaxhighlight source")
_BLOCK_TAGS = words("p div center blockquote poem hr ul ol dl h1 h2 h3 h4 h5 h6 pre syntaxhighlight source")
_LINE_TAGS = words("br li dt dd")
_PLAIN_TAGS = words(
    "b i u s em strong small big sub sup span font code tt kbd samp var cite q abbr ins del dfn strike bdi bdo "
    "ruby rb rt rp mark data time wbr noinclude onlyinclude section nowiki translate"
)

_INTERLANGUAGE = re.compile(r"(?!doi|rfc)[a-z]{2,3}(?:-[a-z]{2,10})*|simple")
_UNCONVERTED = re.compile(r"-\{([^{}\n]*)\}-")
_NEXT_HEADING = re.compile(r"^==", re.MULTILINE)


@dataclass(slots=True)
class _Open:
    """Something that has been opened: its kind, the arguments that are complete, the pieces of the current one."""

    kind: int
    arguments: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def next_argument(self) -> None:
        self.arguments.append("".join(self.pieces))
        self.pieces = []


@dataclass(frozen=True)
class KeepWikipediaLanguage:
    """Keeps the Wikipedias of some languages; others are removed as `language_not_wanted`."""

    languages: tuple[str, ...] = PAPER_LANGUAGES  # LLaMA paper, section 2.1: 20 languages

    def __call__(self, document: Document) -> Document | Rejected:
        if document.language in self.languages:
            return document
        return Rejected(document, "language_not_wanted", detail=document.language or "unknown")


@dataclass(frozen=True)
class CleanWikitext:
    """Raw wikitext to plain text; a page with nothing left is removed as `no_text`."""

    def __call__(self, document: Document) -> Document | Rejected:
        text = plain_text(document.text, document.language or "en", document.title or "")
        return document.with_text(text) if text else Rejected(document, "no_text")


def plain_text(wikitext: str, language: str = "en", title: str = "") -> str:
    """Text of a page; `language` decides which names of namespaces and templates are known beside the general ones."""
    scanner = _Scanner(language, title)
    flat = scanner.flatten(wikitext.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n"))
    if language in ("sr", "zh"):  # https://www.mediawiki.org/wiki/Writing_systems/Syntax
        flat = _UNCONVERTED.sub(r"\1", flat)
    return lines_to_text(flat, scanner.kept_as_is)


class _Scanner:
    """The first pass: everything but lines, quotes and entities."""

    def __init__(self, language: str, title: str) -> None:
        self.kept_as_is: list[str] = []
        self._hidden = HIDDEN_NAMESPACES.get(language, ENGLISH_HIDDEN_NAMESPACES)
        self._title = title
        self._language = language
        self._stack = [_Open(_TABLE)]  # the page itself is at the bottom
        self._next_end: dict[str, int] = {}  # where the next end of a tag is, so that no search is made twice

    def flatten(self, text: str) -> str:
        stack = self._stack
        position = 0
        while match := _TOKEN.search(text, position):
            kind = match.lastgroup
            assert kind is not None
            start, end = match.span(kind) if kind not in ("tag", "magic") else match.span()
            top = stack[-1]
            if start > position:
                top.pieces.append(text[position:start])
            position = end
            if kind == "bar":
                if top.kind in (_TEMPLATE, _PARAMETER, _LINK):
                    top.next_argument()
                elif len(stack) == 1 or top.kind == _EXTERNAL:
                    top.pieces.append("|")
            elif kind == "link":
                self._push(_LINK, "[[")
            elif kind == "link_end":
                if top.kind == _EXTERNAL:
                    self._close_external()
                    position = start + 1
                elif top.kind == _LINK:
                    self._close_link()
                else:
                    top.pieces.append("]]")
            elif kind == "open":
                self._open_braces(end - start)
            elif kind == "close":
                self._close_braces(end - start)
            elif kind == "tag":
                position = self._tag(text, match["tag"].lower(), match)
            elif kind == "comment":
                position = self._after_comment(text, start, end)
            elif kind == "external":
                self._push(_EXTERNAL, "")
            elif kind == "bracket":
                if top.kind == _EXTERNAL:
                    self._close_external()
                else:
                    top.pieces.append("]")
            elif kind == "table":
                self._push(_TABLE, "")
            elif kind == "table_end":
                if top.kind == _TABLE and len(stack) > 1:
                    stack.pop()
                elif top.kind in (_TEMPLATE, _LINK):  # a last, empty argument before a brace
                    top.next_argument()
                    top.pieces.append("}")
            elif match["magic"].casefold() not in MAGIC_WORDS:
                top.pieces.append(match.group())
        stack[-1].pieces.append(text[position:])
        return self._unwound()

    def _push(self, kind: int, literal: str) -> None:
        if len(self._stack) < MAX_DEPTH:
            self._stack.append(_Open(kind))
        else:
            self._stack[-1].pieces.append(literal)

    def _keep(self, text: str) -> str:
        """A mark that stands for text which the second pass must not touch."""
        self.kept_as_is.append(text)
        return f"\x00{len(self.kept_as_is) - 1}\x00"

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
        if count % 2 and count > 2:
            pairs, parameters = (count - 3) // 2, 1
        else:
            pairs, parameters = count // 2, 0
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
                name = opened.arguments[0]
                arguments = opened.arguments[1:]
                known = len(name) < 300
                shown = (known and render_template(name, arguments, self._title, self._language)) or ""
            stack[-1].pieces.append(shown)
        if count and len(stack) == 1:
            stack[-1].pieces.append("}" * count)

    def _close_external(self) -> None:
        label = "".join(self._stack.pop().pieces).strip()
        self._stack[-1].pieces.append(label)

    def _close_link(self) -> None:
        opened = self._stack.pop()
        opened.next_argument()
        self._stack[-1].pieces.append(self._link_text(opened.arguments))

    def _link_text(self, arguments: list[str]) -> str:
        target = arguments[0].strip()
        label = arguments[-1]  # all but files have one bar at most
        if "\n" in target:
            return "|".join(arguments)
        shown_target = target
        if ":" in target:
            if target[0] == ":":
                shown_target = target[1:].strip()
            else:
                prefix = target.partition(":")[0].strip().lower()
                if prefix in self._hidden or _INTERLANGUAGE.fullmatch(prefix):
                    return ""
        if len(arguments) > 1 and label.strip():
            return label
        return shown_target.lstrip("#").replace("_", " ")

    def _after_comment(self, text: str, start: int, end: int) -> int:
        close = self._find(text, "-->", end)
        if close < 0:
            return len(text)
        position = close + 3
        # A comment on a line of its own takes the line with it.
        if (start == 0 or text[start - 1] == "\n") and text[position : position + 1] == "\n":
            position += 1
        return position

    def _find(self, text: str, mark: str, position: int) -> int:
        """Like str.find, for ever growing positions, and linear over all calls together."""
        known = self._next_end.get(mark, 0)
        if 0 <= known < position or mark not in self._next_end:
            known = text.find(mark, position)
            self._next_end[mark] = known
        return known

    def _find_tag_end(self, text: str, name: str, position: int) -> tuple[int, int]:
        """Start and end of `</name>`, in any case and with blanks; (-1, -1) when there is none."""
        known = self._next_end.get(name, 0)
        if known < 0:
            return -1, -1
        match = _end_tag(name).search(text, max(position, known))
        self._next_end[name] = match.start() if match else -1
        return match.span() if match else (-1, -1)

    def _tag(self, text: str, name: str, match: re.Match[str]) -> int:
        """Handles an HTML or extension tag; returns where to read on."""
        token = match.group()
        position = match.end()
        pieces = self._stack[-1].pieces
        closing, empty = token[1] == "/", token[-2] == "/"
        if (name in _DROPPED_TAGS or name in _VERBATIM_TAGS) and not closing:
            if empty:
                return position
            start, end = self._find_tag_end(text, name, position)
            if start < 0:
                return position  # MediaWiki shows the tag as text; its content is text then
            if name in _VERBATIM_TAGS:
                pieces.append(self._verbatim(name, text[position:start]))
            return end
        if name == "sup" and not closing:
            start, end = self._find_tag_end(text, name, position)
            if 0 <= start - position <= 8:
                pieces.append(superscript(text[position:start]))
                return start
        elif name == "table":
            if not closing:
                self._push(_TABLE, "")
            elif self._stack[-1].kind == _TABLE and len(self._stack) > 1:
                self._stack.pop()
        elif name in _LINE_TAGS:
            pieces.append("\n")
        elif name in _BLOCK_TAGS:
            pieces.append("\n\n")
        elif name not in _PLAIN_TAGS and name not in _DROPPED_TAGS and name not in _VERBATIM_TAGS:
            pieces.append(self._keep(token))
        return position

    def _verbatim(self, name: str, content: str) -> str:
        if name in ("nowiki", "pre"):
            content = html.unescape(content)
        if name in ("pre", "syntaxhighlight", "source"):
            content = content.strip("\n").rstrip()
            return "\n\n" + self._keep(content) + "\n\n" if "\n" in content else self._keep(content)
        return self._keep(content.strip() if name != "nowiki" else content)


_END_TAGS = {
    name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in (*_DROPPED_TAGS, *_VERBATIM_TAGS, "sup")
}


def _end_tag(name: str) -> re.Pattern[str]:
    return _END_TAGS[name]
