from __future__ import annotations

from typing import Any

import pytest

from stages.c4_language import KeepC4English
from stages.document import Document, Origin, Rejected
from stages.stage import ModelStage, Transform, step_name

ENGLISH = (
    "The committee met on Thursday and agreed that the report should be published before the end of the year."
)
GERMAN = (
    "Der Ausschuss trat am Donnerstag zusammen und beschloss, den Bericht noch vor Jahresende zu drucken."
)


def document(text: str) -> Document:
    return Document("a", "c4", text, Origin("f"))


@pytest.fixture(scope="module")
def keep() -> Transform:
    stage = KeepC4English()
    assert isinstance(stage, ModelStage) and step_name(stage) == "keep_c4_english"
    return stage.prepare()


def test_keeps_english_and_notes_the_probability(keep: Transform) -> None:
    kept = keep(document(ENGLISH))
    assert isinstance(kept, Document)
    assert (kept.text, kept.language) == (ENGLISH, "en")
    assert kept.language_score is not None and 0.99 <= kept.language_score < 1


def test_drops_another_language(keep: Transform) -> None:
    dropped = keep(document(GERMAN))
    assert isinstance(dropped, Rejected)
    assert (dropped.reason, dropped.detail) == ("language_not_english", "de")
    assert dropped.document.language == "de" and dropped.score == dropped.document.language_score


def test_drops_what_is_not_surely_in_one_language(keep: Transform) -> None:
    dropped = keep(document("hotel radio taxi"))
    assert isinstance(dropped, Rejected)
    assert dropped.reason == "language_score_too_low"
    assert dropped.score is not None and dropped.score < 0.99


def test_drops_a_text_without_letters(keep: Transform) -> None:
    dropped = keep(document("1 + 2 = 3."))
    assert isinstance(dropped, Rejected)
    assert (dropped.reason, dropped.document.language) == ("language_unknown", None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_probability": 5}, r"^min_probability must be in 0\.\.1, not 5$"),
        ({"min_probability": float("nan")}, r"^min_probability must be in 0\.\.1, not nan$"),
        ({"language": "xx"}, r"^langdetect has no language 'xx'; known: af, ar, .*, en, .*, zh-tw$"),
    ],
)
def test_parameters_that_keep_nothing_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepC4English(**wrong)
