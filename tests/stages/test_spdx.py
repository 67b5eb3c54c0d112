"""SPDX expressions against a set of licences."""

from __future__ import annotations

import random

import pytest

from stages.spdx import MAX_TOKENS, is_met

WANTED = ("MIT", "Apache-2.0")


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0+", True),
        ("GPL-2.0-only", False),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-2.0-only AND MIT", False),
        ("MIT AND Apache-2.0", True),
        ("MIT/Apache-2.0", True),
        ("GPL-2.0/MIT", True),
        ("MIT AND (GPL-3.0 OR Apache-2.0)", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0", False),
        ("MIT OR GPL-3.0 AND LGPL-3.0", True),
        ("GPL-3.0 OR MIT AND LGPL-3.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0 WITH Classpath-exception-2.0", False),
        ("", False),
        ("MIT OR", False),
        ("MIT Apache-2.0", False),
        ("(MIT", False),
        ("MIT)", False),
        ("OR", False),
        ("MIT WITH", False),
        ("LicenseRef-MIT", False),
    ],
)
def test_reads_expressions(expression: str, met: bool) -> None:
    assert is_met(expression, WANTED) == met


def test_long_and_deep_expressions_are_not_permissive() -> None:
    assert is_met(" OR ".join(["MIT"] * (MAX_TOKENS // 2)), WANTED)
    assert not is_met(" OR ".join(["MIT"] * (MAX_TOKENS // 2 + 1)), WANTED)
    assert not is_met("(" * 10_000_000 + "MIT", WANTED)


def test_agrees_with_python_on_random_expressions() -> None:
    source = random.Random(7)

    def made(depth: int) -> tuple[str, str]:
        if depth == 0 or source.random() < 0.3:
            name = source.choice(["MIT", "GPL-3.0"])
            return name, str(name == "MIT")
        left, right = made(depth - 1), made(depth - 1)
        word = source.choice(["AND", "OR"])
        return f"({left[0]} {word} {right[0]})", f"({left[1]} {word.lower()} {right[1]})"

    for _ in range(300):
        expression, python = made(3)
        assert is_met(expression, WANTED) == eval(python)
