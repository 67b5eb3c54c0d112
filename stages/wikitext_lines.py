"""The second pass over wikitext: lines, quotes, entities, and the traces of what the first pass took out.

In: text in which only the marks of lines are left (headings, lists, apostrophes, entities), with marks for the pieces
that are kept as they are. Out: text in which headings stand between blank lines and lists have `- ` and `1. `; a
heading with nothing beneath it is gone, as are lines without a word, and switches of the page such as `__NOTOC__`.
"""

from __future__ import annotations

import html
import re

from stages.wikitext_names import SWITCHES

# Deeper list items are shown at this depth.
MAX_LIST_DEPTH = 8

_SWITCH = re.compile(r"__([^\W_](?:\w{0,40}?[^\W_])?)__")
_UNCONVERTED = re.compile(r"-\{([^{}\n]*)\}-")
_QUOTES = re.compile(r"''+")
_HEADING = re.compile(r"(={1,6})(.+?)\1[ \t]*")
_LIST = re.compile(r"[*#:;]+")
_SPACES = re.compile(r"[ \t\u00a0\u2007\u202f]+")
_EMPTY_BRACKETS = re.compile(r" ?\([\s,;:]*\)")
_RIGHT_OPEN = re.compile(r"(?<![ ,;])[ ,;]*+\)")  # looked at once a run, so that the time is linear
_LEFT_OPEN = re.compile(r"\([ ]?[,;:][\s,;:]*")
_BEFORE_SIGN = re.compile(r" ([,.;:])(?=\s|$)")
_BEFORE_COMMA = re.compile(r" ([,.])(?=\s|$)")  # French has a blank before the others
_LEADING_SIGNS = re.compile(r"[ ,;:.]+(?=[^\s.])")
_WORD = re.compile(r"[\w\x00]|[^\x00-\x7f]")
_MARK = re.compile("\x00(\\d+)\x00")


def _switched_off(match: re.Match[str]) -> str:
    return "" if match[1].casefold() in SWITCHES else match.group()


def _variant(match: re.Match[str]) -> str:
    """`-{R|text}-` and `-{text}-` as the text; `-{sr-ec: a; sr-el: b}-` as its first variant."""
    flags, bar, content = match[1].rpartition("|")
    if bar and not re.fullmatch(r"[A-Z ;]*", flags):
        content = match[1]
    first = content.partition(";")[0]
    code, colon, shown = first.partition(":")
    return shown.strip() if colon and re.fullmatch(r"\s*(?:sr|zh)-[a-z]+\s*", code) else content


def _without_quotes(line: str) -> str:
    """Drops bold and italic marks by MediaWiki's rule (Parser::doQuotes): runs of 2, 3 and 5 apostrophes are marks; if
    a line has an odd number of both, one bold mark was an apostrophe before an italic one (`l'''arte''`)."""
    runs = [len(run) for run in _QUOTES.findall(line)]
    bold = sum(length == 3 or length >= 4 for length in runs)
    italic = sum(length == 2 or length >= 5 for length in runs)
    apostrophe = -1
    if bold % 2 and italic % 2:
        starts = [m.start() for m in _QUOTES.finditer(line) if len(m.group()) == 3]
        # After a word of one letter first, then after a longer one, then after a blank.
        ranks = [
            (2 if line[s - 1 : s] in ("", " ") else 0 if line[s - 2 : s - 1] in ("", " ") else 1, s)
            for s in starts
        ]
        apostrophe = min(ranks)[1] if ranks else -1

    def replaced(match: re.Match[str]) -> str:
        length = len(match.group())
        if match.start() == apostrophe or length == 4:
            return "'"
        return ""  # over five: marks around something that is gone

    return _QUOTES.sub(replaced, line)


def _tidy(line: str, before_sign: re.Pattern[str]) -> str:
    """One line without quotes, entities and the traces of what was taken out."""
    if "''" in line:
        line = _without_quotes(line)
    if "&" in line:
        line = html.unescape(line)
    if not line.isascii() or "  " in line or "\t" in line:
        line = _SPACES.sub(" ", line)
    if "(" in line:
        line = _LEFT_OPEN.sub("(", _EMPTY_BRACKETS.sub("", line))
    if " )" in line or ",)" in line or ";)" in line:
        line = _RIGHT_OPEN.sub(")", line)
    if " ," in line or " ." in line or " ;" in line or " :" in line:
        line = before_sign.sub(r"\1", line)
    return line.strip()


def lines_to_text(flat: str, language: str) -> str:
    """Headings, lists and blank lines of the flat text; the marks of verbatim pieces stay."""
    out: list[str] = []
    headings: list[tuple[int, str]] = []  # met, but nothing beneath them yet
    numbers: list[int] = []
    blank = False
    before_sign = _BEFORE_COMMA if language == "fr" else _BEFORE_SIGN
    if language in ("sr", "zh"):  # https://www.mediawiki.org/wiki/Writing_systems/Syntax
        flat = _UNCONVERTED.sub(_variant, flat)
    if "__" in flat:
        flat = _SWITCH.sub(_switched_off, flat)
    for raw in flat.split("\n"):
        line = raw.strip()
        if not line:
            blank = True
            numbers = []
            continue
        first = line[0]
        if first == "=":
            match = _HEADING.fullmatch(line)
            words = _tidy(match[2], before_sign).strip("= ") if match else ""
            if match and words:
                level = len(match[1])
                while headings and headings[-1][0] >= level:
                    headings.pop()
                headings.append((level, words))
                numbers = []
                continue
        marks = _LIST.match(line) if first in "*#:;" else None
        if first == "-" and line.startswith("----"):
            line = line.lstrip("-")
        text = _tidy(line[marks.end() :] if marks else line, before_sign)
        if marks and text[:1] in ",;:":  # what stood before the sign was a template
            text = _LEADING_SIGNS.sub("", text, count=1)
        if not _WORD.search(text):
            numbers = [] if not marks else numbers
            continue
        if marks:
            text, numbers = _list_item(marks.group(), text, numbers)
        elif numbers:
            numbers = []
        if headings:
            for _, words in headings:
                out += ["", words]
            out.append("")
            headings = []
        elif blank:
            out.append("")
        blank = False
        out.append(text)
    return "\n".join(out).strip()


def with_pieces(text: str, pieces: list[str]) -> str:
    """`text` with the pieces that its marks stand for."""
    return _MARK.sub(lambda match: pieces[int(match[1])], text)


def marks_in(text: str) -> list[int]:
    """The numbers of the pieces that are still in the text."""
    return [int(number) for number in _MARK.findall(text)]


def _list_item(marks: str, text: str, numbers: list[int]) -> tuple[str, list[int]]:
    depth = min(len(marks), MAX_LIST_DEPTH)
    numbers = [*numbers[:depth], *[0] * (depth - len(numbers))]
    indent = "  " * (depth - 1)
    if marks[-1] == "#":
        numbers[-1] += 1
        return f"{indent}{numbers[-1]}. {text}", numbers
    if marks[-1] == "*":
        return f"{indent}- {text}", numbers
    return text, numbers
