"""Gopher's and FineWeb's numbers as datatrove 0.10.1 computes them, faults included, for comparison with its corpora.

In: a text and its words. Out: the same scores as `gopher_scores` and `fineweb_scores`. datatrove's English words are
the tokens of spaCy's blank English pipeline, punctuation marks included; spaCy is imported when this profile is
chosen, not before. What differs from the papers' wording is listed in docs/quality_rules.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from stages.punctuation import SENTENCE_ENDS
from stages.repetition import DUPLICATE_ORDERS, TOP_ORDERS, duplicate_parts

# A token of these characters only is no word where words are counted and measured. Control characters: 0 to 31 but
# for 9 and 10, and 127 to 159.
PUNCTUATION = SENTENCE_ENDS.union(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»",
    map(chr, (*range(9), 11, 12, *range(13, 32), *range(127, 160))),
)
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})  # Gopher, appendix A.1.1
BULLETS = ("•", "-")
ELLIPSES = ("...", "…")
MAX_SHORT_LINE_CHARACTERS = 30  # a short line has no more
MAX_WORD_CHARACTERS = 1_000  # ours: 1,000 brackets without white space take spaCy 0.13 s, 8,000 take 10 s

_PARAGRAPH_END = re.compile(r"\n{2,}")
_LINE_END = re.compile(r"\n+")


def english_words() -> Callable[[str], list[str] | None]:
    """The function from a text to its words; None for a text with a word of more than `MAX_WORD_CHARACTERS`.

    ValueError when spaCy is not installed.
    """
    try:
        import spacy  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ValueError(
            "profile datatrove takes its words from spaCy, which is not installed; "
            "pip install 'llama-corpus[parity]', or set profile to paper"
        ) from error
    english = spacy.blank("en")

    def split(text: str) -> list[str] | None:
        if max(map(len, text.split()), default=0) > MAX_WORD_CHARACTERS:
            return None
        with english.memory_zone():  # else spaCy keeps every word that it ever saw
            tokens = [token.text.strip() for token in english.tokenizer(text)]
        return [token for token in tokens if token]

    return split


def _top_ngram_characters(words: Sequence[str], order: int) -> int:
    """Characters, blanks between words included, of the first of the most frequent n-grams, times its count."""
    counts = Counter(" ".join(words[i : i + order]) for i in range(len(words) - order + 1))
    if not counts:
        return 0
    top = max(counts, key=counts.__getitem__)
    return len(top) * counts[top]


def _duplicate_ngram_characters(words: Sequence[str], order: int) -> int:
    """Characters of n-grams seen before, compared with their words glued together; after one, its words are passed."""
    seen: set[str] = set()
    characters = position = 0
    while position + order <= len(words):
        ngram = "".join(words[position : position + order])
        if ngram in seen:
            characters += len(ngram)
            position += order
        else:
            seen.add(ngram)
            position += 1
    return characters


def datatrove_gopher_scores(text: str, words: Sequence[str]) -> dict[str, float]:
    """The scores of datatrove's Gopher filters; a text without words has 0 where these would divide by zero."""
    proper = [len(word) for word in words if not PUNCTUATION.issuperset(word)]
    lines = text.splitlines()
    paragraphs, repetition_lines = _PARAGRAPH_END.split(text.strip()), _LINE_END.split(text)
    paragraph_copies, paragraph_characters = duplicate_parts(paragraphs)
    line_copies, line_characters = duplicate_parts(repetition_lines)
    word_count, line_count, character_count = max(len(words), 1), max(len(lines), 1), max(len(text), 1)
    scores = {
        "gopher_words": float(len(proper)),
        "gopher_mean_word_characters": sum(proper) / max(len(proper), 1),
        "gopher_hashes_per_word": text.count("#") / word_count,
        "gopher_ellipses_per_word": sum(map(text.count, ELLIPSES)) / word_count,
        "gopher_bullet_line_fraction": sum(line.lstrip().startswith(BULLETS) for line in lines) / line_count,
        "gopher_ellipsis_line_fraction": sum(line.rstrip().endswith(ELLIPSES) for line in lines) / line_count,
        "gopher_alphabetic_word_fraction": sum(any(map(str.isalpha, word)) for word in words) / word_count,
        "gopher_stop_words": float(len(STOP_WORDS.intersection(words))),
        "gopher_duplicate_line_fraction": line_copies / len(repetition_lines),
        "gopher_duplicate_line_character_fraction": line_characters / character_count,
        "gopher_duplicate_paragraph_fraction": paragraph_copies / len(paragraphs),
        "gopher_duplicate_paragraph_character_fraction": paragraph_characters / character_count,
    }
    for order in TOP_ORDERS:
        scores[f"gopher_top_{order}_gram_character_fraction"] = (
            _top_ngram_characters(words, order) / character_count
        )
    for order in DUPLICATE_ORDERS:
        scores[f"gopher_duplicate_{order}_gram_character_fraction"] = (
            _duplicate_ngram_characters(words, order) / character_count
        )
    return scores


def datatrove_fineweb_scores(text: str, words: int) -> dict[str, float]:
    """The scores of datatrove's FineWeb filter for a text of so many words; 0 where it would divide by zero."""
    lines = [line for line in text.split("\n") if line.strip()]
    line_count = max(len(lines), 1)
    characters = len(text) - text.count("\n")
    return {
        "fineweb_punctuated_line_fraction": sum(line[-1] in SENTENCE_ENDS for line in lines) / line_count,
        "fineweb_short_line_fraction": sum(len(line) <= MAX_SHORT_LINE_CHARACTERS for line in lines)
        / line_count,
        "fineweb_duplicate_line_character_fraction": duplicate_parts(lines)[1] / max(characters, 1),
        "fineweb_newlines_per_word": text.count("\n") / max(words, 1),
    }
