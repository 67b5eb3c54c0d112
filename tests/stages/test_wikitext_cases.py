"""One page of invented wikitext a case, with the text that a reader of it sees: tests/cases/wikitext.

The name says the construct; where it begins with the code of a language and `_`, the page is of that Wikipedia, else
of the English one. The title of every page is `Title`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.wikitext import plain_text
from stages.wikitext_names import PAPER_LANGUAGES

CASES = Path(__file__).resolve().parents[1] / "cases" / "wikitext"
NAMES = sorted(path.name.removesuffix(".in.wiki") for path in CASES.glob("*.in.wiki"))


def language_of(name: str) -> str:
    prefix = name.partition("_")[0]
    return prefix if prefix in PAPER_LANGUAGES else "en"


@pytest.mark.parametrize("name", NAMES)
def test_makes_the_text_of_the_case(name: str) -> None:
    wikitext = (CASES / f"{name}.in.wiki").read_text(encoding="utf-8")
    expected = (CASES / f"{name}.out.txt").read_text(encoding="utf-8")
    assert plain_text(wikitext, language_of(name), "Title") + "\n" == expected


def test_has_cases_for_every_language_of_the_paper() -> None:
    assert len(NAMES) >= 50
    assert {language_of(name) for name in NAMES} == set(PAPER_LANGUAGES)


def test_a_text_is_clean_when_it_is_cleaned_again() -> None:
    """Text without marks passes through as it is: the cases whose text has none of wikitext's own signs."""
    for name in NAMES:
        text = (CASES / f"{name}.out.txt").read_text(encoding="utf-8").strip()
        if not any(sign in text for sign in ("[[", "''", "{{", "<", "&", "__", "#")) and "  " not in text:
            assert plain_text(text, language_of(name), "Title") == text, name
