"""Cleaning of papers: what TeX does not print goes, what it prints stays."""

from __future__ import annotations

from pathlib import Path

from stages.document import Document, Origin, Rejected
from stages.latex import CleanLatex, code_characters, formulas
from stages.sources.arxiv import Arxiv


def paper(text: str) -> Document:
    return Document("2004.00001", "arxiv", text, Origin("arXiv_src_2004_001.tar"))


def cleaned(text: str) -> str:
    outcome = CleanLatex()(paper(text))
    assert isinstance(outcome, Document)
    return outcome.text


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
    """RedPajama v1 empties a paper without a section command and drops it."""
    text = "\\magnification=1200\n\\def\\phi4{x}\nText $\\lambda$.\n\\bye\nnotes"
    assert cleaned(text) == "\\magnification=1200\nText $\\lambda$."


def test_finds_a_section_behind_a_macro() -> None:
    text = "\\newcommand{\\sect}[1]{\\section{#1}}\\begin{document}front \\sect{A} b\\end{document}"
    assert cleaned(text) == "\\section{A} b"


def test_keeps_the_appendix_and_drops_the_bibliography() -> None:
    text = (
        "\\section{A} a\\section*{References}\n\\begin{thebibliography}{9}\\bibitem{x} X"
        "\\end{thebibliography}\n\\appendix\\section{B} b \\bibliographystyle{plain}\\bibliography{refs}"
    )
    assert cleaned(text) == "\\section{A} a\n\\appendix\\section{B} b"


def test_rejects_what_is_not_latex_and_what_is_empty() -> None:
    assert CleanLatex()(paper("plain words")) == Rejected(paper("plain words"), "not_latex")
    empty = paper("\\documentclass{a}\\begin{document}% nothing\n\\end{document}")
    assert CleanLatex()(empty) == Rejected(empty, "no_text")


def test_counts_expanded_and_left_calls() -> None:
    outcome = CleanLatex()(paper("\\def\\a{A}\\def\\b{\\ifx}\\section{S}\\a\\a\\b"))
    assert isinstance(outcome, Document)
    assert outcome.scores["macros_expanded"] == 2
    assert outcome.scores["macros_left"] == 1


def test_counts_what_is_kept_of_the_raw_text() -> None:
    outcome = CleanLatex()(
        paper("front 12 $a$ % $x$\n\\section{S} $b$ 34\\begin{verbatim}c 5\\end{verbatim}")
    )
    assert isinstance(outcome, Document)
    scores = {name: value for name, value in outcome.scores.items() if not name.startswith("macros")}
    assert scores == {
        "raw_characters": 62.0,
        "raw_digits": 5.0,
        "raw_formulas": 3.0,
        "raw_code_characters": 2.0,
        "kept_characters": 48.0,
        "kept_digits": 3.0,
        "kept_formulas": 1.0,
        "kept_code_characters": 2.0,
    }


def test_counts_formulas_however_they_begin() -> None:
    assert formulas("$a$ $$b$$ \\(c\\) \\[d\\] \\begin{align*}e\\end{align*} 5\\$ a \\\\[2pt] b") == 5
    assert code_characters("\\begin{lstlisting}a b\n\\end{lstlisting} \\begin{verbatim}x") == 2


def test_a_definition_in_a_file_before_its_use_counts_and_one_after_it_does_not() -> None:
    """RedPajama v1 merges the macros of all files and expands nested ones by order of definition only."""
    assert cleaned("\\section{S} \\x \\def\\y{\\z}\\def\\z{Z}\\def\\x{X}\\x \\y") == "\\section{S} \\x X Z"


def test_a_body_with_a_letter_beyond_ascii_does_not_lose_the_paper() -> None:
    """RedPajama v1 raises on such a body, and the paper is dropped."""
    assert cleaned("\\newcommand{\\E}{Erdős \\g<0>}\\section{S} \\E") == "\\section{S} Erdős \\g<0>"


def test_a_section_in_one_file_does_not_empty_the_files_without_one() -> None:
    """RedPajama v1 cuts each file before its own first section."""
    assert cleaned("\\section{S}\n\\def\\x{1}\nfrom a file without a heading") == (
        "\\section{S}\nfrom a file without a heading"
    )


def test_a_blank_run_costs_linear_time() -> None:
    assert cleaned("\\section{S} a" + " " * 1_000_000 + "b").endswith(" b")


def test_no_sample_paper_is_lost_and_its_macros_are_resolved(shared_data: Path) -> None:
    """RedPajama v1 loses 6 of the 34 and understands half of the definitions (goldens/arxiv)."""
    kept: dict[str, Document] = {}
    for path in sorted((shared_data / "arxiv" / "src").glob("*.tar")):
        with path.open("rb") as stream:
            for document in Arxiv().read(stream, str(path)):
                assert isinstance(document, Document)
                outcome = CleanLatex()(document)
                assert isinstance(outcome, Document)
                kept[outcome.id] = outcome
    assert len(kept) == 34
    texts = [document.text for document in kept.values()]
    assert sum("\\section" in text for text in texts) == 30
    assert all("thebibliography" not in text and len(text) > 2_000 for text in texts)
    assert "SH^{<a}_*(W) \\rightarrow" in kept["1907.07779"].text
    assert kept["1911.02782"].title == "S2ORC: The Semantic Scholar Open Research Corpus"
    expanded = sum(document.scores["macros_expanded"] for document in kept.values())
    left = sum(document.scores["macros_left"] for document in kept.values())
    assert expanded > 30_000
    assert left < 0.01 * expanded
