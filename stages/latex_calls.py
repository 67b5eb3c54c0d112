"""The arguments of a call of a macro, read from a stack of unread texts, and the body with them in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from stages.latex_definitions import FALSE, TRUE, Macro, Parameter
from stages.latex_syntax import after_space, all_braces, closing_brace, closing_bracket, delimited, joined

ONE_TOKEN = re.compile(r"\\[A-Za-z@]+|\\[^A-Za-z\n]|[^\\{}\s$&#^_~\]]")
PARAMETER = re.compile(r"#([1-9#])")
SINGLE_TOKEN = re.compile(r"\\[A-Za-z]+|[^\\{}]|\{[^{}]*\}|\\.", re.DOTALL)
CONTROL_SEQUENCE = re.compile(r"\\([A-Za-z@]+|[^A-Za-z@])", re.DOTALL)
MAX_DELIMITED_CHARACTERS = 4_000  # ours: how far a delimiter is looked for; TeX ends at the paragraph
MAX_TAKEN_CHARACTERS = 1_000  # ours: how far `\\frac` is looked behind for a bare macro that needs braces


_Kind = TypeVar("_Kind")
# What is open at a place, the innermost first, so that a call can remember it without a copy.
Opened: TypeAlias = "tuple[_Kind, Opened[_Kind]] | None"


@dataclass(slots=True, eq=False)
class Frame:
    """A text that is being read: written up to `position`, looked at up to `scan`."""

    text: str
    name: str = ""  # the macro whose body it is
    call: Call | None = None  # the call by a public name that it comes from
    inside: bool = False  # whether any call is being expanded here
    position: int = 0
    scan: int = 0
    scopes: tuple[
        tuple[int, int], ...
    ] = ()  # groups with definitions of their own: (end, mark), innermost last
    braces: dict[int, int] | None = None

    @property
    def limit(self) -> int:
        """How far to read before a group ends."""
        return self.scopes[-1][0] if self.scopes else len(self.text)

    def closing(self, opening: int) -> int | None:
        """Behind the brace that closes the one at `opening`. Of the paper itself all are found at once."""
        if self.inside:
            return closing_brace(self.text, opening)
        if self.braces is None:
            self.braces = all_braces(self.text)
        return self.braces.get(opening)


@dataclass(slots=True)
class Call:
    """What was before a call, to go back to when it cannot be expanded."""

    name: str
    written_as: str
    frames: list[tuple[Frame, int, tuple[tuple[int, int], ...]]]
    written: int  # pieces of output
    saved: int
    learned: int
    expanded: int
    left: int
    conditions: Opened[bool]
    open_environments: Opened[str]


@dataclass(slots=True)
class Arguments:
    """What a call was given (None: not what its definition asks for), and how many characters were looked through."""

    found: list[str] | None
    characters: int


def read_arguments(stack: list[Frame], macro: Macro, pop: Callable[[], None]) -> Arguments:
    """The arguments of a call whose name was just read; the position is then behind them.

    What a body does not hold stands behind the call that it came from: `pop` drops a frame that has only blanks left.
    When something is missing, frames and positions are not as they were.
    """
    found: list[str] = []
    characters = 0
    for number, parameter in enumerate(macro.parameters):
        drop_empty(stack, pop)
        frame = stack[-1]
        if number == 0 and parameter.kind in ("until", "before_brace"):
            frame.position = after_space(frame.text, frame.position)  # TeX skips blanks behind a control word
        argument, position = _argument(frame, parameter, frame.position)
        if position < 0:
            looked = len(frame.text) - frame.position if frame.inside else MAX_DELIMITED_CHARACTERS
            return Arguments(None, characters + looked)
        characters += position - frame.position
        frame.position = frame.scan = position
        if argument is not None:
            found.append(argument)
    return Arguments(found, characters)


def drop_empty(stack: list[Frame], pop: Callable[[], None]) -> None:
    """Take off the frames that have nothing but blanks left, except for the paper itself."""
    while len(stack) > 1 and _after_blanks(stack[-1].text, stack[-1].position) == len(stack[-1].text):
        pop()


def _argument(frame: Frame, parameter: Parameter, position: int) -> tuple[str | None, int]:
    """One argument and the place behind it; a place of -1 when it is not there."""
    text, kind = frame.text, parameter.kind
    if kind == "literal":
        assert parameter.pattern is not None
        match = parameter.pattern.match(text, after_space(text, position))
        return None, match.end() if match else -1
    if kind == "until":
        assert parameter.pattern is not None
        limit = min(len(text), position + MAX_DELIMITED_CHARACTERS)
        return delimited(text, position, parameter.pattern, limit) or (None, -1)
    if kind == "before_brace":
        brace = text.find("{", position, position + MAX_DELIMITED_CHARACTERS)
        return (text[position:brace], brace) if brace >= 0 else (None, -1)
    opening = after_space(text, position)
    if kind == "flag":
        there = text.startswith(parameter.text, opening)
        return (TRUE, opening + len(parameter.text)) if there else (FALSE, position)
    if kind == "optional":
        if not text.startswith(parameter.opening, opening):
            return parameter.text, position
        end = closing_bracket(text, opening, parameter.closing, opening + MAX_DELIMITED_CHARACTERS)
        return (None, -1) if end is None else (text[opening + 1 : end - 1], end)
    if text.startswith("{", opening):
        end = frame.closing(opening)
        return (None, -1) if end is None else (text[opening + 1 : end - 1], end)
    token = ONE_TOKEN.match(text, opening)
    return (None, -1) if token is None else (token[0], token.end())


def substituted(macro: Macro, arguments: list[str]) -> str:
    """The body with `#1`... replaced, and `##` made `#`."""
    body = macro.body
    if macro.paired:
        left, right, body = body.split("\0")
        (star, size), arguments = arguments[:2], arguments[2:]
        middle = "\\middle" if star == TRUE else size
        inner = substituted(Macro(body.replace("\\delimsize", middle), macro.parameters[2:]), arguments)
        if star == TRUE:
            return joined(["\\left", left, inner, "\\right", right])
        return joined([size + "l", left, inner, size + "r", right]) if size else joined([left, inner, right])
    if "#" not in body:
        return body
    pieces = PARAMETER.split(body)
    for index in range(1, len(pieces), 2):
        number = pieces[index]
        pieces[index] = "#" if number == "#" else arguments[int(number) - 1]
    return joined([piece for piece in pieces if piece])


def braced_arguments(frame: Frame, count: int, macros: Mapping[str, Macro]) -> tuple[str, int] | None:
    """The next `count` arguments with braces around each bare macro that stands for more than one token.

    None when there is no such macro among them.
    """
    text = frame.text
    position = after_space(text, frame.scan)
    pieces: list[str] = []
    needed = False
    for _ in range(count):
        opening = after_space(text, position)
        if text.startswith("{", opening):
            end = frame.closing(opening)
            if end is None or end - frame.scan > MAX_TAKEN_CHARACTERS:
                break
            pieces.append(text[position:end])
            position = end
            continue
        if match := CONTROL_SEQUENCE.match(text, opening):
            macro = macros.get(match[1])
            if macro is not None and (macro.parameters or not SINGLE_TOKEN.fullmatch(macro.body)):
                if macro.parameters:
                    break
                pieces.append("{" + match[0] + "}")
                needed = True
            else:
                pieces.append(text[position : match.end()])
            position = match.end()
        elif opening < len(text) and text[opening] not in "}$&#":
            pieces.append(text[position : opening + 1])
            position = opening + 1
        else:
            break
    return ("".join(pieces), position) if needed else None


def next_token(stack: list[Frame], position: int) -> tuple[int, str]:
    """The next token that is no blank, from `position` of the last frame on: (level of its frame, token or "")."""
    for level in range(len(stack) - 1, -1, -1):
        frame = stack[level]
        opening = _after_blanks(frame.text, position if level == len(stack) - 1 else frame.position)
        if opening < len(frame.text):
            match = CONTROL_SEQUENCE.match(frame.text, opening)
            return level, match[0] if match else frame.text[opening]
    return 0, ""


BLANKS = re.compile(r"\s*")


def _after_blanks(text: str, position: int) -> int:
    match = BLANKS.match(text, position)
    assert match is not None
    return match.end()
