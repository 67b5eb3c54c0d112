"""FineWeb's own rules for web pages: the numbers of a text as scores, and the filter that compares them with limits.

In: a document. Out of `MeasureFineweb`: the document with the scores `fineweb_*`. Out of `KeepFineweb`: the same
document or a rejection. Follows Penedo et al. 2024 (arXiv 2406.17557), section 3.6, and for the fourth rule, which the
paper leaves out, the published code; docs/quality_rules.md says how each rule was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stages.datatrove_rules import datatrove_fineweb_scores, english_words
from stages.document import Document, Rejected
from stages.punctuation import CLOSING_MARKS, SENTENCE_ENDS
from stages.repetition import duplicate_parts, lines_of
from stages.score_limits import check_limits, keep_within_limits, scores_as_float32
from stages.stage import Transform

MIN_LONG_LINE_CHARACTERS = 30  # FineWeb, section 3.6, of short lines: "shorter than 30 characters"


def fineweb_scores(text: str) -> dict[str, float]:
    """The numbers behind FineWeb's rules over the lines that are not blank, stripped. Fractions are in 0..1.

    A line ends in punctuation when its last character, closing quotes and brackets aside, ends a sentence. Words are
    what white space separates; line ends are those between two such lines, so paragraphs apart do not count twice.
    """
    lines = lines_of(text)
    punctuated = sum(line.rstrip(CLOSING_MARKS)[-1:] in SENTENCE_ENDS for line in lines)
    short = sum(len(line) < MIN_LONG_LINE_CHARACTERS for line in lines)
    line_count = max(len(lines), 1)
    return {
        "fineweb_punctuated_line_fraction": punctuated / line_count,
        "fineweb_short_line_fraction": short / line_count,
        "fineweb_duplicate_line_character_fraction": duplicate_parts(lines)[1] / max(sum(map(len, lines)), 1),
        "fineweb_newlines_per_word": max(len(lines) - 1, 0) / max(len(text.split()), 1),
    }


@dataclass(frozen=True)
class MeasureFineweb:
    """Gives a document the scores `fineweb_*` (the names of `KeepFineweb`'s limits without `min_` and `max_`).

    `profile`: `paper` reads the rules as the paper words them; `datatrove` as datatrove 0.10.1 codes them, faults
    included, which needs spaCy. Reason, of the latter only: `word_too_long`, on which spaCy takes quadratic time.
    """

    profile: Literal["paper", "datatrove"] = "paper"

    def prepare(self) -> Transform:
        """ValueError when the profile needs spaCy and it is not installed."""
        if self.profile == "paper":
            return lambda document: document.with_scores(**scores_as_float32(fineweb_scores(document.text)))
        split = english_words()

        def measure(document: Document) -> Document | Rejected:
            words = split(document.text)
            if words is None:
                return Rejected(document, "word_too_long")
            scores = datatrove_fineweb_scores(document.text, len(words))
            return document.with_scores(**scores_as_float32(scores))

        return measure


@dataclass(frozen=True)
class KeepFineweb:
    """Keeps documents whose `fineweb_*` scores are within all limits; a score equal to its limit passes.

    Reasons: see `REASONS`, in the order in which the rules are tried.
    """

    min_punctuated_line_fraction: float = 0.12  # FineWeb, section 3.6
    max_short_line_fraction: float = 0.67  # FineWeb, section 3.6
    # FineWeb, section 3.6; the released code (datatrove's FineWebQualityFilter) has 0.01
    max_duplicate_line_character_fraction: float = 0.1
    max_newlines_per_word: float = 0.3  # datatrove's FineWebQualityFilter, not in the paper

    def __post_init__(self) -> None:
        check_limits(self, REASONS)

    def __call__(self, document: Document) -> Document | Rejected:
        return keep_within_limits(document, self, REASONS, "fineweb")


REASONS: Mapping[str, str] = {
    "min_punctuated_line_fraction": "few_punctuated_lines",
    "max_short_line_fraction": "many_short_lines",
    "max_duplicate_line_character_fraction": "duplicate_line_characters",
    "max_newlines_per_word": "many_newlines",
}
