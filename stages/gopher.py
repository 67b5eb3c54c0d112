"""Gopher's rules for web pages: the numbers of a text as scores, and the filter that compares them with limits.

In: a document. Out of `MeasureGopher`: the document with the scores `gopher_*`. Out of `KeepGopher`: the same document
or a rejection. The two are apart so that limits can change without a new run: a recipe with the first only annotates.
Follows Rae et al. 2021 (arXiv 2112.11446), appendix A.1.1 and table A1; docs/quality_rules.md says how each rule was
read.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.datatrove_rules import ELLIPSES, STOP_WORDS, datatrove_gopher_scores, english_words
from stages.document import Document, Rejected
from stages.repetition import (
    DUPLICATE_ORDERS,
    TOP_ORDERS,
    duplicate_parts,
    lines_of,
    paragraphs_of,
    repeated_ngram_characters,
    word_table,
)
from stages.score_limits import check_limits, keep_within_limits, scores_as_float32
from stages.stage import Transform

# The paper says "a bullet point" only. RedPajama v2's signs, and -, *, ●, ○ and · which pages use as well.
BULLETS = ("•", "‣", "▶", "◀", "◦", "■", "□", "▪", "▫", "–", "-", "*", "●", "○", "·")
_EDGES = string.punctuation + "“”‘’«»…–—"  # what may cling to a stop word


def gopher_scores(text: str) -> dict[str, float]:
    """The numbers behind Gopher's rules, in the paper's wording: words are what white space separates.

    Fractions are in 0..1; a text without words has 0 everywhere. Characters of n-grams are those of their words, those
    of lines and paragraphs are all but line ends and the white space around them.
    """
    table = word_table(text)
    words = int(table.sequence.size)
    lines, paragraphs = lines_of(text), paragraphs_of(text)
    occurrences = np.bincount(table.sequence, minlength=len(table.words))
    alphabetic = np.fromiter(
        (word.isalpha() or any(map(str.isalpha, word)) for word in table.words),
        dtype=np.bool_,
        count=len(table.words),
    )
    stop_words = STOP_WORDS.intersection(word.strip(_EDGES).lower() for word in table.words)
    ellipses = sum(map(text.count, ELLIPSES))
    line_copies, line_characters = duplicate_parts(lines)
    paragraph_copies, paragraph_characters = duplicate_parts(paragraphs)
    word_count, line_count, character_count = max(words, 1), max(len(lines), 1), max(table.characters, 1)
    scores = {
        "gopher_words": float(words),
        "gopher_mean_word_characters": table.characters / word_count,
        "gopher_hashes_per_word": text.count("#") / word_count,
        "gopher_ellipses_per_word": ellipses / word_count,
        "gopher_bullet_line_fraction": sum(line.startswith(BULLETS) for line in lines) / line_count,
        "gopher_ellipsis_line_fraction": sum(line.endswith(ELLIPSES) for line in lines) / line_count,
        "gopher_alphabetic_word_fraction": int(occurrences[alphabetic].sum()) / word_count,
        "gopher_stop_words": float(len(stop_words)),
        "gopher_duplicate_line_fraction": line_copies / line_count,
        "gopher_duplicate_line_character_fraction": line_characters / max(sum(map(len, lines)), 1),
        "gopher_duplicate_paragraph_fraction": paragraph_copies / max(len(paragraphs), 1),
        "gopher_duplicate_paragraph_character_fraction": paragraph_characters
        / max(sum(map(len, paragraphs)), 1),
    }
    repeated = repeated_ngram_characters(table)
    for order in TOP_ORDERS:
        scores[f"gopher_top_{order}_gram_character_fraction"] = repeated[order] / character_count
    for order in DUPLICATE_ORDERS:
        scores[f"gopher_duplicate_{order}_gram_character_fraction"] = repeated[order] / character_count
    return scores


@dataclass(frozen=True)
class MeasureGopher:
    """Gives a document the scores `gopher_*` (the names of `KeepGopher`'s limits without `min_` and `max_`).

    `profile`: `paper` reads the rules as the paper words them; `datatrove` as datatrove 0.10.1 codes them, faults
    included, which needs spaCy. Reason, of the latter only: `word_too_long`, on which spaCy takes quadratic time.
    """

    profile: Literal["paper", "datatrove"] = "paper"

    def prepare(self) -> Transform:
        """ValueError when the profile needs spaCy and it is not installed."""
        if self.profile == "paper":
            return lambda document: document.with_scores(**scores_as_float32(gopher_scores(document.text)))
        split = english_words()

        def measure(document: Document) -> Document | Rejected:
            words = split(document.text)
            if words is None:
                return Rejected(document, "word_too_long")
            scores = datatrove_gopher_scores(document.text, words)
            return document.with_scores(**scores_as_float32(scores))

        return measure


@dataclass(frozen=True)
class KeepGopher:
    """Keeps documents whose `gopher_*` scores are within all limits; a score equal to its limit passes.

    Reasons: see `REASONS`, in the order in which the rules are tried. All rules of the paper but its language and
    duplicate steps.
    """

    # Gopher, appendix A.1.1, "Quality Filtering"
    min_words: int = 50  # "between 50 and 100,000 words"
    max_words: int = 100_000
    min_mean_word_characters: float = 3.0  # "mean word length is outside the range of 3 to 10 characters"
    max_mean_word_characters: float = 10.0
    max_hashes_per_word: float = 0.1  # "a symbol-to-word ratio greater than 0.1 for either"
    max_ellipses_per_word: float = 0.1  # "the hash symbol or the ellipsis"
    max_bullet_line_fraction: float = 0.9  # "more than 90% of lines starting with a bullet point"
    max_ellipsis_line_fraction: float = 0.3  # "more than 30% ending with an ellipsis"
    min_alphabetic_word_fraction: float = 0.8  # "80% of words ... contain at least one alphabetic character"
    min_stop_words: int = 2  # "at least two of the following English words"
    # Gopher, appendix A.1.1, "Repetition Removal", limits of table A1
    max_duplicate_paragraph_fraction: float = 0.30
    max_duplicate_paragraph_character_fraction: float = 0.20
    max_duplicate_line_fraction: float = 0.30
    max_duplicate_line_character_fraction: float = 0.20
    max_top_2_gram_character_fraction: float = 0.20
    max_top_3_gram_character_fraction: float = 0.18
    max_top_4_gram_character_fraction: float = 0.16
    max_duplicate_5_gram_character_fraction: float = 0.15
    max_duplicate_6_gram_character_fraction: float = 0.14
    max_duplicate_7_gram_character_fraction: float = 0.13
    max_duplicate_8_gram_character_fraction: float = 0.12
    max_duplicate_9_gram_character_fraction: float = 0.11
    max_duplicate_10_gram_character_fraction: float = 0.10

    def __post_init__(self) -> None:
        check_limits(self, REASONS)

    def __call__(self, document: Document) -> Document | Rejected:
        return keep_within_limits(document, self, REASONS, "gopher")


REASONS: Mapping[str, str] = {
    "min_words": "few_words",
    "max_words": "many_words",
    "min_mean_word_characters": "short_words",
    "max_mean_word_characters": "long_words",
    "max_hashes_per_word": "many_hashes",
    "max_ellipses_per_word": "many_ellipses",
    "max_bullet_line_fraction": "many_bullet_lines",
    "max_ellipsis_line_fraction": "many_ellipsis_lines",
    "min_alphabetic_word_fraction": "few_alphabetic_words",
    "min_stop_words": "few_stop_words",
    "max_duplicate_paragraph_fraction": "duplicate_paragraphs",
    "max_duplicate_paragraph_character_fraction": "duplicate_paragraph_characters",
    "max_duplicate_line_fraction": "duplicate_lines",
    "max_duplicate_line_character_fraction": "duplicate_line_characters",
    **{f"max_top_{order}_gram_character_fraction": f"frequent_{order}_gram" for order in TOP_ORDERS},
    **{
        f"max_duplicate_{order}_gram_character_fraction": f"duplicate_{order}_grams"
        for order in DUPLICATE_ORDERS
    },
}
