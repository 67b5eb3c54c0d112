"""Definitions of macros in LaTeX, read and taken apart.

In: a text and the place behind `\\newcommand`, `\\def`, `\\let`, `\\DeclareMathOperator`, `\\NewDocumentCommand` and
their kin. Out: what name is defined, what it takes and what it stands for, and where the definition ends. Nothing is
expanded here. The forms are those of the kernel (The TeXbook, chapter 20; usrguide and clsguide of LaTeX2e; xparse),
amsmath (`\\DeclareMathOperator`) and mathtools (`\\DeclarePairedDelimiter`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.latex_syntax import after_space, closing_brace, closing_bracket

NAME = re.compile(r"\s*+(?:\{\s*+\\([A-Za-z@]+|[^A-Za-z@\s])\s*+\}|\\([A-Za-z@]+|[^A-Za-z@\s]))")
ENVIRONMENT = re.compile(r"\s*+\{\s*+([^{}\\\s]+)\s*+\}")
COUNT = re.compile(r"\s*+\[\s*+([0-9])\s*+\]")
LET = re.compile(
    r"\s*+\\([A-Za-z@]+|[^A-Za-z@\s])\s*+=?[ \t]?(?:\\([A-Za-z@]+|[^A-Za-z\s])|([^\s{}#%$&~\\^_]))"
)
# A parameter text is short; none of TeX's own files has one of 200 characters.
PARAMETER_TEXT = re.compile(r"(?:[^{}\\\n]|\\[^\n]|\n(?!\s*\n)){0,200}+(?=\{)")
PARAMETER = re.compile(r"#([1-9#])")
NEXT = re.compile(r"\s*+(\\[A-Za-z]+|\\.|[^\s\\{}])")
SPECIFIER = re.compile(r"\s*+([+!>]|[mosvOtdDrR])")
PREFIX = re.compile(r"(?:\s*+\\(?:long|global|outer|protected)(?![A-Za-z]))*+\s*+\\([A-Za-z]+)")

# A body with one of these depends on the run of TeX: on tokens made from characters, on registers, on the mode.
RUN_TIME = re.compile(
    r"\\(?:csname|endcsname|expandafter|noexpand|futurelet|afterassignment|aftergroup|catcode|loop|repeat|string|the"
    r"|advance|begingroup|endgroup|edef|xdef)(?![A-Za-z])"
)
# Recursion that these can end; without one of them it has no end.
BRANCHES = re.compile(r"\\(?:if|@if|kernel@if|If)")

PLAIN_DEFINERS = frozenset(["def", "gdef", "edef", "xdef"])
PREFIXES = frozenset(["long", "global", "outer", "protected"])
_COMMAND_DEFINERS = "newcommand renewcommand providecommand DeclareRobustCommand newrobustcmd renewrobustcmd"
_DOCUMENT_DEFINERS = """
NewDocumentCommand RenewDocumentCommand ProvideDocumentCommand DeclareDocumentCommand
NewExpandableDocumentCommand
"""
DOCUMENT_DEFINERS = frozenset(_DOCUMENT_DEFINERS.split())
ENVIRONMENT_DEFINERS = frozenset(["newenvironment", "renewenvironment"])
PAIRED_DEFINERS = frozenset(["DeclarePairedDelimiter", "DeclarePairedDelimiterX"])
OPERATOR_DEFINERS = frozenset(["DeclareMathOperator"])
DEFINERS = (
    PLAIN_DEFINERS | PREFIXES | DOCUMENT_DEFINERS | ENVIRONMENT_DEFINERS | PAIRED_DEFINERS | OPERATOR_DEFINERS
) | frozenset(["let", "newif", *_COMMAND_DEFINERS.split()])
ONLY_IF_UNKNOWN = frozenset(["providecommand", "ProvideDocumentCommand"])

# What gives a document its structure is never replaced, even if the author redefines how it looks.
_STRUCTURE = """
part chapter section subsection subsubsection paragraph subparagraph begin end item cite ref label caption footnote
title author abstract input include subfile bibliography bibitem appendix maketitle documentclass documentstyle
usepackage
"""
STRUCTURE = frozenset(_STRUCTURE.split())
# Escapes and accents: their letters are text. Not the marks of a formula, nor a line break.
KEPT_SYMBOLS = frozenset("\\{}%#$&_()[] ~'`\"^=.-/\n\t")
_STRUCTURE_ENVIRONMENTS = """
document abstract figure figure* table table* tabular tabular* equation equation* align align* eqnarray eqnarray*
itemize enumerate description proof theorem lemma proposition corollary definition remark example verbatim quote
quotation thebibliography appendix appendices array matrix center multline multline* gather gather* displaymath math
minipage acknowledgments acknowledgements keywords
"""
STRUCTURE_ENVIRONMENTS = frozenset(_STRUCTURE_ENVIRONMENTS.split())

NO_VALUE = "-NoValue-"  # xparse's mark of an argument that was not given
TRUE, FALSE = "\\BooleanTrue", "\\BooleanFalse"  # its values of a star


@dataclass(frozen=True, slots=True)
class Parameter:
    """One step in reading a call.

    `group`: the next group or token. `optional`: text between `opening` and `closing` if it is there, else `text`.
    `flag`: whether `text` comes next. `until`: what stands before `text`. `literal`: `text` itself, no argument.
    `before_brace`: what stands before the next brace.
    """

    kind: str
    text: str = ""
    opening: str = "["
    closing: str = "]"
    pattern: re.Pattern[str] | None = None


GROUP = Parameter("group")


@dataclass(frozen=True, slots=True)
class Macro:
    """What a name stands for."""

    body: str
    parameters: tuple[Parameter, ...] = ()
    final: bool = False  # the body is not read again: `\\let` froze its meaning
    spaced: bool = False  # ended in \\xspace
    paired: bool = False  # its body is (left, right, inner) of a paired delimiter, between NULs

    @property
    def arguments(self) -> int:
        return sum(parameter.kind != "literal" for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class Definition:
    """`macros` by name, None for a name whose meaning needs TeX's run time; `end` is behind the definition."""

    macros: tuple[tuple[str, Macro | None], ...]
    end: int
    only_if_unknown: bool = False
    everywhere: bool = False  # `\\gdef`, `\\global`: groups do not end it
    environment: bool = False  # the names are of an environment: `NAME` and `endNAME` in TeX's own terms
    condition: str = ""  # `\\newif`: the name behind `if`
    alias: str = ""  # `\\let`: the name whose meaning is taken over, if that is a control sequence


def read_definition(text: str, definer: str, position: int) -> Definition | None:
    """The definition behind `\\definer`, which ends at `position`; None when nothing is defined there.

    What stands there and cannot be understood is a Definition with None for its macro.
    """
    everywhere = definer in ("gdef", "xdef")
    if definer in PREFIXES:
        everywhere = definer == "global"
        prefix = PREFIX.match(text, position)
        if prefix is None or prefix[1] not in DEFINERS:
            return None
        everywhere = everywhere or "\\global" in prefix[0] or prefix[1] in ("gdef", "xdef")
        definer, position = prefix[1], prefix.end()
    if definer == "let":
        return _let(text, position, everywhere)
    if definer in ENVIRONMENT_DEFINERS:
        return _environment(text, position)
    starred = text.startswith("*", position)
    if starred:
        position += 1
    match = NAME.match(text, position)
    if match is None:
        return None
    name, position = match[1] or match[2], match.end()
    if definer == "newif":
        return Definition((), position, condition=name[2:]) if name.startswith("if") and name[2:] else None
    if definer in PLAIN_DEFINERS:
        found = _plain(text, position, definer)
    elif definer in OPERATOR_DEFINERS:
        body, end = _group(text, position)
        operator = "\\operatorname*" if starred else "\\operatorname"
        found = (None if body is None else Macro(f"{operator}{{{body}}}"), end)
    elif definer in PAIRED_DEFINERS:
        found = _paired(text, position, definer)
    elif definer in DOCUMENT_DEFINERS:
        found = _document_command(text, position)
    else:
        found = _command(text, position)
    macro, end = found
    return Definition(((name, usable(name, macro)),), end, definer in ONLY_IF_UNKNOWN, everywhere)


def usable(name: str, macro: Macro | None) -> Macro | None:
    """The macro, or None when its calls have to stay: it needs TeX's run time, or could only be a loop."""
    if macro is None or macro.final or macro.paired:
        return macro
    numbers = [int(number) for number in PARAMETER.findall(macro.body) if number != "#"]
    if RUN_TIME.search(macro.body) or max(numbers, default=0) > macro.arguments:
        return None
    calls_itself = re.search(rf"\\{re.escape(name)}(?![A-Za-z@])", macro.body) is not None
    return None if calls_itself and name.isalpha() and not BRANCHES.search(macro.body) else macro


def _group(text: str, position: int) -> tuple[str | None, int]:
    """The group, or the one token, that comes next; (None, position) when there is none."""
    opening = after_space(text, position)
    if text.startswith("{", opening):
        end = closing_brace(text, opening)
        return (None, position) if end is None else (text[opening + 1 : end - 1], end)
    token = NEXT.match(text, opening)
    return (None, position) if token is None else (token[1], token.end())


def _made(body: str | None, parameters: list[Parameter]) -> Macro | None:
    if body is None:
        return None
    if not parameters:
        body = body.strip("\n")
    spaced = body.endswith("\\xspace")
    if spaced:
        body = body.removesuffix("\\xspace").rstrip()
    return Macro(body, tuple(parameters), spaced=spaced)


def _command(text: str, position: int) -> tuple[Macro | None, int]:
    """`[count][default]{body}` of `\\newcommand`."""
    parameters, position, understood = _signature(text, position)
    body, end = _group(text, position)
    return (_made(body, parameters) if understood else None), end


def _signature(text: str, position: int) -> tuple[list[Parameter], int, bool]:
    count = COUNT.match(text, position)
    if count is None:
        return [], position, True
    parameters, position = [GROUP] * int(count[1]), count.end()
    opening = after_space(text, position)
    if text.startswith("[", opening):
        end = closing_bracket(text, opening)
        if end is None or not parameters:
            return parameters, position, False
        parameters[0] = Parameter("optional", text[opening + 1 : end - 1])
        position = end
    return parameters, position, True


def _environment(text: str, position: int) -> Definition | None:
    """`{name}[count][default]{at the begin}{at the end}`; only the begin sees the arguments."""
    if text.startswith("*", position):
        position += 1
    match = ENVIRONMENT.match(text, position)
    if match is None:
        return None
    parameters, position, understood = _signature(text, match.end())
    begin, position = _group(text, position)
    end, position = _group(text, position)
    opened = usable("", _made(begin, parameters)) if understood else None
    closed = usable("", _made(end, []))
    if opened is None or closed is None or match[1] in STRUCTURE_ENVIRONMENTS:
        opened = closed = None
    return Definition(((match[1], opened), ("end" + match[1], closed)), position, environment=True)


def _let(text: str, position: int, everywhere: bool) -> Definition | None:
    match = LET.match(text, position)
    if match is None:
        return None
    target = match[2] or ""
    macro = None if "@" in target else Macro("\\" + target if target else match[3], final=True)
    return Definition(((match[1], macro),), match.end(), everywhere=everywhere, alias=target)


def _plain(text: str, position: int, definer: str) -> tuple[Macro | None, int]:
    """The parameter text and the body of `\\def`."""
    match = PARAMETER_TEXT.match(text, position)
    if match is None:
        return None, position
    end = closing_brace(text, match.end())
    if end is None:
        return None, position
    parameters = _parameter_text(match[0])
    if parameters is None or definer in ("edef", "xdef"):
        return None, end
    return _made(text[match.end() + 1 : end - 1], parameters), end


def _parameter_text(written: str) -> list[Parameter] | None:
    """What a call has to look like; None when that is no parameter text."""
    before_brace = written.endswith("#")
    parts = re.split(r"#([1-9])", written.removesuffix("#"))
    if any("#" in part for part in parts[::2]) or parts[1::2] != [str(i + 1) for i in range(len(parts) // 2)]:
        return None
    parameters: list[Parameter] = []
    lead = parts[0].strip()
    if lead:
        parameters.append(Parameter("literal", lead, pattern=delimiter(lead)))
    behind = parts[2::2]
    for index, part in enumerate(behind):
        last = index == len(behind) - 1
        if last and before_brace and not part:
            parameters.append(Parameter("before_brace"))
        elif part:  # a blank too: `#1 {` ends the argument at the next blank
            parameters.append(Parameter("until", part, pattern=delimiter(part)))
        else:
            parameters.append(GROUP)
    return parameters


def delimiter(written: str) -> re.Pattern[str]:
    """A delimiter as a pattern: blanks are alike, and a control word ends where its letters do."""
    words = [re.escape(word) for word in written.split()]
    pattern = r"\s+".join(words) or r"\s+"
    if words and written[0].isspace():
        pattern = r"\s+" + pattern
    if words and written[-1].isspace() and not re.search(r"\\[A-Za-z@]+\s+\Z", written):
        pattern += r"\s+"
    return re.compile(pattern + (r"(?![A-Za-z])" if re.search(r"\\[A-Za-z@]+\s*\Z", written) else ""))


def _paired(text: str, position: int, definer: str) -> tuple[Macro | None, int]:
    """`{left}{right}`, or `[count]{left}{right}{inner}` with `\\delimsize`, of mathtools."""
    count = 1
    if definer.endswith("X") and (match := COUNT.match(text, position)):
        count, position = int(match[1]), match.end()
    left, position = _group(text, position)
    right, position = _group(text, position)
    inner: str | None = "#1"
    if definer.endswith("X"):
        inner, position = _group(text, position)
    if left is None or right is None or inner is None:
        return None, position
    parameters = (Parameter("flag", "*"), Parameter("optional", ""), *[GROUP] * count)
    return Macro("\0".join((left, right, inner)), parameters, paired=True), position


def _document_command(text: str, position: int) -> tuple[Macro | None, int]:
    specification, position = _group(text, position)
    body, end = _group(text, position)
    parameters = None if specification is None else _specified(specification)
    return (None if parameters is None else _made(body, parameters)), end


def _specified(specification: str) -> list[Parameter] | None:
    """The parameters of an argument specification of xparse; None for kinds that are not simple."""
    parameters: list[Parameter] = []
    position = 0
    while specification[position:].strip():
        match = SPECIFIER.match(specification, position)
        if match is None or match[1] == ">" or match[1] == "v":
            return None
        kind, position = match[1], match.end()
        if kind in "+!":
            continue
        opening, closing, default = "[", "]", NO_VALUE
        if kind in "tdDrR":
            pair = specification[position : position + (1 if kind == "t" else 2)].strip()
            if len(pair) != (1 if kind == "t" else 2):
                return None
            opening, closing = pair[0], pair[-1]
            position += len(pair)
        if kind in "ODR":
            value, position = _group(specification, position)
            if value is None:
                return None
            default = value
        if kind == "m":
            parameters.append(GROUP)
        elif kind in "st":
            parameters.append(Parameter("flag", "*" if kind == "s" else opening))
        else:
            parameters.append(Parameter("optional", default, opening, closing))
    return parameters
