"""TeX's conditionals, as far as they are decided by the text itself.

`\\iffalse`, `\\iftrue`, the flags of `\\newif`, `\\if` and `\\ifx` between two tokens, `\\ifnum` between numbers and
`\\ifthenelse` have an outcome that the source shows; most others (`\\ifvmode`, `\\ifdim`) depend on the run.
The rules are those of The TeXbook, chapter 20, and of the package ifthen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from stages.latex_definitions import FALSE, NO_VALUE, TRUE, Macro
from stages.latex_syntax import after_space, closing_brace

_PRIMITIVES = """
if ifcat ifnum ifdim ifodd ifvmode ifhmode ifmmode ifinner ifvoid ifhbox ifvbox ifx ifeof iftrue iffalse ifcase
ifdefined ifcsname iffontchar ifpdf ifxetex ifluatex ifPDFTeX ifXeTeX ifLuaTeX iftutex
"""
PRIMITIVES = frozenset(_PRIMITIVES.split())
BRANCH = re.compile(r"\\(?:(?P<word>if[A-Za-z@]*|else(?![A-Za-z@])|fi(?![A-Za-z@]))|.)", re.DOTALL)
TOKENS = r"(\\[A-Za-z@]+[ \t]*|\\.|[^\\{}\s])"
TWO_TOKENS = re.compile(r"\s*+" + TOKENS + r"\s*+" + TOKENS, re.DOTALL)
EMPTY_TEST = re.compile(r"\s*+\\relax\s*+\\detokenize\s*+\{(?P<tested>[^{}]*+)\}\s*+\\relax(?![A-Za-z@])")
CHARACTER = re.compile(
    r"\s*+([^\\{}\s])(?:([^\\{}])|(?=\\([A-Za-z@]+)))"
)  # the blank behind the first is a token
NUMBERS = re.compile(r"\s*+(-?\d{1,9})\s*+([<=>])\s*+(-?\d{1,9})(?!\d) ?")
COMPARED = re.compile(r"\s*(-?\d{1,9})\s*([<=>])\s*(-?\d{1,9})\s*")
EQUAL = re.compile(r"\s*\\equal\s*\{")
EMPTY = re.compile(r"\s*\\isempty\s*\{")
BOOLEAN = re.compile(r"\s*\\boolean\s*\{\s*(\w+)\s*\}\s*")


def opens(word: str, flags: Mapping[str, bool]) -> bool:
    """Whether `\\word` begins a conditional that a `\\fi` ends."""
    return word in PRIMITIVES or word[2:] in flags or ("@" in word and word.startswith("if"))


def find_branch(
    text: str, position: int, flags: Mapping[str, bool], depth: int, stop_at_else: bool
) -> Branch:
    """The `\\else` or `\\fi` of the conditional whose text begins at `position`, over nested ones.

    `depth` counts the conditionals that were opened before; the answer has the new depth when nothing is found.
    """
    for match in BRANCH.finditer(text, position):
        word = match["word"]
        if not word:
            continue
        if word == "fi":
            if depth == 0:
                return Branch(match.start(), match.end(), False, 0)
            depth -= 1
        elif word == "else":
            if depth == 0 and stop_at_else:
                return Branch(match.start(), match.end(), True, 0)
        elif opens(word, flags) or opens(word.partition("@")[0], flags):
            depth += 1
    return Branch(-1, -1, False, depth)


class Branch:
    """Where a branch of a conditional ends: at `start`, read on at `end`; `start` is -1 when it does not end here."""

    __slots__ = ("depth", "end", "is_else", "start")

    def __init__(self, start: int, end: int, is_else: bool, depth: int) -> None:
        self.start, self.end, self.is_else, self.depth = start, end, is_else, depth


def decide(
    word: str, text: str, position: int, macros: Mapping[str, Macro], flags: Mapping[str, bool]
) -> tuple[bool, int] | None:
    """The outcome of the conditional `\\word` and where its text begins; None when the source does not show it."""
    if word in ("iftrue", "iffalse"):
        return word == "iftrue", position
    if word[2:] in flags:
        return flags[word[2:]], position
    if word == "ifnum" and (match := NUMBERS.match(text, position)):
        return _compare(match), match.end()
    if word == "ifdefined" and (match := TWO_TOKENS.match(text, position)) and match[1].strip()[1:] in macros:
        return True, match.end(1)
    if word == "if":
        if match := EMPTY_TEST.match(text, position):
            return not match["tested"].strip(), match.end()
        if match := CHARACTER.match(text, position):
            if match[3] is None:
                return match[1] == match[2], match.end()
            # A control word that is no macro is unlike every character.
            return None if match[3] in macros else (False, match.end())
    if word == "ifx" and (match := TWO_TOKENS.match(text, position)):
        same = _same(match[1].strip(), match[2].strip(), macros)
        return None if same is None else (same, match.end())
    return None


def _compare(match: re.Match[str]) -> bool:
    left, right = int(match[1]), int(match[3])
    return left < right if match[2] == "<" else left > right if match[2] == ">" else left == right


def _same(left: str, right: str, macros: Mapping[str, Macro]) -> bool | None:
    """Whether two tokens mean the same, as `\\ifx` asks; None when that depends on what the text does not define."""
    if left == right:
        return True
    if not left.startswith("\\") and not right.startswith("\\"):
        return False
    empty = Macro("")
    known = [
        empty if token in ("\\empty", "\\@empty") else macros.get(token[1:]) if token[:1] == "\\" else None
        for token in (left, right)
    ]
    if all(known):
        return known[0] == known[1]
    other = right if known[0] else left
    if any(known):
        macro = known[0] or known[1]
        assert macro is not None
        # A macro of the text is no character, and not what is undefined.
        if not macro.final and (
            not other.startswith("\\") or other in ("\\undefined", "\\relax", "\\@undefined")
        ):
            return False
        return None
    marks = ("\\relax", "\\\\", "\\empty", "\\@empty", "\\end")
    if left in marks or right in marks:  # tests for an empty argument: `\ifx\\#1\\`
        found = [token for token in (left, right) if token not in marks]
        return None if "empty" in left + right and found and found[0].startswith("\\") else False
    return None


def decide_test(test: str, flags: Mapping[str, bool]) -> bool | None:
    """The outcome of the first argument of `\\ifthenelse`; None when it is no comparison of texts, numbers or flags."""
    negated = re.match(r"\s*\\(?:NOT|not)(?![A-Za-z])", test)
    if negated:
        inner = decide_test(test[negated.end() :], flags)
        return None if inner is None else not inner
    if match := COMPARED.fullmatch(test):
        return _compare(match)
    if match := BOOLEAN.fullmatch(test):
        return flags.get(match[1])
    for pattern, count in ((EQUAL, 2), (EMPTY, 1)):
        match = pattern.match(test)
        if match is None:
            continue
        found = groups(test, match.end() - 1, count)
        if found is None or test[found[1] :].strip():
            return None
        compared = [text.strip() for text in (*found[0], "")[:2]]
        if compared[0] == compared[1]:
            return True
        return None if any("\\" in text for text in compared) and all(compared) else False
    return None


def decide_argument(word: str, tested: str) -> bool | None:
    """Whether an argument was given, or a star, as `\\IfNoValueTF` and `\\IfBooleanTF` of xparse ask."""
    if word.startswith("IfBoolean"):
        return {TRUE: True, FALSE: False}.get(tested)
    if word.startswith("IfNoValue"):
        return tested == NO_VALUE
    if word.startswith("IfValue"):
        return tested != NO_VALUE
    return not tested.strip() or tested == NO_VALUE


def groups(text: str, position: int, count: int) -> tuple[list[str], int] | None:
    """The next `count` groups in braces, and where they end; None when there are fewer."""
    found: list[str] = []
    for _ in range(count):
        opening = after_space(text, position)
        end = closing_brace(text, opening) if text.startswith("{", opening) else None
        if end is None:
            return None
        found.append(text[opening + 1 : end - 1])
        position = end
    return found, position
