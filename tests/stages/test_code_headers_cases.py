"""Licence headers, one construct a case: `tests/cases/code_headers/NAME.in.SUFFIX` and what is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.code_comments import SYNTAXES
from stages.code_headers import RemoveLicenseHeader
from stages.document import Document, Origin

CASES = Path(__file__).resolve().parents[1] / "cases" / "code_headers"
NAMES = sorted(path.name.removesuffix(".out.txt") for path in CASES.glob("*.out.txt"))


@pytest.mark.parametrize("name", NAMES)
def test_cuts_the_notices_and_nothing_else(name: str) -> None:
    (given,) = CASES.glob(f"{name}.in.*")
    suffix = given.name.removeprefix(f"{name}.in.")
    path = f"src/{suffix}" if suffix in SYNTAXES else f"src/x.{suffix}"
    text = given.read_text(encoding="utf-8")
    document = Document("r:p:b", "github", text, Origin("f"), metadata={"path": path})
    outcome = RemoveLicenseHeader()(document)
    assert isinstance(outcome, Document)
    assert outcome.text == (CASES / f"{name}.out.txt").read_text(encoding="utf-8")


def test_there_are_cases_in_many_languages() -> None:
    assert len(NAMES) >= 40
    assert len({path.suffix for path in CASES.glob("*.in.*")}) >= 30
