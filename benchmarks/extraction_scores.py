"""Scores of several extractors on the same pages: means with bootstrap intervals, and paired differences.

The intervals are percentiles over resampled pages, the same pages for all extractors in each resample; the seed is
fixed. Measure: see classifiers/block_labels.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.block_labels import Match, Score, precisions_and_recalls, score_matches

RESAMPLES = 2000
SEED = 20260101
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Judged:
    """One extractor on a group of pages; `low` and `high` hold 95 % of the resampled F1."""

    score: Score
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """F1 of one extractor less F1 of another, on the same resamples."""

    mean: float
    low: float
    high: float


class Judgement:
    """All extractors on one group of pages, in the same order."""

    def __init__(self, matches: Mapping[str, Sequence[Match]]) -> None:
        self.pages = len(next(iter(matches.values())))
        drawn = np.random.default_rng(SEED).integers(self.pages, size=(RESAMPLES, self.pages))
        self._scores = {name: score_matches(found) for name, found in matches.items()}
        self._resampled = {name: _resampled_f1(found, drawn) for name, found in matches.items()}

    def judged(self, name: str) -> Judged:
        low, high = np.percentile(self._resampled[name], PERCENTILES)
        return Judged(self._scores[name], float(low), float(high))

    def difference(self, name: str, other: str) -> Difference:
        low, high = np.percentile(self._resampled[name] - self._resampled[other], PERCENTILES)
        return Difference(self._scores[name].f1 - self._scores[other].f1, float(low), float(high))


def _resampled_f1(matches: Sequence[Match], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    table = np.array([(m.both, m.only_found, m.only_known) for m in matches])
    means = []
    for values in precisions_and_recalls(table):
        there = ~np.isnan(values)
        sums = np.where(there, values, 0.0)[drawn].sum(axis=1)
        means.append(sums / np.maximum(there[drawn].sum(axis=1), 1))
    precision, recall = means
    f1: NDArray[np.float64] = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return f1
