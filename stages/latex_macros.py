"""Expansion of an author's own LaTeX macros in place, as LLaMA and Minerva did to make papers alike.

In: LaTeX text without comments. Out: the text with each call of a macro that the text itself defines replaced by its
body, the definition gone, and conditionals that the text decides cut to the branch that counts. A definition counts
from where it stands to the end of its group, as in TeX. What depends on TeX's run stays as written, and so does a
call that goes over the budget; the rest of the paper is still expanded.

Source of the step: Touvron et al. 2023, section 2.1 (arXiv); the rules are TeX's own (The TeXbook, chapter 20), with
three exceptions. A blank behind a call stays, since an author's missing `\\ ` would run two words together. In the
preamble groups do not end a definition, since braces there are mostly arguments of hooks. Of `\\mathchoice` the first
alternative, that of a displayed formula, is taken.

Expansion runs on a stack of unread texts. Budgets are in calls, characters and depth, never in time, so the same text
gives the same result anywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from stages.latex_built_ins import TAKES_TOKENS, BuiltIns
from stages.latex_calls import Call, Frame, Opened, braced_arguments, read_arguments, substituted
from stages.latex_conditionals import opens
from stages.latex_definitions import DEFINERS, Macro, read_definition
from stages.latex_meanings import Meaning, Meanings
from stages.latex_output import Output
from stages.latex_syntax import VERBATIM, Groups, after_space, after_verbatim

TOKEN = re.compile(VERBATIM + r"|\\(?P<name>[A-Za-z@]+|[^A-Za-z@])", re.DOTALL)
ENVIRONMENT = re.compile(r"[ \t]*\{([^{}\\\s]+)\}")


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of an expansion, all ours: the densest of the 34 sample papers needs a third of each."""

    max_nested_calls: int = 64
    max_nested_calls_of_one_macro: int = 32
    max_steps_per_call: int = 1_000  # and one for each four characters of its arguments
    max_characters_per_call: int = 65_536  # beyond four times the text of its arguments
    min_total_steps: int = 20_000
    max_steps_per_character: float = 0.1
    max_growth: int = 4  # characters written or read again, per character of the text
    max_group_search: int = 2  # characters looked through for the ends of groups, per character of the text
    max_definitions: int = 5_000


@dataclass(slots=True)
class MacroExpander:
    """The macros of one paper, in the order in which they are defined; `expanded` and `left` count calls."""

    budget: Budget = field(default_factory=Budget)
    meanings: Meanings = field(default_factory=Meanings)
    definitions_left: int = -1
    expanded: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        self.definitions_left = self.budget.max_definitions

    def collect(self, text: str) -> str:
        """Learn the definitions of a preamble, and return it expanded; its calls are not counted."""
        expanded = _Expansion(self, text, scoped=False).run()
        self.expanded = self.left = 0
        return expanded

    def expand(self, text: str) -> str:
        """The text with known macros expanded and understood definitions taken out."""
        return _Expansion(self, text, scoped=True).run()


class _Expansion:
    """One walk over a text: a stack of unread pieces, the written pieces, and what may still be spent."""

    def __init__(self, expander: MacroExpander, text: str, scoped: bool) -> None:
        budget = expander.budget
        self.expander = expander
        self.meanings = expander.meanings
        self.budget = budget
        self.scoped = scoped
        self.groups: Groups | None = None  # of the text itself
        self.stack = [Frame(text)]
        self.output = Output()
        self.active: Counter[str] = Counter()
        self.exploding: set[str] = set()
        self.outermost: Call | None = None  # the call in the text itself that was begun last
        self.saved: list[Meaning] = []  # meanings to come back at the ends of groups
        self.learned: list[Meaning] = []  # meanings before each definition in the call that is worked on
        self.conditions: Opened[bool] = None  # open conditionals: whether their branch was chosen here
        self.open_environments: Opened[str] = None
        self.built_ins = BuiltIns(self)
        self.steps_left = max(budget.min_total_steps, int(len(text) * budget.max_steps_per_character))
        self.characters_left = budget.max_growth * len(text) + budget.max_characters_per_call
        self.group_characters_left = budget.max_group_search * len(text)
        self.call_steps = self.call_characters = 0.0
        self.stopped = False

    def run(self) -> str:
        watched = self.meanings.watched
        unclosed: set[str] = set()
        while not self.stopped:
            frame = self.stack[-1]
            match = TOKEN.search(frame.text, frame.scan, frame.limit)
            if match is None:
                if self._at_end(frame):
                    break
                continue
            if match.lastgroup != "name":
                frame.scan = after_verbatim(frame.text, match, set() if frame.inside else unclosed)
                continue
            name, start = match["name"], match.start()
            frame.scan = match.end()
            if name in watched:
                self._meet(frame, name, start)
            elif "@" in name and name.strip("@"):
                self._meet_internal(frame, name, start)
        for frame in reversed(
            self.stack
        ):  # over the budget of definitions: what was not read stays as written
            self.output.write(frame.text[frame.position :])
        return "".join(self.output.pieces)

    def _at_end(self, frame: Frame) -> bool:
        """At the end of a group or of a text; True when it is the end of all."""
        limit = frame.limit
        self.output.write(frame.text[frame.position : limit])
        frame.position = frame.scan = max(limit, frame.position)
        if frame.scopes:
            self._close_scope(frame)
            return False
        if len(self.stack) == 1:
            return True
        self.pop()
        return False

    def _meet(self, frame: Frame, name: str, start: int) -> None:
        """A control word that means something here; `frame.scan` is behind it, `start` before it."""
        expander = self.expander
        macro = self.meanings.macros.get(name)
        if macro is not None:
            self._write_until(frame, start)
            self._call(macro, name, "\\" + name)
        elif name in self.meanings.refused:
            if "@" not in name or not self.give_up(frame):
                expander.left += 1
        elif name in DEFINERS:
            self._define(frame, name, start)
        elif name in ("begin", "end"):
            self._environment(frame, name, start)
        elif name in TAKES_TOKENS:
            braced = braced_arguments(frame, TAKES_TOKENS[name], self.meanings.macros)
            if braced is not None:
                self._write_until(frame, frame.scan)
                frame.position = frame.scan = braced[1]
                self.push(Frame(braced[0], "", frame.call, frame.inside))
        else:
            self._write_until(frame, start)
            if not self.built_ins.meet(frame, name) and not self.give_up(frame):
                self.output.write("\\" + name)

    def _meet_internal(self, frame: Frame, name: str, start: int) -> None:
        """A name with `@` that nobody defined: in a body an internal of TeX, in the text a word and an `@`."""
        if self.give_up(frame):
            return
        if opens(name, self.meanings.flags):
            self.conditions = (False, self.conditions)
            return
        word = name.partition("@")[0]
        frame.scan = start + 1 + len(word)
        if word in self.meanings.watched:
            self._meet(frame, word, start)

    def _environment(self, frame: Frame, name: str, start: int) -> None:
        match = ENVIRONMENT.match(frame.text, frame.scan)
        if match is None or match[1] not in self.meanings.environments:
            return
        begin, end = self.meanings.environments[match[1]]
        if name == "end" and (self.open_environments is None or self.open_environments[0] != match[1]):
            return
        frame.scan = match.end()
        self._write_until(frame, start)
        called = self._call(begin if name == "begin" else end, match[1], f"\\{name}{{{match[1]}}}")
        if name == "end":
            if called and self.open_environments is not None:
                self.open_environments = self.open_environments[1]
        elif called:
            self.open_environments = (match[1], self.open_environments)

    # Definitions

    def _define(self, frame: Frame, name: str, start: int) -> None:
        expander = self.expander
        definition = read_definition(frame.text, name, frame.scan)
        if definition is None:
            return
        self.stopped = expander.definitions_left <= 0 or self.characters_left <= 0
        if self.stopped:
            return
        expander.definitions_left -= 1
        unclosed = frame.text.startswith(
            "{", after_space(frame.text, definition.end)
        )  # looked for to the end
        self.characters_left -= (len(frame.text) if unclosed else definition.end) - frame.scan
        understood = self.meanings.learn(
            definition, lambda before: self._save(frame, before, definition.everywhere)
        )
        # What was not understood stays in the text, so that its calls, which stay too, have a meaning.
        self.output.write(frame.text[frame.position : start if understood else definition.end])
        frame.position = frame.scan = definition.end
        self.output.vanished = self.output.vanished or understood

    def _save(self, frame: Frame, meaning: Meaning, everywhere: bool) -> None:
        """Remember what a name meant, for the end of the group that its new meaning ends with."""
        if frame.inside:
            self.learned.append(meaning)
        if everywhere or not self.scoped:
            return
        for around in reversed(self.stack):
            if self.group_characters_left <= 0:  # from here on definitions last to the end of the paper
                return
            if around is self.stack[0]:
                groups = self.groups = self.groups or Groups(around.text)
            else:
                self.group_characters_left -= around.scan
                groups = Groups(around.text)
            end, characters = groups.enclosing_end(around.scan)
            self.group_characters_left -= characters
            if end is not None:
                if not around.scopes or around.limit != end:
                    around.scopes = (*around.scopes, (end, len(self.saved)))
                self.saved.append(meaning)
                return

    def _close_scope(self, frame: Frame) -> None:
        (_, mark), frame.scopes = frame.scopes[-1], frame.scopes[:-1]
        self.meanings.bring_back(self.saved, mark)

    # Calls

    def _call(self, macro: Macro, name: str, written_as: str) -> bool:
        """A call whose name was just read and is not written; whether it is now being expanded."""
        expander, frame = self.expander, self.stack[-1]
        if name in self.exploding or self.steps_left <= 0 or self.characters_left <= 0:
            self._leave(written_as)
            return False
        top = not frame.inside
        if top:
            self.learned.clear()
        call = self._state(name, written_as)
        if top:
            self.outermost = call
        deep = len(self.stack) > self.budget.max_nested_calls
        if deep or self.active[name] >= self.budget.max_nested_calls_of_one_macro:
            self._over_budget()
            return False
        arguments = read_arguments(self.stack, macro, self.pop)
        self.characters_left -= arguments.characters
        if arguments.found is None:
            self._go_back((frame.call or call) if "@" in name else call)
            return False
        if top:
            given = sum(map(len, arguments.found))
            self.call_steps = self.budget.max_steps_per_call + given / 4
            self.call_characters = self.budget.max_characters_per_call + 4.0 * given
        body = substituted(macro, arguments.found)
        self.steps_left -= 1
        self.call_steps -= 1
        self.characters_left -= len(body)
        self.call_characters -= len(body)
        if self.call_steps < 0 or self.call_characters < 0 or self.characters_left < 0:
            self._over_budget()
            return False
        expander.expanded += 1
        behind = self.stack[-1]
        if macro.arguments == 0 and behind.text.startswith("{}", behind.position):
            behind.position += 2  # the usual way to end a call
        elif macro.spaced and behind.text.startswith("\\ ", behind.position):
            behind.position += 1
        behind.scan = behind.position
        self.output.vanished = self.output.vanished or not body or body.isspace()
        if macro.final:
            self.output.write(body)
            return True
        self.active[name] += 1
        self.push(Frame(body, name, call if top or "@" not in name else frame.call, True))
        return True

    def _state(self, name: str, written_as: str) -> Call:
        return Call(
            name,
            written_as,
            [(frame, frame.position, frame.scopes) for frame in self.stack],
            len(self.output.pieces),
            len(self.saved),
            len(self.learned),
            self.expander.expanded,
            self.expander.left,
            self.conditions,
            self.open_environments,
        )

    def push(self, frame: Frame) -> None:
        self.stack.append(frame)

    def pop(self) -> None:
        frame = self.stack.pop()
        while frame.scopes:
            self._close_scope(frame)
        if frame.name:
            self.active[frame.name] -= 1

    def _leave(self, written_as: str) -> None:
        self.expander.left += 1
        self.output.write(written_as)

    def give_up(self, frame: Frame) -> bool:
        """What `frame` is part of needs TeX's run time: the call by a public name that it comes from stays as written.

        False when it comes from no call.
        """
        if frame.call is None:
            return False
        self._go_back(frame.call)
        return True

    def _over_budget(self) -> None:
        """The call in the text itself stays, and so does every later call of its macro."""
        assert self.outermost is not None  # set by every call that is not inside another one
        self.exploding.add(self.outermost.name)
        self._go_back(self.outermost)

    def _go_back(self, call: Call) -> None:
        """Put a call back as written; its arguments are then read as ordinary text."""
        self.stack[:] = [frame for frame, _, _ in call.frames]
        for frame, position, scopes in call.frames:
            frame.position = frame.scan = position
            frame.scopes = scopes
        self.active = Counter(frame.name for frame in self.stack if frame.name)
        self.output.take_back(call.written)
        self.meanings.bring_back(self.learned, call.learned)
        del self.saved[call.saved :]
        self.expander.expanded, self.expander.left = call.expanded, call.left
        self.conditions, self.open_environments = call.conditions, call.open_environments
        self._leave(call.written_as)

    # Output

    def _write_until(self, frame: Frame, end: int) -> None:
        """Write the frame's text up to `end`; what lies between there and `scan` is taken."""
        self.output.write(frame.text[frame.position : end])
        frame.position = frame.scan
