"""Commands of TeX, LaTeX and its packages that an expansion carries out, since the text decides their outcome."""

from __future__ import annotations

import re
from typing import Protocol

from stages.latex_calls import Frame, Opened, drop_empty, next_token
from stages.latex_conditionals import PRIMITIVES, decide, decide_argument, decide_test, find_branch, groups
from stages.latex_definitions import Macro
from stages.latex_output import Output

# Commands that take the next tokens as their arguments, and how many: a longer body put there needs braces.
_TAKES_ONE = """
mathbf mathrm mathcal mathbb mathfrak mathscr mathsf mathit mathtt boldsymbol bm hat bar tilde vec dot ddot sqrt
overline underline widehat widetilde check breve text textbf textit textrm textsc texttt emph mathring overrightarrow
"""
_TAKES_TWO = "frac dfrac tfrac binom overset underset stackrel"
TAKES_TOKENS = dict.fromkeys(_TAKES_ONE.split(), 1) | dict.fromkeys(_TAKES_TWO.split(), 2)

ARGUMENT_TESTS = frozenset(
    test + suffix for test in ("IfNoValue", "IfValue", "IfBoolean", "IfBlank") for suffix in ("TF", "T", "F")
)
_SETTERS = "newboolean provideboolean setboolean newtoggle providetoggle toggletrue togglefalse settoggle"
SETTERS = frozenset(_SETTERS.split())
NEXT_TESTS = frozenset(["@ifnextchar", "kernel@ifnextchar", "@ifstar"])
CHOICES = {"@firstoftwo": (2, 0), "@secondoftwo": (2, 1), "@firstofone": (1, 0), "@gobble": (1, -1)}
_OTHERS = "ifthenelse ifblank ifstrempty ifstrequal iftoggle mathchoice xspace @ifundefined @empty"
BUILT_IN = ARGUMENT_TESTS | SETTERS | NEXT_TESTS | CHOICES.keys() | frozenset(_OTHERS.split())

WORD_END = re.compile(r"[ \t]*\n?")  # what TeX skips behind a control word
NEXT_ARGUMENT = re.compile(r"\s*+(\\[A-Za-z@]+|\\.|[^\s\\{}])")
SETTING = re.compile(r"\s*\{\s*([\w@]+)\s*\}(?:\s*\{\s*(true|false)\s*\})?")
_DISPLAYED = r"\{(?:equation|align|eqnarray|gather|multline|displaymath|math)\*?\}"
FORMULA_EDGE = re.compile(rf"\\\\|\\(?P<open>[(\[]|begin{_DISPLAYED})|\\(?P<close>[)\]]|end{_DISPLAYED})")
MAX_FORMULA_CHARACTERS = 4_000  # ours: how far back a formula may have begun


class Names(Protocol):
    """What the names of the paper mean (`latex_meanings`)."""

    macros: dict[str, Macro]
    flags: dict[str, bool]

    def add_flag(self, name: str) -> None: ...


class Walk(Protocol):
    """What a built-in command needs of the expansion that it is met in (`latex_macros`)."""

    stack: list[Frame]
    output: Output
    conditions: Opened[bool]
    characters_left: int

    @property
    def meanings(self) -> Names: ...
    def pop(self) -> None: ...
    def push(self, frame: Frame) -> None: ...


class BuiltIns:
    """The built-in commands of one expansion."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk

    def meet(self, frame: Frame, name: str) -> bool:
        """Carry out `\\name`, which was just read and not written; False when that needs TeX's run time."""
        if name in PRIMITIVES or (name.startswith("if") and name[2:] in self.walk.meanings.flags):
            return self._condition(frame, name)
        if name in ("else", "fi"):
            return self._branch_end(frame, name)
        if name in NEXT_TESTS:
            return self._test_next(frame, name)
        if name in SETTERS or name.removesuffix("true").removesuffix("false") in self.walk.meanings.flags:
            return self._set(frame, name)
        if name in CHOICES:
            count, chosen = CHOICES[name]
            return self._choose(frame, count, chosen)
        if name == "mathchoice":
            return frame.inside and self._choose(frame, 4, 0)
        if name in ("xspace", "@empty"):
            self.walk.output.vanished = True
            return frame.inside
        return self._test(frame, name)

    def _condition(self, frame: Frame, name: str) -> bool:
        walk = self.walk
        if name == "ifmmode":
            decided: tuple[bool, int] | None = (self._in_formula(), frame.position)
        else:
            decided = decide(name, frame.text, frame.position, walk.meanings.macros, walk.meanings.flags)
        if decided is None:
            walk.conditions = (False, walk.conditions)
            return False
        outcome, behind = decided
        before = frame.position
        frame.scan = behind
        if outcome:
            self._go_on(frame, behind)
            walk.conditions = (True, walk.conditions)
            return True
        found = self._skip(stop_at_else=True)
        if found is None:
            frame.position = frame.scan = before
            return False
        if found:
            walk.conditions = (True, walk.conditions)
        return True

    def _branch_end(self, frame: Frame, name: str) -> bool:
        """`\\else` or `\\fi`: left out when its conditional was decided here."""
        walk = self.walk
        chosen, around = walk.conditions or (False, None)
        if name == "fi":
            walk.conditions = around
            if chosen:
                self._go_on(frame, frame.position)
            return chosen
        if chosen and self._skip(stop_at_else=False) is not None:
            walk.conditions = around
            return True
        return False

    def _skip(self, stop_at_else: bool) -> bool | None:
        """Go behind the `\\else` (True) or `\\fi` (False) of the conditional that is open; None when there is none."""
        walk = self.walk
        if walk.characters_left <= 0:
            return None
        depth = 0
        for level in range(len(walk.stack) - 1, -1, -1):
            frame = walk.stack[level]
            branch = find_branch(frame.text, frame.scan, walk.meanings.flags, depth, stop_at_else)
            looked = (branch.end if branch.start >= 0 else len(frame.text)) - frame.scan
            walk.characters_left -= 2 * looked  # each command is looked at
            if branch.start >= 0:
                while len(walk.stack) > level + 1:
                    walk.pop()
                self._go_on(frame, branch.end)
                return branch.is_else
            depth = branch.depth
        return None

    def _go_on(self, frame: Frame, position: int) -> None:
        match = WORD_END.match(frame.text, position)
        assert match is not None  # the pattern matches the empty string
        frame.position = frame.scan = match.end()
        if frame.text[position : match.end()].strip(" \t"):
            # The line end went with the control word; a line that goes on is joined to what is before, as in TeX.
            self.walk.output.vanished = False
        else:
            self.walk.output.vanished = True

    def _test_next(self, frame: Frame, name: str) -> bool:
        """`\\@ifnextchar X{yes}{no}` and `\\@ifstar{yes}{no}`."""
        position, wanted = frame.position, "*"
        if name != "@ifstar":
            match = NEXT_ARGUMENT.match(frame.text, position)
            if match is None:
                return False
            position, wanted = match.end(), "{" if match[1] == "\\bgroup" else match[1]
        found = self._groups(frame, position, 2)
        if found is None:
            return False
        branches, behind = found
        level, token = next_token(self.walk.stack, behind)
        frame.position = frame.scan = behind
        if token == wanted and name == "@ifstar":
            drop_empty(self.walk.stack, self.walk.pop)
            star = self.walk.stack[level]
            star.position = star.scan = star.text.index("*", star.position) + 1
        self._read(frame, branches[0 if token == wanted else 1])
        return True

    def _set(self, frame: Frame, name: str) -> bool:
        """`\\draftfalse`, `\\setboolean{draft}{true}`, `\\toggletrue{draft}`."""
        flags = self.walk.meanings.flags
        if name not in SETTERS:
            flag = name.removesuffix("true") if name.endswith("true") else name.removesuffix("false")
            flags[flag] = name.endswith("true")
            self._go_on(frame, frame.position)
            return True
        match = SETTING.match(frame.text, frame.position)
        if match is None:
            return False
        toggle = "toggle" in name
        if name.startswith(("new", "provide")):
            if toggle:
                flags["toggle:" + match[1]] = False
            else:
                self.walk.meanings.add_flag(match[1])
            end = frame.text.index("}", frame.position) + 1
        elif name in ("toggletrue", "togglefalse"):
            flags["toggle:" + match[1]] = name == "toggletrue"
            end = frame.text.index("}", frame.position) + 1
        elif match[2] is None:
            return False
        else:
            flags[("toggle:" if toggle else "") + match[1]] = match[2] == "true"
            end = match.end()
        frame.position = frame.scan = end
        self.walk.output.vanished = True
        return True

    def _test(self, frame: Frame, name: str) -> bool:
        """Commands with what is tested, and both branches, in braces."""
        tests = 2 if name == "ifstrequal" else 1
        suffix = name[len(name.rstrip("TF")) :] if name in ARGUMENT_TESTS else "TF"
        found = self._groups(frame, frame.position, tests + len(suffix))
        if found is None:
            return False
        texts, behind = found
        outcome = self._outcome(name, texts)
        if outcome is None:
            return False
        frame.position = frame.scan = behind
        branches = texts[tests:]
        wanted = "T" if outcome else "F"
        self._read(frame, branches[suffix.index(wanted)] if wanted in suffix else "")
        return True

    def _outcome(self, name: str, texts: list[str]) -> bool | None:
        if name in ARGUMENT_TESTS:
            return decide_argument(name, texts[0])
        if name == "ifthenelse":
            return decide_test(texts[0], self.walk.meanings.flags)
        if name == "iftoggle":
            return self.walk.meanings.flags.get("toggle:" + texts[0].strip())
        if name == "ifstrequal":
            return texts[0].strip() == texts[1].strip()
        if name == "@ifundefined":
            return False if texts[0] in self.walk.meanings.macros else None
        return not texts[0].strip() if name == "ifblank" else not texts[0]

    def _groups(self, frame: Frame, position: int, count: int) -> tuple[list[str], int] | None:
        """The next groups; what was looked through for their ends is paid for."""
        if self.walk.characters_left <= 0:
            return None
        found = groups(frame.text, position, count)
        self.walk.characters_left -= (len(frame.text) if found is None else found[1]) - position
        return found

    def _choose(self, frame: Frame, count: int, chosen: int) -> bool:
        found = self._groups(frame, frame.position, count)
        if found is None:
            return False
        frame.position = frame.scan = found[1]
        self._read(frame, found[0][chosen] if chosen >= 0 else "")
        return True

    def _read(self, frame: Frame, text: str) -> None:
        """Read `text` next, in place of the command that was met in `frame`."""
        self.walk.output.vanished = self.walk.output.vanished or not text
        self.walk.push(Frame(text, "", frame.call, frame.inside))

    def _in_formula(self) -> bool:
        """Whether what is written next stands in a formula, as far as the paragraph that is open shows."""
        tail = self.walk.output.last_paragraph(MAX_FORMULA_CHARACTERS)
        self.walk.characters_left -= len(tail) // 4
        if (tail.count("$") - tail.count("\\$") - tail.count("$$")) % 2:
            return True
        inside = False
        for edge in FORMULA_EDGE.finditer(tail):
            if edge["open"] or edge["close"]:
                inside = edge["open"] is not None
        return inside
