"""Comments as TeX reads them; the golden cases hold more."""

from __future__ import annotations

import pytest

from stages.latex_comments import remove_comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a % note\nb", "a\nb"),
        ("a%\n  b", "ab"),
        ("% whole line\na", "a"),
        ("a\n  % indented\nb", "a\nb"),
        ("a%\n\nb", "a\n\nb"),
        ("a\n%\n\nb", "a\n\nb"),
        ("a\n\n% one\n% two\nb", "a\n\nb"),
        ("\\alpha%\nb", "\\alpha\nb"),
        ("5\\% of x", "5\\% of x"),
        ("a \\\\% after a line break\nb", "a \\\\b"),
        ("\\url{http://a/b%20c} % d\n", "\\url{http://a/b%20c}\n"),
        ("\\verb|%| x", "\\verb|%| x"),
        ("\\begin{verbatim}\n% kept\n\\end{verbatim}", "\\begin{verbatim}\n% kept\n\\end{verbatim}"),
        ("a\\begin{comment}x % y\n\\end{comment}b", "ab"),
        ("a\n\\begin{comment}\nx\n\\end{comment}  \nb", "a\nb"),
        ("\\begin{comment} never closed % x\ny", "\\begin{comment} never closed\ny"),
        ("a %", "a"),
    ],
)
def test_removes_comments_as_tex_reads_them(text: str, expected: str) -> None:
    assert remove_comments(text) == expected


def test_no_character_before_the_sign_is_eaten() -> None:
    """RedPajama v1's pattern for comments within a line takes the character before `%` too."""
    assert remove_comments("word% note\n\n$x$% note\n\n") == "word\n\n$x$\n\n"


def test_a_sign_at_the_end_of_a_line_goes_too() -> None:
    """RedPajama v1 keeps a `%` with nothing behind it, and one behind a line break."""
    assert remove_comments("a%\nb \\\\%\nc") == "ab \\\\c"


def test_a_text_full_of_comments_costs_linear_time() -> None:
    assert remove_comments("%\n" * 100_000 + "x") == "x"
    assert remove_comments("\\begin{comment}" * 20_000) == "\\begin{comment}" * 20_000
