"""Gutenberg's header, licence and credits go; the book stays."""

from __future__ import annotations

import pytest

from stages.book_text import CleanGutenberg, gutenberg_license
from stages.document import Document, Origin, Rejected


def clean(text: str) -> str:
    outcome = CleanGutenberg()(Document("a", "books", text, Origin("a.txt")))
    assert isinstance(outcome, Document)
    return outcome.text


@pytest.mark.parametrize(
    "text",
    [
        "H\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\nBook.\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK X ***\nL",
        "H\n***START OF THE PROJECT GUTENBERG EBOOK X***\n\nBook.\n\n***END OF THE PROJECT GUTENBERG EBOOK X***\nL",
        "H\n*** START OF THE PROJECT GUTENBERG EBOOK A\nB ***\nBook.\n*** END OF THE PROJECT GUTENBERG EBOOK A\nB ***",
        "H\n*** START OF THE PROJECT GUTENBERG EBOOK, X ***\nBook.\nEnd of Project Gutenberg's X\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK, X ***\nLicence",
        "H\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\nBook.\n"
        "End of The Project Gutenberg Etext of X\n",
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nProduced by Jane Doe\nand others.\n\n\n"
        "[Transcriber's note: italics.]\n\n\nBook.\n",
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nE-text prepared by A\n\n\n\nBook.\n",
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nProduced by A\n\n\n"
        "    Note from the original file: This electronic book\n    is released now.\n\n\nBook.\n",
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nProduced by A\n\nWe thank the Bibliotheque Nationale\n"
        "de France.\n\nNous remercions la Bibliothèque Nationale\nde France.\n\n\nBook.\n",
    ],
)
def test_keeps_the_book_alone(text: str) -> None:
    assert clean(text) == "Book."


def test_a_book_without_marks_is_left_as_it_is() -> None:
    text = "\n\nProduced by magic.\n\nIn the end of the project, all was well.\n"
    assert clean(text) == text


def test_the_indent_of_the_first_line_stays_behind_a_credit() -> None:
    text = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nProduced by A\n\n    ODE\n\n    Sing."
    assert clean(text) == "    ODE\n\n    Sing."


def test_a_credit_is_only_cut_at_the_top() -> None:
    text = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nONE\n\nProduced by fire.\n\nTwo."
    assert clean(text) == "ONE\n\nProduced by fire.\n\nTwo."


def test_nothing_between_the_marks_is_no_text() -> None:
    text = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
    document = Document("a", "books", text, Origin("a.txt"))
    assert CleanGutenberg()(document) == Rejected(document, "no_text")


def test_knows_gutenberg_by_its_marks_only() -> None:
    assert gutenberg_license("a mention of Project Gutenberg") is None
    assert gutenberg_license("*** END OF THE PROJECT GUTENBERG EBOOK X ***") is not None
