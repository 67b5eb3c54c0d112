"""Which blocks of a page are its main text, told from the known text; and how well a found text meets the known one.

Both count runs of four words. The measure is the one of Scrapinghub's article-extraction-benchmark (evaluate.py), with
one difference: a Han or kana sign is a word of its own, where that benchmark takes a whole run of them for one.
Labels follow from the same runs: a block belongs to the text when at least half of its runs are in it; a block of fewer
than four words is judged by the runs that it makes with its neighbours.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS_PER_SHINGLE = 4  # article-extraction-benchmark, evaluate.py: ngram_n
MIN_FRACTION_IN_TEXT = 0.5  # of a block's shingles; our choice
_HAN_AND_KANA = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN_AND_KANA}]|[^\W{_HAN_AND_KANA}]+")

Shingle = tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores, in the case that they have."""
    return _WORD.findall(text)


def shingles_of(words: Sequence[str]) -> list[Shingle]:
    """Each run of four words; one shorter run where there are fewer, none where there are none."""
    if not words:
        return []
    last = max(1, len(words) - WORDS_PER_SHINGLE + 1)
    return [tuple(words[k : k + WORDS_PER_SHINGLE]) for k in range(last)]


@dataclass(frozen=True, slots=True)
class Labels:
    """`main[k]` is 1.0 where block k is main text; `found` is the fraction of the known text's shingles on the page."""

    main: NDArray[np.float64]
    found: float


def label_blocks(blocks: Sequence[str], text: str) -> Labels:
    """Labels of a page's blocks, which are in the order of the page, against its known text."""
    known = Counter(shingles_of(words_of(text)))
    words: list[str] = []
    bounds = [0]
    for block in blocks:
        words += words_of(block)
        bounds.append(len(words))
    here = shingles_of(words)
    hits = np.fromiter((shingle in known for shingle in here), np.bool_, len(here))
    before = np.concatenate([[0], np.cumsum(hits)])
    main = np.zeros(len(blocks))
    for k, (start, end) in enumerate(itertools.pairwise(bounds)):
        if end - start >= WORDS_PER_SHINGLE:
            first, last = start, end - WORDS_PER_SHINGLE + 1
            main[k] = before[last] - before[first] >= MIN_FRACTION_IN_TEXT * (last - first)
        elif end > start:  # any run that holds the whole block
            first, last = max(0, end - WORDS_PER_SHINGLE), min(start + 1, len(here))
            main[k] = before[last] > before[min(first, last)]
    total = known.total()
    present = (known & Counter(here)).total()
    return Labels(main, present / total if total else 0.0)


@dataclass(frozen=True, slots=True)
class Match:
    """Shingles in both texts, only in the found one, only in the known one: as fractions of their sum."""

    both: float
    only_found: float
    only_known: float

    @property
    def f1(self) -> float:
        """Of this page alone: 1 where both texts are empty."""
        double = 2 * self.both
        errors = self.only_found + self.only_known
        return double / (double + errors) if double + errors else 1.0


def match_texts(found: str, known: str) -> Match:
    """How a found text meets the known one; repeated shingles count as often as they occur."""
    f, k = Counter(shingles_of(words_of(found))), Counter(shingles_of(words_of(known)))
    both = (f & k).total()
    total = f.total() + k.total() - both
    if not total:
        return Match(0.0, 0.0, 0.0)
    return Match(both / total, (f.total() - both) / total, (k.total() - both) / total)


@dataclass(frozen=True, slots=True)
class Score:
    f1: float
    precision: float
    recall: float


def score_matches(matches: Sequence[Match]) -> Score:
    """Means over pages as the benchmark takes them: precision of pages with a found text, recall of pages with a known
    one, F1 of the two means. 0 where there is no such page."""
    table = np.array([(m.both, m.only_found, m.only_known) for m in matches]).reshape(-1, 3)
    precision, recall = precisions_and_recalls(table)
    return mean_score(precision, recall)


def precisions_and_recalls(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each row (both, only found, only known): NaN where there is no found text, or no known text."""
    both, only_found, only_known = table.T
    with np.errstate(invalid="ignore"):
        return both / (both + only_found), both / (both + only_known)


def mean_score(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> Score:
    """F1, precision and recall of the means over the pages that have them."""
    p, r = precision[~np.isnan(precision)], recall[~np.isnan(recall)]
    mean_p, mean_r = float(p.mean()) if len(p) else 0.0, float(r.mean()) if len(r) else 0.0
    return Score(2 * mean_p * mean_r / (mean_p + mean_r) if mean_p + mean_r else 0.0, mean_p, mean_r)
