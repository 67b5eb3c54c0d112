"""Histograms of the scores that the model steps compute, over every document that was scored, kept or not.

Edges are fixed, so that the histograms of all parts add up to that of the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from stages.document import Document

EDGES: Mapping[str, tuple[float, ...]] = {
    "language_score": tuple(i / 40 for i in range(41)),
    "reference": tuple(i / 40 for i in range(41)),
    "perplexity": tuple(float(10 ** (i / 20)) for i in range(121)),  # 1 to a million, 20 bins a decade
}


def scores_of(document: Document) -> dict[str, float]:
    """The scores of a document that are drawn."""
    found = {name: document.scores[name] for name in EDGES if name in document.scores}
    if document.language_score is not None:
        found["language_score"] = document.language_score
    return found


class ScoreHistograms:
    """Counts scores as steps compute them."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def see(self, before: Document, after: Document) -> None:
        """Counts the scores that a step added to a document."""
        if after.scores is before.scores and after.language_score == before.language_score:
            return
        known = scores_of(before)
        for name, value in scores_of(after).items():
            if name not in known:
                self._values.setdefault(name, []).append(value)

    def as_json(self) -> dict[str, list[int]]:
        """Score name -> counts between its `EDGES`; what lies outside counts in the first or last bin."""
        counts = {}
        for name, values in sorted(self._values.items()):
            edges = EDGES[name]
            inside = np.clip(np.nan_to_num(values, posinf=edges[-1]), edges[0], edges[-1])
            counts[name] = np.histogram(inside, bins=edges)[0].tolist()
        return counts


def add_histograms(parts: Iterable[Mapping[str, list[int]]]) -> dict[str, list[int]]:
    """The histograms of many parts added up."""
    total: dict[str, list[int]] = {}
    for part in parts:
        for name, counts in part.items():
            total[name] = [a + b for a, b in zip(total.get(name, [0] * len(counts)), counts, strict=True)]
    return total
