"""The detector against langdetect itself, with langdetect's profiles in the order of their names."""

from __future__ import annotations

import json
import random
from importlib.resources import files

import pytest
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from stages.language_profiles import ProfileDetector, _draws

TEXTS = [
    "",
    "12 34 !?",
    "ABC DEF GHI",
    "This is a plain English sentence about nothing in particular.",
    "Das ist ein ganz gewöhnlicher Satz auf Deutsch, ohne jeden Sinn.",
    "Tiê\u0301ng Viê\u0323t co\u0301 da\u0302\u0301u, o\u0323 a\u0300 e\u0309",
    "Ссылка: https://example.org/a?b=c&d=e и почта first.last@mail.example.com, пишите нам abc def",
    "これは日本語の文章です。漢字とかなとカタカナ。 with some Latin",
    "한국어 문장입니다. 그리고 하나 더 있습니다.",
    "😀 hello     there \t world\n\nnext   line",
    "şi ţară \u0219i \u021bar\u0103 în limba română",
    "A" * 30 + " b " * 50,
]


@pytest.fixture(scope="module")
def reference() -> DetectorFactory:
    factory = DetectorFactory()
    folder = files("langdetect") / "profiles"
    names = sorted(path.name for path in folder.iterdir())
    factory.load_json_profile([(folder / name).read_text(encoding="utf-8") for name in names])
    factory.set_seed(0)
    return factory


@pytest.fixture(scope="module")
def detector() -> ProfileDetector:
    return ProfileDetector()


def by_langdetect(factory: DetectorFactory, text: str) -> tuple[str, float] | None:
    detector = factory.create()
    detector.append(text)
    try:
        found = detector.get_probabilities()
    except LangDetectException:
        return None
    return (found[0].lang, found[0].prob) if found else None


@pytest.mark.parametrize("text", TEXTS)
def test_gives_langdetects_language_and_probability_to_the_last_bit(
    text: str, reference: DetectorFactory, detector: ProfileDetector
) -> None:
    assert detector.detect(text) == by_langdetect(reference, text)


def test_equals_langdetect_on_random_mixtures(reference: DetectorFactory, detector: ProfileDetector) -> None:
    words = random.Random(7)
    folder = files("langdetect") / "profiles"
    grams = [
        gram
        for name in ("en", "de", "vi", "ja", "ru", "zh-cn", "tr")
        for gram in sorted(json.loads((folder / name).read_text(encoding="utf-8"))["freq"])[::7]
    ]
    pieces = [*grams, " ", " ", "  ", "\n", "A", "BC", "É", "[", "_", "\u0301", "\u1ea5", "\u06cc", "\ufeff"]
    answers = set()
    for _ in range(150):
        text = "".join(words.choices(pieces, k=words.randint(1, 60)))
        found = detector.detect(text)
        assert found == by_langdetect(reference, text), repr(text)
        answers.add(found[0] if found else None)
    assert len(answers) > 10


def test_no_verdict_depends_on_the_texts_before(detector: ProfileDetector) -> None:
    forward = [detector.detect(text) for text in TEXTS]
    assert [detector.detect(text) for text in reversed(TEXTS)] == forward[::-1]


def test_draws_more_random_numbers_when_they_run_out(
    detector: ProfileDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [detector.detect(text) for text in TEXTS]
    monkeypatch.setattr(detector, "_draws", _draws(8))
    assert [detector.detect(text) for text in TEXTS] == expected
    assert len(detector._draws) > 8


def test_reads_the_first_ten_thousand_characters_only(detector: ProfileDetector) -> None:
    english = "This is English. " * 600  # 10,200 characters
    assert detector.detect(english + "Das ist Deutsch. " * 5000) == detector.detect(english)
