"""One construct of LaTeX a case: what a paper holds, and what is left of it (tests/cases/latex)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.document import Document, Origin
from stages.latex import CleanLatex

CASES = Path(__file__).resolve().parents[1] / "cases" / "latex"
NAMES = sorted(path.name.removesuffix(".in.tex") for path in CASES.glob("*.in.tex"))


def cleaned(name: str, clean: CleanLatex) -> Document:
    text = (CASES / f"{name}.in.tex").read_text(encoding="utf-8")
    outcome = clean(Document("2004.00001", "arxiv", text, Origin("arXiv_src_2004_001.tar")))
    assert isinstance(outcome, Document)
    return outcome


def test_there_are_as_many_cases_as_the_constructs_need() -> None:
    assert len(NAMES) >= 55


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    """`.out.txt` is the text; `.out.json` has it with the title, and with what `plus` keeps."""
    expected = CASES / f"{name}.out.json"
    if not expected.exists():
        assert cleaned(name, CleanLatex()).text + "\n" == (CASES / f"{name}.out.txt").read_text("utf-8")
        return
    wanted = json.loads(expected.read_text(encoding="utf-8"))
    document = cleaned(name, CleanLatex())
    plus = cleaned(name, CleanLatex(keep_title_and_abstract=True))
    assert {"title": document.title, "text": document.text, "plus": plus.text} == wanted
