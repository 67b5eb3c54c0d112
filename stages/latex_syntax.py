"""Where a group, an optional argument or a verbatim text of LaTeX ends.

The little of TeX's syntax that assembling, cleaning and macro expansion share. All positions are character offsets;
each search is linear in what it skips, and nothing recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

# Texts that TeX does not read as TeX: environments, and what stands between two equal marks. A pattern takes these
# alternatives in, and `after_verbatim` then says where they end.
VERBATIM = (
    r"\\begin[ \t]*\{(?P<verbatim>verbatim\*?|[BL]?Verbatim\*?|lstlisting|minted|alltt|filecontents\*?)\}"
    r"|\\(?:verb\*?(?![A-Za-z])|lstinline(?:\[[^\[\]\n]*\])?(?![A-Za-z])|mintinline\{[^{}\n]*\})"
    r"(?P<mark>[^\sA-Za-z{*])"
)
# Commands whose argument may hold a `%` that starts no comment.
ADDRESS = r"\\(?:url|path|nolinkurl|href)[ \t]*+\{[^{}\n]*+(?:\{[^{}\n]*+\}[^{}\n]*+)*+\}"

BRACE = re.compile(r"\\[\\{}]|[{}]")
BRACKET = re.compile(r"\\.|[{}\]]", re.DOTALL)
SPACE = re.compile(r"[ \t]*\n?[ \t]*")  # at most one line end: two are a paragraph
# What opens and closes a group in which definitions count.
GROUP = re.compile(
    VERBATIM + r"|\\(?:begin|b(?=group))(?P<begin>group(?![A-Za-z])|[ \t]*\{[^{}\n]*\})"
    r"|\\(?:end|e(?=group))(?P<end>group(?![A-Za-z])|[ \t]*\{[^{}\n]*\})"
    r"|\\[\\{}]|(?P<open>\{)|(?P<close>\})"
)


def after_space(text: str, position: int) -> int:
    """Behind the blanks and the line end that TeX skips before an argument."""
    match = SPACE.match(text, position)
    assert match is not None  # the pattern matches the empty string
    return match.end()


def after_verbatim(text: str, match: re.Match[str], unclosed: set[str]) -> int:
    """Where to read on after a token: past the whole of a verbatim text, which is never looked into.

    `unclosed` remembers environments without an end, so that a text full of them is searched once.
    """
    environment, mark = match["verbatim"], match["mark"]
    if environment:
        closing = f"\\end{{{environment}}}"
        end = -1 if environment in unclosed else text.find(closing, match.end())
        if end < 0:
            unclosed.add(environment)
            return match.end()
        return end + len(closing)
    if mark:
        line_end = text.find("\n", match.end(), match.end() + 1_000)
        end = text.find(mark, match.end(), line_end if line_end >= 0 else match.end() + 1_000)
        return end + 1 if end >= 0 else match.end()
    return match.end()


def outside_verbatim(pattern: re.Pattern[str], text: str, position: int = 0) -> Iterator[re.Match[str]]:
    """The matches of a pattern that has `VERBATIM` among its alternatives, less the verbatim texts."""
    unclosed: set[str] = set()
    while (match := pattern.search(text, position)) is not None:
        position = after_verbatim(text, match, unclosed)
        if match["verbatim"] is None and match["mark"] is None:
            yield match


def closing_brace(text: str, opening: int) -> int | None:
    """Behind the brace that closes the one at `opening`, or None."""
    depth = 0
    for match in BRACE.finditer(text, opening):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def closing_bracket(text: str, opening: int, closing: str = "]", limit: int | None = None) -> int | None:
    """Behind the `]` that closes the bracket at `opening`, before `limit`; one inside braces does not count."""
    depth = 0
    pattern = BRACKET if closing == "]" else re.compile(rf"\\.|[{{}}{re.escape(closing)}]", re.DOTALL)
    for match in pattern.finditer(text, opening + 1, len(text) if limit is None else limit):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth < 0:
                return None
        elif match[0] == closing and depth == 0:
            return match.end()
    return None


def all_braces(text: str) -> dict[int, int]:
    """Opening brace to the place behind its closing one, for each that is closed: one pass over the text."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in BRACE.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            ends[opened.pop()] = match.end()
    return ends


class Groups:
    """The groups of a text in which definitions are local: braces, environments, `\\begingroup`.

    In `\\newcommand{\\be}{\\begin{equation}}` an environment begins that does not end: what a brace or another
    environment closes, closes all that was opened inside it, and an end without a begin is none. The text is looked
    through only as far as it is asked about.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0  # the open groups there are known
        self.opened: list[str] = []
        self.ends: list[int | None] = []  # of each open group, once it was asked for
        self.unclosed: set[str] = set()

    def enclosing_end(self, position: int) -> tuple[int | None, int]:
        """Where the innermost group around `position` ends (None: none is around it), and how far it was looked for.

        Positions do not go back.
        """
        while (match := GROUP.search(self.text, self.position, position)) is not None:
            self._step(match)
        self.position = max(self.position, position)
        if not self.opened:
            return None, 0
        end = self.ends[-1]
        if end is not None:
            return end if end >= position else None, 0
        ahead = Groups(self.text)
        ahead.position = position
        ahead.opened = self.opened[-MAX_UNCLOSED_ENVIRONMENTS:]
        ahead.ends = [None] * len(ahead.opened)
        around = len(ahead.opened)
        while len(ahead.opened) >= around:
            match = GROUP.search(self.text, ahead.position)
            if match is None:
                return None, len(self.text) - position
            ahead._step(match)
            end = match.start()
        self.ends[-1] = end
        return end, ahead.position - position

    def _step(self, match: re.Match[str]) -> None:
        self.position = after_verbatim(self.text, match, self.unclosed)
        if match["verbatim"] or match["mark"]:
            return
        opening = match["open"] or match["begin"]
        closing = "{" if match["close"] else match["end"]
        if opening:
            self.opened.append("".join(opening.split()))
            self.ends.append(None)
        elif closing:
            level = self._level("".join(closing.split()))
            if level is not None:
                del self.opened[level:], self.ends[level:]

    def _level(self, closing: str) -> int | None:
        """The open group that `closing` ends: the last of its kind, and for an environment not beyond a brace."""
        opened = self.opened
        for level in range(len(opened) - 1, max(-1, len(opened) - 1 - MAX_UNCLOSED_ENVIRONMENTS), -1):
            if opened[level] == closing:
                return level
            if opened[level] == "{":
                return None
        return None


MAX_UNCLOSED_ENVIRONMENTS = 50  # ours, inside one another


def delimited(text: str, position: int, delimiter: re.Pattern[str], limit: int) -> tuple[str, int] | None:
    """The argument from `position` to the first `delimiter` outside braces, and the end of the delimiter.

    Braces around the whole of the argument are taken off, as TeX does (The TeXbook, chapter 20). None when there is no
    delimiter before `limit`.
    """
    start = position
    found = delimiter.search(text, position, limit)
    while found is not None:
        braces = BRACE.finditer(text, position, found.start())
        brace = next((match for match in braces if match[0] in "{}"), None)
        if brace is None:
            argument = text[start : found.start()]
            if argument.startswith("{") and closing_brace(argument, 0) == len(argument):
                argument = argument[1:-1]
            return argument, found.end()
        end = closing_brace(text, brace.start()) if brace[0] == "{" else None
        if end is None:
            return None
        position = end
        if found.start() < position:
            found = delimiter.search(text, position, limit)
    return None


def joined(pieces: list[str]) -> str:
    """Pieces of TeX in one string; a blank keeps a control word apart from a letter that follows it."""
    for before, after in pairwise(range(len(pieces))):
        if pieces[after][:1].isalpha() and last_word(pieces[before]):
            pieces[before] += " "
    return "".join(pieces)


ENDS_IN_WORD = re.compile(r"(?<!\\)(?:\\\\)*\\([A-Za-z@]+)\Z")


def last_word(text: str) -> str | None:
    """The control word that a text ends in, which a following letter would lengthen."""
    match = ENDS_IN_WORD.search(text[-64:])  # no control word is longer
    return match[1] if match else None
