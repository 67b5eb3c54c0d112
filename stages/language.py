"""Keeps documents in wanted languages, by fastText as in CCNet.

In: a document. Out: the document with `language` and `language_score`, or a rejection. Follows LLaMA (section 2.1) by
way of CCNet's code: best label of the whole text, score rounded to two decimals before it is compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from classifiers.language_id import LanguageIdentifier, find_model
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform

_CODE = re.compile(
    r"[a-z]{2,3}(_[A-Z][a-z]{3})?"
)  # lid.176's labels, and those of models that name the script too


@dataclass(frozen=True)
class KeepLanguage:
    """Keep documents whose best language is one of `languages` with a score of at least `min_score`.

    `languages=None, min_score=0` only detects. `model` is a path; empty takes the installed lid.176.ftz.
    """

    languages: tuple[str, ...] | None  # LLaMA section 2.1: English; CCNet: all that it knows
    min_score: float = 0.5  # CCNet, lang_threshold
    model: str = ""
    max_characters: int | None = None  # of the text, from its beginning; CCNet: all

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score must be in 0..1, not {self.min_score}")
        if self.max_characters is not None and self.max_characters < 1:
            raise ValueError("max_characters must be at least 1; leave it out for the whole text")
        if self.languages is not None:
            if not self.languages:
                raise ValueError("languages is empty, so nothing is kept; name at least one")
            wrong = [language for language in self.languages if not _CODE.fullmatch(language)]
            if wrong:
                raise ValueError(
                    f"languages: {wrong[0]!r} is no code as the model has them; write en, de, ..."
                )

    def prepare(self) -> Transform:
        """Load the model. ValueError when it is not there, or does not know a wanted language."""
        identifier = LanguageIdentifier(find_model(self.model or None), self.max_characters)
        wanted = None if self.languages is None else frozenset(self.languages)
        unknown = sorted((wanted or frozenset()) - identifier.languages)
        if unknown:
            raise ValueError(
                f"languages: the language id model knows no {', '.join(unknown)}; take codes of its labels "
                "(lid.176: mostly ISO 639-1, such as en)"
            )

        def keep(document: Document) -> Outcome:
            language, raw = identifier.predict(document.text)
            score = round(raw, 2)  # CCNet rounds before it compares: 0.495 passes
            document = replace(document, language=language, language_score=score)
            if score < self.min_score:
                return Rejected(document, "language_score_too_low", score=score)
            if wanted is not None and language not in wanted:
                return Rejected(document, "language_not_wanted", score=score, detail=language)
            return document

        return keep
