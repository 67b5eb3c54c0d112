"""Where the comments before all code begin and end."""

from __future__ import annotations

import pytest

from stages.code_comments import leading_comments, syntax_of


def comments(text: str, path: str) -> list[str]:
    syntax = syntax_of(path)
    assert syntax is not None
    return [text[one.start : one.end] for one in leading_comments(text, syntax, 20_000, 6)]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.c", "// a\n// b\n\n/* c */\nint d; // e\n", ["// a\n// b\n", "/* c */\n"]),
        ("a.c", "/* a */ int b;\n", ["/* a */"]),
        ("a.rs", "/* a /* b */ c */\nfn d() {}\n", ["/* a /* b */ c */\n"]),
        ("a.c", "/* a /* b */ c */\n", ["/* a /* b */"]),
        ("a.c", "/* a\nint b;\n", []),
        ("a.h", "#ifndef A\n#define A\n// b\n", ["// b\n"]),
        ("a.h", "#ifndef A\n#define B\n// b\n", []),
        ("a.py", '#!x\n\n"""doc"""\n# b\nc\n', ["#!x\n", '"""doc"""\n', "# b\n"]),
        ("a.js", "#!/usr/bin/node\n// b\n", ["// b\n"]),
        ("a.php", "<?php\n// b\n#[A]\n", ["// b\n"]),
        ("a.hs", "{-# A #-}\n{- b -}\n", ["{- b -}\n"]),
        ("a.lua", "--[[ a\n]]\n-- b\n", ["--[[ a\n]]\n", "-- b\n"]),
        ("a.rst", ".. a\n   b\n\n.. image:: c\n", [".. a\n   b\n"]),
        ("a.rst", ".. _target: b\n", []),
        ("a.md", "# a\n", []),
        ("a.ml", "(* a *)\n(* b *)\n\n(* c *)\n", ["(* a *)\n(* b *)\n", "(* c *)\n"]),
        ("a.c", "\ufeff// a\n", ["// a\n"]),
        ("a.c", "// a", ["// a"]),
        ("a.m4", "dnl a\ndnlb\n", ["dnl a\n"]),
        ("a.bat", "@ECHO OFF\nrem a\nREMOVE\n", ["rem a\n"]),
        ("a.py", "", []),
    ],
)
def test_finds_the_comments_before_all_code(path: str, text: str, expected: list[str]) -> None:
    assert comments(text, path) == expected


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("x/Makefile", True),
        ("a.h.in", True),
        ("CMakeLists.txt", True),
        ("a.PY", True),
        ("a.txt", False),
        ("README", False),
        ("", False),
    ],
)
def test_knows_a_syntax_by_the_name(path: str, known: bool) -> None:
    assert (syntax_of(path) is not None) == known
