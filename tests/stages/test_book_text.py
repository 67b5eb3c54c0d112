"""Gutenberg's frame, credits and notes go; the book stays. Forms and languages are in `tests/cases/books`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stages.book_text import CleanGutenberg
from stages.content import content_of
from stages.document import Document, Origin, Rejected
from stages.gutenberg import frame_of, gutenberg_license
from stages.sources.books import Books

START = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
END = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nLicence"


def document(text: str) -> Document:
    return Document("a", "books", text, Origin("a.txt"))


def clean(text: str) -> str:
    outcome = CleanGutenberg()(document(text))
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
        START + "Produced by Jane Doe\nand others.\n\n\n[Transcriber's note: italics.]\n\n\nBook.\n",
        START + "E-text prepared by A\n\n\n\nBook.\n",
        START
        + "Produced by A\n\n\n    Note from the original file: This electronic book\n    is released now.\n\n\nBook.\n",
        START + "Produced by A\n\nWe thank the Bibliotheque Nationale\nde France.\n\n"
        "Nous remercions la Bibliothèque Nationale\nde France.\n\n\nBook.\n",
    ],
)
def test_keeps_the_book_alone(text: str) -> None:
    assert clean(text) == "Book."


def test_a_book_without_marks_is_left_as_it_is() -> None:
    text = "\n\nProduced by magic.\n\nIn the end of the project, all was well.\n"
    assert clean(text) == text


def test_the_indent_of_the_first_line_stays_behind_a_credit() -> None:
    assert clean(START + "Produced by A\n\n    ODE\n\n    Sing.") == "    ODE\n\n    Sing."


def test_a_credit_is_only_cut_at_the_top() -> None:
    assert clean(START + "ONE\n\nProduced by fire.\n\nTwo.") == "ONE\n\nProduced by fire.\n\nTwo."


def test_a_note_in_the_middle_of_the_book_is_not_taken_for_one_at_its_end() -> None:
    pages = "\n\n".join(f"Page {n} of the tale." for n in range(100))
    text = f"{pages}\n\nTranscriber's note\n\nsaid the clerk.\n\n{pages}"
    assert clean(START + text + END) == text


def test_what_stands_behind_a_note_at_the_end_stays() -> None:
    pages = "\n\n".join(f"Page {n} of the tale." for n in range(300))
    text = f"{pages}\n\n\n\n\nTranscriber's Notes:\n\nOne comma.\n\n\n\n\nINDEX\n\nOar, 12"
    assert clean(START + text + END) == f"{pages}\n\n\n\n\nINDEX\n\nOar, 12"


def test_nothing_between_the_marks_is_no_text() -> None:
    empty = document(START + "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n")
    assert CleanGutenberg()(empty) == Rejected(empty, "no_text")


def test_the_loss_meter_counts_the_frame_as_raw() -> None:
    given = document(START + "Book of 12." + END)
    outcome = CleanGutenberg()(given)
    assert isinstance(outcome, Document)
    raw = content_of(given.text)
    assert outcome.scores == {
        "raw_characters": float(raw.characters),
        "raw_digits": 2.0,
        "kept_characters": 9.0,
        "kept_digits": 2.0,
    }
    epub = CleanGutenberg()(given.with_scores(raw_characters=1000.0, raw_digits=5.0))
    assert isinstance(epub, Document)
    assert (epub.scores["raw_characters"], epub.scores["kept_characters"]) == (1000.0, 9.0)


@pytest.mark.parametrize(
    ("text", "license"),
    [
        (START + "b" + END, None),
        ("for the use of anyone anywhere\n" + START + "b" + END, "LicenseRef-Gutenberg-Public-Domain-US"),
        (START + "for the use of anyone anywhere" + END, None),
        (
            "Copyright Status: Public domain in the USA.\n" + START + "b",
            "LicenseRef-Gutenberg-Public-Domain-US",
        ),
        ("Copyright Status: Copyrighted.\nfor the use of anyone anywhere\n" + START + "b", None),
    ],
)
def test_the_public_domain_is_marked_only_where_header_or_trailer_say_so(
    text: str, license: str | None
) -> None:
    frame = frame_of(text)
    assert frame is not None
    assert gutenberg_license(text, frame) == license


def test_a_small_print_behind_the_end_is_no_header() -> None:
    end = (
        "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*END*\n"
    )
    text = "Book.\n\n" + end
    assert clean(text) == "Book."


def test_a_mention_of_gutenberg_is_no_frame() -> None:
    assert (
        frame_of("a mention of Project Gutenberg, *** START OF THE PROJECT GUTENBERG EBOOK in a line") is None
    )


@pytest.mark.parametrize(
    "line",
    [
        "[",
        "[Transcriber's note: ",
        "Transcriber's note\n\n\n\n\n",
        "*** START OF THE PROJECT GUTENBERG EBOOK\n",
        "*** END OF THE PROJECT GUTENBERG EBOOK\n",
        "\n \n",
        "***",
    ],
)
def test_repeated_marks_cost_linear_time(line: str) -> None:
    text = START + line * (2_000_000 // len(line)) + "x"
    begun = time.process_time()
    CleanGutenberg()(document(text))
    assert time.process_time() - begun < 3


def test_no_frame_is_left_in_the_sample_books(shared_data: Path) -> None:
    left, raw, kept = [], 0.0, 0.0
    for path in sorted((shared_data / "books" / "gutenberg").glob("*.txt")):
        with path.open("rb") as stream:
            [book] = Books().read(stream, str(path))
        assert isinstance(book, Document)
        cleaned = CleanGutenberg()(book)
        assert isinstance(cleaned, Document)
        lower = cleaned.text.lower()
        if "gutenberg" in lower or "pgdp" in lower or "transcriber" in lower:
            left.append(path.name)
        raw += cleaned.scores["raw_characters"]
        kept += cleaned.scores["kept_characters"]
    assert left == ["The-Art-of-War.txt"]  # an essay about the book, written for Gutenberg
    assert kept / raw == pytest.approx(0.9541, abs=0.0001)  # the licence alone has 15,000 characters a file
