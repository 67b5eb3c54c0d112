"""What the control words of a paper mean at a place of it, and what they meant before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stages.latex_built_ins import BUILT_IN, TAKES_TOKENS
from stages.latex_conditionals import PRIMITIVES
from stages.latex_definitions import DEFINERS, KEPT_SYMBOLS, STRUCTURE, Definition, Macro

# Control words that mean something before the paper defines any.
WATCHED = DEFINERS | BUILT_IN | PRIMITIVES | TAKES_TOKENS.keys() | {"else", "fi"}

Meaning = tuple[str, Macro | None, bool]  # a name, its macro, and whether its calls have to stay


@dataclass(slots=True)
class Meanings:
    """Macros and environments by name, names whose definition was not understood, and flags."""

    macros: dict[str, Macro] = field(default_factory=dict)
    environments: dict[str, tuple[Macro, Macro]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    flags: dict[str, bool] = field(default_factory=dict)  # of `\\newif`, and `toggle:name` of etoolbox
    watched: set[str] = field(default_factory=lambda: set(WATCHED))  # control words that mean anything

    def learn(self, definition: Definition, remember: Callable[[Meaning], None]) -> bool:
        """Take a definition in; whether it was understood. `remember` gets what its name meant before."""
        if definition.condition:
            self.add_flag(definition.condition)
            return True
        if definition.environment:
            (name, begin), (_, end) = definition.macros
            if begin is None or end is None:
                self.environments.pop(name, None)
                return False
            self.environments[name] = (begin, end)
            self.watched |= {"begin", "end"}
            return True
        [(name, macro)] = definition.macros
        if name in STRUCTURE or name in KEPT_SYMBOLS or not name.isascii() or name == definition.alias:
            return False
        if definition.only_if_unknown and name in self.macros:
            return True
        if definition.alias in self.refused:
            macro = None
        elif definition.alias in self.macros:
            macro = self.macros[definition.alias]
        remember((name, self.macros.get(name), name in self.refused))
        self._set((name, macro, macro is None))
        self.watched.add(name)
        return macro is not None

    def add_flag(self, name: str) -> None:
        """A new conditional of `\\newif`, which is false at first."""
        self.flags[name] = False
        self.watched |= {"if" + name, name + "true", name + "false"}

    def bring_back(self, meanings: list[Meaning], mark: int) -> None:
        """Give names their meanings from `mark` on back, the last first, and forget these."""
        for meaning in reversed(meanings[mark:]):
            self._set(meaning)
        del meanings[mark:]

    def _set(self, meaning: Meaning) -> None:
        name, macro, refused = meaning
        if macro is None:
            self.macros.pop(name, None)
        else:
            self.macros[name] = macro
        if refused:
            self.refused.add(name)
        else:
            self.refused.discard(name)
