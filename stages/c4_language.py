"""Keeps English pages as C4 does, by langdetect: a document in, the document with its language or a rejection out.

Source: Raffel et al. 2020, section 2.2: "we used langdetect to filter out any pages that were not classified as English
with a probability of at least 0.99"; seed and order of the tests as in TensorFlow Datasets' C4 3.1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from stages.document import Document, Rejected
from stages.language_profiles import ProfileDetector
from stages.stage import Outcome, Transform


@cache
def profile_languages() -> frozenset[str]:
    """The codes of the languages that langdetect has a profile of."""
    return frozenset(path.name for path in (files("langdetect") / "profiles").iterdir())


@dataclass(frozen=True)
class KeepC4English:
    """Keeps documents whose best language is `language` with a probability of at least `min_probability`.

    Reasons: `language_unknown` (no letter of a known language, or nothing above 0.1), `language_score_too_low`,
    `language_not_english`.
    """

    min_probability: float = 0.99  # Raffel et al. 2020 section 2.2
    language: str = "en"

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise ValueError(f"min_probability must be in 0..1, not {self.min_probability}")
        if self.language not in profile_languages():
            raise ValueError(
                f"langdetect has no language {self.language!r}; known: {', '.join(sorted(profile_languages()))}"
            )

    def prepare(self) -> Transform:
        """Load the profiles of langdetect (about a second and 45 MB)."""
        detector = ProfileDetector()

        def keep(document: Document) -> Outcome:
            best = detector.detect(document.text)
            if best is None:
                return Rejected(document, "language_unknown")
            language, probability = best
            document = replace(document, language=language, language_score=probability)
            if probability < self.min_probability:
                return Rejected(document, "language_score_too_low", probability, language)
            if language != self.language:
                return Rejected(document, "language_not_english", probability, language)
            return document

        return keep
