"""SPDX licence expressions: does one let a file be used under the licences that are wanted?

In: an expression such as `(MIT OR GPL-2.0-only) AND BSD-3-Clause`, as packages and headers write it. Out:
whether it can be met with a set of licences. Grammar: SPDX specification 2.3, annex D; `MIT/Apache-2.0`, the
older form of Rust's packages, is read as OR. An exception (`WITH ...`) only adds to what a licence allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection

MAX_TOKENS = 64  # ours: longer ones are not read, and so are not permissive

_TOKEN = re.compile(r"[()/]|[^\s()/]+")
_OPERATORS = frozenset({"and", "or", "with", "(", ")", "/"})


def is_met(expression: str, licenses: Collection[str]) -> bool:
    """Whether an SPDX expression can be met with `licenses` alone; False for one that cannot be read."""
    tokens = [match[0] for match, _ in zip(_TOKEN.finditer(expression), range(MAX_TOKENS + 1), strict=False)]
    if not tokens or len(tokens) > MAX_TOKENS:
        return False
    parser = _Parser(tokens, frozenset(name.lower() for name in licenses))
    found = parser.alternatives()
    return found and not parser.failed and parser.position == len(tokens)


class _Parser:
    """Recursive descent; the number of tokens bounds its depth."""

    def __init__(self, tokens: list[str], licenses: frozenset[str]) -> None:
        self._tokens, self._licenses = tokens, licenses
        self.position = 0
        self.failed = False

    def alternatives(self) -> bool:
        met = self._conjunction()
        while self._take("or") or self._take("/"):
            met = self._conjunction() or met
        return met

    def _conjunction(self) -> bool:
        met = self._license()
        while self._take("and"):
            met = self._license() and met
        return met

    def _license(self) -> bool:
        if self._take("("):
            met = self.alternatives()
            self.failed = self.failed or not self._take(")")
            return met
        name = self._name()
        if self._take("with"):
            self._name()
        return name.lower().removesuffix("+") in self._licenses

    def _name(self) -> str:
        at = self.position
        if at >= len(self._tokens) or self._tokens[at].lower() in _OPERATORS:
            self.failed = True
            return ""
        self.position += 1
        return self._tokens[at]

    def _take(self, operator: str) -> bool:
        if self.position < len(self._tokens) and self._tokens[self.position].lower() == operator:
            self.position += 1
            return True
        return False
