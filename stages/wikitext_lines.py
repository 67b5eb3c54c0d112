"""The second pass over wikitext: lines, quotes, entities, and the traces of what the first pass took out.

In: text in which only the marks of lines are left (headings, lists, apostrophes, entities), and the pieces to keep as
they are, for which it holds marks between two NULs. Out: text; headings stand between blank lines, lists have `- ` and
`1. `, a heading with nothing beneath it is gone, as are lines without a word.
"""

from __future__ import annotations

import html
import re

# Deeper list items are shown at this depth.
MAX_LIST_DEPTH = 8

_QUOTES = re.compile(r"''+")
_HEADING = re.compile(r"(={1,6})(.+?)\1[ \t]*")
_LIST = re.compile(r"[*#:;]+")
_SPACES = re.compile(r"[ \t\u00a0]+")
_EMPTY_BRACKETS = re.compile(r" ?\([\s,;:]*\)")
_LEFT_OPEN = re.compile(r"\([ ]?[,;:][\s,;:]*")
_BEFORE_SIGN = re.compile(r" ([,.;:])(?=\s|$)")
_LEADING_SIGNS = re.compile(r"[ ,;:.]+(?=[^\s.])")
_WORD = re.compile(r"[\w\x00]|[^\x00-\x7f]")
_KEPT_AS_IS = re.compile("\x00(\\d+)\x00")


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


def _tidy(line: str) -> str:
    """One line without quotes, entities and the traces of what was taken out."""
    if "''" in line:
        line = _without_quotes(line)
    if "&" in line:
        line = html.unescape(line)
    line = _SPACES.sub(" ", line)
    if "(" in line:
        line = _LEFT_OPEN.sub("(", _EMPTY_BRACKETS.sub("", line))
    return _BEFORE_SIGN.sub(r"\1", line).strip()


def lines_to_text(flat: str, kept_as_is: list[str]) -> str:
    """The second pass: headings, lists, blank lines; then what was kept as it is comes back."""
    out: list[str] = []
    headings: list[tuple[int, str]] = []  # met, but nothing beneath them yet
    numbers: list[int] = []
    blank = False
    for raw in flat.split("\n"):
        line = raw.strip()
        if line.startswith("="):
            match = _HEADING.fullmatch(line)
            words = _tidy(match[2]).strip("= ") if match else ""
            if match and words:
                level = len(match[1])
                while headings and headings[-1][0] >= level:
                    headings.pop()
                headings.append((level, words))
                numbers = []
                continue
        marks = _LIST.match(line)
        if line.startswith("----"):
            line = line.lstrip("-")
        text = _tidy(line[marks.end() :] if marks else line)
        if marks and text[:1] in ",;:":  # what stood before the sign was a template
            text = _LEADING_SIGNS.sub("", text, count=1)
        if not _WORD.search(text):
            blank = blank or not raw.strip()
            numbers = [] if not marks else numbers
            continue
        if marks:
            text, numbers = _list_item(marks.group(), text, numbers)
        else:
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
    text = "\n".join(out).strip()
    text = _KEPT_AS_IS.sub(lambda match: kept_as_is[int(match[1])], text)
    return text.encode("utf-8", "replace").decode("utf-8") if kept_as_is else text


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
