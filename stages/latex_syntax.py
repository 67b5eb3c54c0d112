"""Where a group, an optional argument or a verbatim text of LaTeX ends.

The little of TeX's syntax that cleaning and macro expansion share. All positions are character offsets; each
search is linear in what it skips.
"""

from __future__ import annotations

import re

VERBATIM = (
    r"\\begin\s*\{(?P<verbatim>verbatim\*?|Verbatim|lstlisting|minted|alltt)\}"
    r"|\\(?:verb\*?(?![A-Za-z])|lstinline(?![A-Za-z]))(?P<mark>[^\sA-Za-z{*])"
)


BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BRACKET = re.compile(r"\\.|[{}\]]", re.DOTALL)
SPACE = re.compile(r"[ \t]*\n?[ \t]*")  # at most one line end: two are a paragraph


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


def closing_bracket(text: str, opening: int) -> int | None:
    """Behind the `]` that closes the `[` at `opening`; one inside braces does not count."""
    depth = 0
    for match in BRACKET.finditer(text, opening + 1):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth < 0:
                return None
        elif match[0] == "]" and depth == 0:
            return match.end()
    return None
