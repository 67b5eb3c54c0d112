"""Title, abstract, first section and bibliography."""

from __future__ import annotations

import pytest

from stages.latex_sections import abstract_of, first_section, one_line, remove_bibliography, title_of


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Rivers\\thanks{To all.} at night", "Rivers at night"),
        ("Rivers \\\\[2pt] at\n  night", "Rivers at night"),
        ("{\\Large\\bf Rivers}", "Rivers"),
        ("\\textbf{Rivers at $k=0$}", "Rivers at $k=0$"),
        ("{\\sf flow}: the model of {G}auss", "flow: the model of Gauss"),
        ('Schr{\\"o}dinger~bridges', 'Schr{\\"o}dinger bridges'),
        ("On $\\mathbb{Z}$", "On $\\mathbb{Z}$"),
    ],
)
def test_a_title_is_one_line_without_what_sets_it(written: str, expected: str) -> None:
    assert one_line(written) == expected


def test_finds_the_title_behind_a_short_one_and_skips_an_empty_one() -> None:
    assert title_of("\\title{}\n\\title[Short]{The long one} \\title{Later}") == "The long one"
    assert title_of("no title") is None
    assert title_of("\\title{" * 30_000) is None


def test_finds_the_abstract() -> None:
    assert abstract_of("\\begin{abstract}\n Short. \\end{abstract}") == "Short."
    assert abstract_of("\\abstract\n  {Why.}\n{What.}{}") == "Why.\n\nWhat."
    assert abstract_of("\\begin{abstract} never closed") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("front \\section{A}", 6),
        ("front \\section*[short]{A}", 6),
        ("front \\chapter{A}", 6),
        ("front \\newsec{A}", 6),
        ("front \\beginsection A", 6),
        ("front \\head A\\endhead", 6),
        ("front \\sectionmark{A}", None),
        ("front \\section*{Acknowledgements} x", None),
        ("\\verb|\\section{A}| \\section{B}", 19),
    ],
)
def test_finds_the_first_section(body: str, expected: int | None) -> None:
    assert first_section(body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a \\begin{thebibliography}{9} \\bibitem", "a "),
        ("a \\printbibliography[title=R] b", "a  b"),
        ("\\section{References} [1] X\n\\section{B}", "\\section{B}"),
        ("\\section*{\\large References} [1] X", ""),
        ("\\section*{REFERENCES} [1] X \\begin{figure}", "\\begin{figure}"),
        ("\\section{References} \\bibliography{a} b", " b"),
        ("See the references in \\cite{a}.", "See the references in \\cite{a}."),
        ("\\verb|\\bibliography{a}|\\bibliography{a}", "\\verb|\\bibliography{a}|"),
        ("\\begin{REFERENCES} x \\end{REFERENCES}b", "b"),
        ("\\begin{bibdiv}\\begin{biblist} x \\end{biblist}\\end{bibdiv}b", "b"),
    ],
)
def test_removes_bibliographies(text: str, expected: str) -> None:
    assert remove_bibliography(text) == expected


def test_an_appendix_behind_the_bibliography_stays() -> None:
    """RedPajama v1 cuts each file from its first bibliography or appendix to the end."""
    text = "a\\begin{thebibliography}{1}x\\end{thebibliography}\\appendix\\section{B}b"
    assert remove_bibliography(text) == "a\\appendix\\section{B}b"
