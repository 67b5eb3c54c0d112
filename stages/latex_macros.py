"""Expansion of an author's own LaTeX macros in place, as LLaMA and Minerva did to make papers alike.

In: LaTeX text without comments. Out: the text with each call of a macro that the text itself defines replaced
by its body, and the definition gone. Understood are `\\newcommand`, `\\renewcommand`, `\\providecommand`,
`\\DeclareRobustCommand`, `\\DeclareMathOperator`, `\\def` and `\\gdef` with undelimited parameters, and
`\\let`, with arguments and one optional argument. A definition that needs TeX's run time (conditionals, `@`
internals, definitions in its body) stays as written, and so do its calls. Groups do not limit a definition:
the latest one counts.

Source of the step: Touvron et al. 2023, section 2.1 (arXiv); the rules are TeX's own (The TeXbook, chapter
20). Expansion runs on a stack of unread text with budgets, so a call that explodes stays as written and the
rest of the paper is still expanded.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from stages.latex_syntax import VERBATIM, after_space, after_verbatim, closing_brace, closing_bracket

TOKEN = re.compile(VERBATIM + r"|\\(?P<name>[A-Za-z]+)|\\.", re.DOTALL)
NAME = re.compile(r"\s*(?:\{\s*\\([A-Za-z@]+|[^A-Za-z@\s])\s*\}|\\([A-Za-z@]+|[^A-Za-z@\s]))")
COUNT = re.compile(r"\s*\[\s*([0-9])\s*\]")
PARAMETERS = re.compile(r"((?:#[1-9])*)[ \t]*(?=\{)")
LET = re.compile(r"\s*\\([A-Za-z@]+)\s*=?\s*\\([A-Za-z@]+|[^A-Za-z\s])")
PARAMETER = re.compile(r"#([1-9])")
ENDS_IN_WORD = re.compile(r"(?<!\\)(?:\\\\)*\\([A-Za-z@]+)\Z")
ONE_TOKEN = re.compile(r"\\[A-Za-z]+|\\[^A-Za-z\n]|[^\\{}\s$&#^_~\]]")
SINGLE_TOKEN = re.compile(r"\\[A-Za-z]+|[^\\{}]|\{[^{}]*\}")

# Bodies with these need TeX's run time.
NOT_EXPANDABLE = re.compile(
    r"\\[A-Za-z]*@|##|\\(?:if[A-Za-z]*|else|fi|or|csname|endcsname|expandafter|noexpand|futurelet"
    r"|afterassignment|aftergroup|catcode|loop|repeat|def|edef|gdef|xdef|let|newcommand|renewcommand|providecommand"
    r"|newenvironment|string|the|advance|begingroup|endgroup)(?![A-Za-z])"
)
_DEFINERS = """
newcommand renewcommand providecommand DeclareRobustCommand DeclareMathOperator def gdef edef xdef
let
"""
DEFINERS = frozenset(_DEFINERS.split())
# What gives a document its structure is never replaced, even if the author redefines how it looks.
_STRUCTURE = """
part chapter section subsection subsubsection paragraph subparagraph begin end item cite ref label
caption footnote title author abstract input include bibliography maketitle documentclass usepackage
"""
STRUCTURE = frozenset(_STRUCTURE.split())
# Commands that take the next token as their argument: a longer body put there needs braces.
_TAKES_TOKEN = """
mathbf mathrm mathcal mathbb mathfrak mathscr mathsf mathit boldsymbol bm hat bar tilde vec dot ddot
sqrt overline underline widehat widetilde check breve frac dfrac tfrac text textbf textit textrm
emph mathring
"""
TAKES_TOKEN = frozenset(_TAKES_TOKEN.split())


@dataclass(frozen=True, slots=True)
class Macro:
    """What a name stands for; `default` is the value of the first argument when it is optional."""

    body: str
    arguments: int = 0
    default: str | None = None
    final: bool = False  # the body is not read again: `\\let` froze its meaning
    spaced: bool = False  # ended in \\xspace


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of an expansion. All are ours, set so that the 1.5 MB book 1308.0729 stays below and a bomb
    ends soon.
    """

    max_nested_calls: int = 64
    max_nested_calls_of_one_macro: int = 8
    max_steps_per_call: int = 1_000
    max_characters_per_call: int = 65_536  # beyond four times the text of its arguments
    min_total_steps: int = 20_000
    max_steps_per_character: float = 0.2
    max_growth: int = 16


@dataclass(slots=True)
class _Frame:
    text: str
    position: int = 0
    name: str = ""


@dataclass(slots=True)
class MacroExpander:
    """The macros of one paper, collected in order of definition; `expanded` and `left` count calls."""

    budget: Budget = field(default_factory=Budget)
    macros: dict[str, Macro] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    expanded: int = 0
    left: int = 0

    def collect(self, text: str) -> None:
        """Learn the definitions of a preamble, whose own text is not wanted."""
        position = 0
        unclosed: set[str] = set()
        work = self.budget.max_growth * len(text)
        while work > 0 and (match := TOKEN.search(text, position)) is not None:
            position = after_verbatim(text, match, unclosed)
            if match["name"] in DEFINERS:
                _, end = self._define(text, match["name"], position)
                work -= end - position
                position = max(position, end)

    def expand(self, text: str) -> str:
        """The text with known macros expanded and understood definitions taken out."""
        return _Expansion(self, text).run()

    def _define(self, text: str, definer: str, position: int) -> tuple[bool, int]:
        """Read the definition after `definer`: whether it was understood, and its end; a name that was not
        understood is refused.

        The end is `position` itself when this is no definition at all.
        """
        if definer == "let":
            if (match := LET.match(text, position)) is None:
                return False, position
            name, target = match[1], match[2]
            known = self.macros.get(target)
            if target in self.refused or "@" in target:
                return self._refuse(name, match.end())
            return self._learn(name, known or Macro("\\" + target, final=True), match.end())
        if text.startswith("*", position):
            position += 1
            starred = True
        else:
            starred = False
        if (match := NAME.match(text, position)) is None:
            return False, position
        name = match[1] or match[2]
        position = match.end()
        arguments, default = 0, None
        if definer in ("def", "gdef", "edef", "xdef"):
            parameters = PARAMETERS.match(text, position)
            if parameters is None or definer in ("edef", "xdef"):
                # Delimited parameters: the body is the next group.
                opening = text.find("{", position, position + 200)
                return self._refuse(
                    name, position if opening < 0 else closing_brace(text, opening) or position
                )
            arguments, position = len(parameters[1]) // 2, parameters.end()
        elif definer != "DeclareMathOperator" and (count := COUNT.match(text, position)) is not None:
            arguments, position = int(count[1]), count.end()
            opening = after_space(text, position)
            if text.startswith("[", opening):
                end = closing_bracket(text, opening)
                if end is None:
                    return self._refuse(name, position)
                default, position = text[opening + 1 : end - 1], end
        opening = after_space(text, position)
        if text.startswith("{", opening):
            end = closing_brace(text, opening)
            if end is None:
                return self._refuse(name, position)
            body = text[opening + 1 : end - 1]
        elif definer != "def" and (token := ONE_TOKEN.match(text, opening)):
            body, end = token[0], token.end()
        else:
            return self._refuse(name, position)
        if definer == "DeclareMathOperator":
            return self._learn(name, Macro(f"\\operatorname{'*' if starred else ''}{{{body}}}"), end)
        body = body.strip("\n") if arguments == 0 else body
        spaced = body.endswith("\\xspace")
        if spaced:
            body = body.removesuffix("\\xspace").rstrip()
        highest = max((int(n) for n in PARAMETER.findall(body)), default=0)
        # A body that calls its own name can only be a loop, or lean on a meaning that the text does not show.
        calls_itself = re.search(rf"\\{re.escape(name)}(?![A-Za-z])", body) is not None
        if NOT_EXPANDABLE.search(body) or calls_itself or highest > arguments or name in STRUCTURE:
            return self._refuse(name, end)
        if definer == "providecommand" and name in self.macros:
            return True, end
        return self._learn(name, Macro(body, arguments, default, spaced=spaced), end)

    def _learn(self, name: str, macro: Macro, end: int) -> tuple[bool, int]:
        if not name.isascii() or not name.isalpha() or name in STRUCTURE:  # one-sign names and internals
            return False, end
        self.macros[name] = macro
        self.refused.discard(name)
        return True, end

    def _refuse(self, name: str, end: int) -> tuple[bool, int]:
        if name.isalpha() and name not in STRUCTURE:
            self.macros.pop(name, None)
            self.refused.add(name)
        return False, end


class _Expansion:
    """One walk over a text: a stack of unread pieces, the written pieces, and what may still be spent."""

    def __init__(self, expander: MacroExpander, text: str) -> None:
        budget = expander.budget
        self.expander = expander
        self.budget = budget
        self.stack = [_Frame(text)]
        self.output: list[str] = []
        self.active: Counter[str] = Counter()
        self.exploding: set[str] = set()
        self.steps_left = max(budget.min_total_steps, int(len(text) * budget.max_steps_per_character))
        self.characters_left = budget.max_growth * len(text) + budget.max_characters_per_call
        self.call_steps = self.call_characters = self.call_expanded = self.call_left = 0
        # The call in the text itself that is being worked on: its name, its end there, the output before it.
        self.call = ("", 0, 0)

    def run(self) -> str:
        expander = self.expander
        unclosed: set[str] = set()
        while True:
            frame = self.stack[-1]
            match = TOKEN.search(frame.text, frame.position)
            if match is None:
                self._write(frame.text[frame.position :])
                if len(self.stack) == 1:
                    return "".join(self.output)
                self._pop()
                continue
            name = match["name"]
            if name in expander.macros or name in expander.refused:
                self._write(frame.text[frame.position : match.start()])
                frame.position = match.end()
                self._call(name)
            elif name in DEFINERS and len(self.stack) == 1:
                understood, end = expander._define(frame.text, name, match.end())
                self.characters_left -= end - match.end()
                self._write(
                    frame.text[frame.position : match.start() if understood else max(end, match.end())]
                )
                frame.position = max(end, match.end())
            else:
                shared = unclosed if len(self.stack) == 1 else set()
                end = after_verbatim(frame.text, match, shared)
                self._write(frame.text[frame.position : end])
                frame.position = end

    def _call(self, name: str) -> None:
        macro = self.expander.macros.get(name)
        top = len(self.stack) == 1
        if (
            macro is None
            or name in self.exploding
            or self.steps_left <= 0
            or self.characters_left <= 0
            or len(self.stack) > self.budget.max_nested_calls
            or self.active[name] >= self.budget.max_nested_calls_of_one_macro
        ):
            self._leave(name)
            return
        if top:
            self.call = (name, self.stack[0].position, len(self.output))
            self.call_steps = self.budget.max_steps_per_call
            self.call_characters = self.budget.max_characters_per_call
            self.call_expanded = self.call_left = 0
        arguments = self._arguments(macro)
        if arguments is None:
            self._leave(name)
            return
        length = len(macro.body) + sum(len(a) for a in arguments)
        if top:
            self.call_characters += 4 * length
        repeats = Counter(int(n) for n in PARAMETER.findall(macro.body)) if arguments else Counter[int]()
        length = len(macro.body) + sum(repeats[i] * len(a) for i, a in enumerate(arguments, 1))
        self.steps_left -= 1
        self.call_steps -= 1
        self.characters_left -= length
        self.call_characters -= length
        if self.call_steps < 0 or self.call_characters < 0 or self.characters_left < 0:
            self._roll_back()
            return
        self.expander.expanded += 1
        self.call_expanded += 1
        self._push(name, macro, substitute(macro.body, arguments) if arguments else macro.body)

    def _push(self, name: str, macro: Macro, body: str) -> None:
        before = last_word(self.output[-1]) if self.output else None
        if before in TAKES_TOKEN and not SINGLE_TOKEN.fullmatch(body):
            body = "{" + body + "}"
        frame = self.stack[-1]
        if macro.arguments == 0 and frame.text.startswith("{}", frame.position):
            frame.position += 2  # the usual way to end a call
        elif macro.spaced and frame.text.startswith("\\ ", frame.position):
            frame.position += 1
        if macro.final:
            self._write(body)
            return
        self.active[name] += 1
        self.stack.append(_Frame(body, 0, name))

    def _pop(self) -> None:
        self.active[self.stack.pop().name] -= 1

    def _leave(self, name: str) -> None:
        self.expander.left += 1
        self.call_left += 1
        self._write("\\" + name)

    def _roll_back(self) -> None:
        """Put the call in the text back as written; its arguments are then read as ordinary text."""
        name, position, written = self.call
        while len(self.stack) > 1:
            self._pop()
        self.stack[0].position = position
        del self.output[written:]
        self.exploding.add(name)
        self.expander.expanded -= self.call_expanded
        self.expander.left -= self.call_left
        self.call_expanded = self.call_left = 0
        self._leave(name)

    def _write(self, piece: str) -> None:
        if not piece:
            return
        output = self.output
        if output and piece[0].isalpha() and last_word(output[-1]):
            output.append(" ")  # a control word ends where the next letter does not belong to it
        output.append(piece)

    def _arguments(self, macro: Macro) -> list[str] | None:
        """The arguments after the call, or None when they are not there (the position is then where it
        was).
        """
        if macro.arguments == 0:
            return []
        while len(self.stack) > 1 and not self.stack[-1].text[self.stack[-1].position :].strip():
            self._pop()  # the arguments of a call at the end of a body stand after the outer call
        frame = self.stack[-1]
        start = position = frame.position
        found: list[str] = []
        if macro.default is not None:
            opening = after_space(frame.text, position)
            if frame.text.startswith("[", opening):
                end = closing_bracket(frame.text, opening)
                self.characters_left -= (end or len(frame.text)) - opening
                if end is None:
                    return None
                found.append(frame.text[opening + 1 : end - 1])
                position = end
            else:
                found.append(macro.default)
        while len(found) < macro.arguments:
            position = after_space(frame.text, position)
            if frame.text.startswith("{", position):
                end = closing_brace(frame.text, position)
                self.characters_left -= (end or len(frame.text)) - position
                if end is None:
                    return None
                found.append(frame.text[position + 1 : end - 1])
            else:
                token = ONE_TOKEN.match(frame.text, position)
                if token is None:
                    frame.position = start
                    return None
                end = token.end()
                found.append(token[0])
            position = end
        frame.position = position
        return found


def substitute(body: str, arguments: list[str]) -> str:
    """The body with `#1`... replaced; a space keeps a control word and a following letter apart."""
    pieces: list[str] = []
    for index, piece in enumerate(PARAMETER.split(body)):
        text = arguments[int(piece) - 1] if index % 2 else piece
        if text and text[0].isalpha() and pieces and last_word(pieces[-1]):
            pieces.append(" ")
        if text:
            pieces.append(text)
    return "".join(pieces)


def last_word(text: str) -> str | None:
    """The control word that a text ends in, which a following letter would lengthen."""
    match = ENDS_IN_WORD.search(text[-64:])  # no control word is longer
    return match[1] if match else None
