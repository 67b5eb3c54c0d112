from __future__ import annotations

import pytest

from classifiers.language_id import LanguageIdentifier
from stages.document import Document, Origin, Rejected
from stages.language import KeepLanguage
from stages.stage import Outcome, step_name

ENGLISH = "The committee meets in the town hall on the first Monday of each month."
GERMAN = "Der Ausschuss tagt am ersten Montag jedes Monats im Rathaus."


def judge(stage: KeepLanguage, text: str) -> Outcome:
    return stage.prepare()(Document("1", "commoncrawl", text, Origin("f")))


def test_keeps_a_wanted_language_and_marks_it() -> None:
    kept = judge(KeepLanguage(("en",)), ENGLISH)
    assert isinstance(kept, Document)
    assert kept.language == "en"
    assert kept.language_score is not None
    assert kept.language_score == round(kept.language_score, 2) > 0.8


def test_rejects_another_language() -> None:
    rejected = judge(KeepLanguage(("en",)), GERMAN)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.detail, rejected.document.language) == (
        "language_not_wanted",
        "de",
        "de",
    )


@pytest.mark.parametrize(("raw", "kept"), [(0.495001, True), (0.4949, False)])
def test_rounds_the_score_before_comparing(monkeypatch: pytest.MonkeyPatch, raw: float, kept: bool) -> None:
    monkeypatch.setattr(LanguageIdentifier, "predict", lambda self, text: ("en", raw))
    outcome = judge(KeepLanguage(("en",)), ENGLISH)
    assert isinstance(outcome, Document) is kept
    if isinstance(outcome, Rejected):
        assert (outcome.reason, outcome.score) == ("language_score_too_low", 0.49)


def test_only_detects_without_languages_and_score() -> None:
    kept = judge(KeepLanguage(None, min_score=0.0), "")
    assert isinstance(kept, Document)
    assert (kept.language, kept.language_score) == ("und", 0.0)


def test_an_empty_text_has_too_low_a_score() -> None:
    rejected = judge(KeepLanguage(None), "")
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "language_score_too_low"


def test_a_missing_model_is_an_error_when_prepared() -> None:
    with pytest.raises(ValueError, match="models: language_id"):
        KeepLanguage(None, model="/absent.ftz").prepare()
    assert step_name(KeepLanguage(None)) == "keep_language"


def test_judges_the_first_characters_only_when_so_told() -> None:
    text = GERMAN + ENGLISH * 20
    assert isinstance(judge(KeepLanguage(("en",)), text), Document)
    rejected = judge(KeepLanguage(("en",), max_characters=len(GERMAN)), text)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.detail) == ("language_not_wanted", "de")
    assert rejected.document.text == text


@pytest.mark.parametrize("wrong", [{"min_score": 1.01}, {"min_score": -0.1}, {"max_characters": 0}])
def test_parameters_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        KeepLanguage(None, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ((), "languages is empty"),
        (("en", "english"), "'english' is no code"),
        (tuple("english"), "'e' is no code"),
    ],
)
def test_languages_that_no_model_has_are_refused(languages: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepLanguage(languages)


def test_a_language_that_the_model_does_not_know_is_an_error_when_prepared() -> None:
    with pytest.raises(ValueError, match=r"^languages: the language id model knows no xx, zzz; take codes"):
        KeepLanguage(("zzz", "en", "xx")).prepare()
