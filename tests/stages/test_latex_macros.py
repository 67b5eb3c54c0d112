"""Macro expansion: every form of definition, what must stay as written, and what must end."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from stages.latex_macros import MacroExpander


def expand(body: str, preamble: str = "") -> str:
    expander = MacroExpander()
    expander.collect(preamble)
    return expander.expand(body)


@pytest.mark.parametrize(
    ("preamble", "body", "expected"),
    [
        (r"\newcommand{\R}{\mathbb{R}}", r"$x \in \R^n$", r"$x \in \mathbb{R}^n$"),
        (r"\newcommand\R{\mathbb{R}}", r"$\R$", r"$\mathbb{R}$"),
        (r"\newcommand*{\pair}[2]{(#1, #2)}", r"\pair{a}{b}", "(a, b)"),
        (r"\newcommand{\norm}[2][2]{|#2|_{#1}}", r"\norm{x} \norm[1]{y}", "|x|_{2} |y|_{1}"),
        (r"\def\half#1{\frac{#1}{2}}", r"\half x + \half{ab}", r"\frac{x}{2} + \frac{ab}{2}"),
        (r"\def\be{\begin{equation}}", r"\be x", r"\begin{equation} x"),
        (r"\renewcommand{\vec}[1]{\mathbf{#1}}", r"\vec{v}", r"\mathbf{v}"),
        (r"\let\eps\varepsilon", r"$\eps$", r"$\varepsilon$"),
        (r"\DeclareMathOperator*{\argmin}{arg\,min}", r"\argmin_x", r"\operatorname*{arg\,min}_x"),
        (r"\newcommand{\A}{\B\B}\newcommand{\B}{b}", r"\A{}", "bb"),
        (r"\newcommand{\kms}{km/s\xspace}", r"5 \kms and", "5 km/s and"),
        (r"\newcommand{\nested}[1]{<#1>}", r"\nested{\nested{a}}", "<<a>>"),
    ],
)
def test_expands_each_form_of_definition(preamble: str, body: str, expected: str) -> None:
    assert expand(body, preamble) == expected


def test_takes_understood_definitions_out_of_the_text() -> None:
    assert expand("a \\newcommand{\\x}{X}b \\x.") == "a b X."


def test_keeps_a_control_word_apart_from_the_letters_that_follow() -> None:
    assert expand(r"\a{}b", r"\newcommand{\a}{\alpha}") == r"\alpha b"
    assert expand(r"\f{x}", r"\newcommand{\f}[1]{\cal#1}") == r"\cal x"


def test_puts_braces_where_a_longer_body_is_one_argument() -> None:
    assert expand(r"\mathbf\x", r"\newcommand{\x}{ab}") == r"\mathbf{ab}"


def test_a_frozen_meaning_is_not_expanded_again() -> None:
    assert expand(r"\vec{v}", r"\let\oldvec\vec \renewcommand{\vec}[1]{\oldvec{\mathbf{#1}}}") == (
        r"\vec{\mathbf{v}}"
    )


def test_verbatim_text_is_not_looked_into() -> None:
    body = "\\verb|\\x| \\begin{verbatim}\\x\\end{verbatim} \\x"
    assert expand(body, r"\newcommand{\x}{X}") == "\\verb|\\x| \\begin{verbatim}\\x\\end{verbatim} X"


@pytest.mark.parametrize(
    "definition",
    [
        r"\newcommand{\x}{\@ifnextchar[a b}",
        r"\def\x{\ifmmode a\else b\fi}",
        r"\def\x#1;{(#1)}",
        r"\newcommand{\x}{a\x}",
        r"\newcommand{\x}{#1}",
    ],
)
def test_leaves_calls_of_what_needs_tex_to_run(definition: str) -> None:
    expander = MacroExpander()
    expander.collect(definition)
    assert expander.expand(r"one \x two") == r"one \x two"
    assert (expander.expanded, expander.left) == (0, 1)


def test_a_redefined_section_command_is_not_expanded() -> None:
    assert expand(r"\section{A}", r"\renewcommand{\section}[1]{\textbf{#1}}") == r"\section{A}"


def test_a_call_without_its_argument_stays_as_written() -> None:
    assert expand(r"{\f}", r"\newcommand{\f}[1]{(#1)}") == r"{\f}"


def test_a_doubling_bomb_stays_as_written_and_the_rest_is_expanded() -> None:
    names = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(41)]
    bomb = "".join(rf"\def\z{a}{{\z{b}\z{b}}}" for a, b in pairwise(names))
    expander = MacroExpander()
    expander.collect(bomb + rf"\def\z{names[-1]}{{x}}\def\good{{fine}}")
    start = time.process_time()
    text = expander.expand(rf"A \z{names[0]} B \good{{}}")
    assert text == rf"A \z{names[0]} B fine"
    assert expander.expanded == 1
    assert time.process_time() - start < 0.25


@pytest.mark.parametrize(
    "preamble",
    [
        r"\def\x{\y\y}\def\y{\x\x}",
        r"\newcommand{\x}[1][a]{\y}\newcommand{\y}[1][a]{\x}",
        r"\def\x#1{\y{#1#1}}\def\y#1{\x{#1#1}}",
    ],
)
def test_loops_end(preamble: str) -> None:
    start = time.process_time()
    text = expand(r"\x{a} end", preamble)
    assert text.endswith(" end")
    assert time.process_time() - start < 1.0


def test_unclosed_groups_cost_linear_time() -> None:
    start = time.process_time()
    expand(r"\f{" * 20_000, r"\newcommand{\f}[1]{#1}")
    assert time.process_time() - start < 1.0
