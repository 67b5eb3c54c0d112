"""Cleaning of papers: what TeX does not print goes, what it prints stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.document import Document, Origin, Rejected
from stages.latex import CleanLatex, remove_bibliography, remove_comments
from stages.sources.arxiv import Arxiv


def paper(text: str) -> Document:
    return Document("2004.00001", "arxiv", text, Origin("arXiv_src_2004_001.tar"))


def cleaned(text: str) -> str:
    outcome = CleanLatex()(paper(text))
    assert isinstance(outcome, Document)
    return outcome.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a % note\nb", "a\nb"),
        ("a%\n  b", "ab"),
        ("% whole line\na", "a"),
        ("a\n  % indented\nb", "a\nb"),
        ("a%\n\nb", "a\n\nb"),
        ("\\alpha%\nb", "\\alpha\nb"),
        ("5\\% of x", "5\\% of x"),
        ("a \\\\% after a line break\nb", "a \\\\b"),
        ("\\url{http://a/b%20c} % d\n", "\\url{http://a/b%20c}\n"),
        ("\\verb|%| x", "\\verb|%| x"),
        ("\\begin{verbatim}\n% kept\n\\end{verbatim}", "\\begin{verbatim}\n% kept\n\\end{verbatim}"),
        ("a\\begin{comment}x % y\n\\end{comment}b", "ab"),
        ("a %", "a"),
    ],
)
def test_removes_comments_as_tex_reads_them(text: str, expected: str) -> None:
    assert remove_comments(text) == expected


def test_drops_everything_before_the_first_section() -> None:
    text = (
        "\\documentclass{article}\\newcommand{\\x}{X}\\begin{document}\\title{T}\\begin{abstract}A"
        "\\end{abstract}\\section{One} \\x{} text\\end{document} after"
    )
    assert cleaned(text) == "\\section{One} X text"


def test_keeps_title_and_abstract_of_a_paper_without_sections() -> None:
    text = "\\documentclass{letter}\\begin{document}\\title{T} Dear \\LaTeX\\end{document}"
    assert cleaned(text) == "\\title{T} Dear \\LaTeX"


def test_keeps_a_plain_tex_paper() -> None:
    assert cleaned("\\magnification=1200\n\\def\\phi4{x}\nText $\\lambda$.\n\\bye").endswith(
        "$\\lambda$.\n\\bye"
    )


def test_finds_a_section_behind_a_macro() -> None:
    text = "\\newcommand{\\sect}[1]{\\section{#1}}\\begin{document}front \\sect{A} b\\end{document}"
    assert cleaned(text) == "\\section{A} b"


def test_keeps_the_appendix_and_drops_the_bibliography() -> None:
    text = (
        "\\section{A} a\\section*{References}\n\\begin{thebibliography}{9}\\bibitem{x} X"
        "\\end{thebibliography}\n\\appendix\\section{B} b \\bibliographystyle{plain}\\bibliography{refs}"
    )
    assert cleaned(text) == "\\section{A} a\n\\appendix\\section{B} b"


def test_a_bibliography_without_an_end_runs_to_the_end() -> None:
    assert remove_bibliography("a \\begin{thebibliography}{9} \\bibitem") == "a "
    assert remove_bibliography("a \\printbibliography[title=R] b") == "a  b"


def test_rejects_what_is_not_latex_and_what_is_empty() -> None:
    assert CleanLatex()(paper("plain words")) == Rejected(paper("plain words"), "not_latex")
    empty = paper("\\documentclass{a}\\begin{document}% nothing\n\\end{document}")
    assert CleanLatex()(empty) == Rejected(empty, "no_text")


def test_counts_expanded_and_left_calls() -> None:
    outcome = CleanLatex()(paper("\\def\\a{A}\\def\\b{\\ifx}\\section{S}\\a\\a\\b"))
    assert isinstance(outcome, Document)
    assert outcome.scores == {"macros_expanded": 2.0, "macros_left": 1.0}


def test_no_sample_paper_is_lost(shared_data: Path) -> None:
    kept: dict[str, str] = {}
    for path in sorted((shared_data / "arxiv" / "src").glob("*.tar")):
        if path.name == "arXiv_src_1308_001.tar":
            continue  # a book of 1.5 MB
        with path.open("rb") as stream:
            for document in Arxiv().read(stream, str(path)):
                assert isinstance(document, Document)
                outcome = CleanLatex()(document)
                assert isinstance(outcome, Document)
                kept[outcome.id] = outcome.text
    assert len(kept) == 33
    assert sum("\\section" in text for text in kept.values()) == 29
    assert all("thebibliography" not in text and len(text) > 2_000 for text in kept.values())
    assert "SH^{<a}_*(W) \\rightarrow" in kept["1907.07779"]
