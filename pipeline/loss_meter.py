"""What the parsers of a source keep of the raw texts: sums over all documents that leave the cleaning step.

In: the scores `raw_...` and `kept_...` that the step which turns raw into text adds (`stages.content`), a reader or a
cleaner, whether a later step removes the document or not. Out: for each quantity (characters, digits, formulas, code
characters) the documents that have some and both sums, as exact integers, over the part and by language; and the
documents that lost the largest share of their characters. The sums of all parts add up to those of the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.parts import NAMES_PER_PART
from stages.content import KEPT, RAW
from stages.document import Document

MOST_LOST = 10  # documents a source: what one person opens
MIN_CHARACTERS = 1_000  # of raw text: a stub of a few words loses all of it by rights; our choice
RANKED_BY = "characters"

Sums = dict[str, dict[str, int]]  # quantity -> documents, raw, kept


class LossMeter:
    """Adds up what steps report of raw and kept text."""

    def __init__(self) -> None:
        self._total: Sums = {}
        self._languages: dict[str, Sums] = {}
        self._most_lost: list[dict[str, Any]] = []

    def see(self, before: Document | None, after: Document) -> None:
        """Counts what a step (or, without `before`, the reader) reported of a document that it let through."""
        if before is not None and after.scores is before.scores:
            return
        for name in after.scores:
            if name.startswith(RAW) and (before is None or name not in before.scores):
                self._add(name.removeprefix(RAW), after)

    def _add(self, quantity: str, document: Document) -> None:
        raw, kept = (int(document.scores[prefix + quantity]) for prefix in (RAW, KEPT))
        if not raw and not kept:
            return
        for sums in (self._total, self._languages.setdefault(document.language or "unknown", {})):
            _add(sums, quantity, 1, raw, kept)
        if quantity == RANKED_BY and raw >= MIN_CHARACTERS and kept < raw:
            lost = {"id": document.id, "url": document.url, "raw": raw, "kept": kept}
            if len(self._most_lost) < MOST_LOST or _rank(lost) < _rank(self._most_lost[-1]):
                self._most_lost = _first([*self._most_lost, lost])

    def as_json(self) -> dict[str, Any]:
        """`total`, `languages` (the largest `NAMES_PER_PART`), and `most_lost`, the largest loss first."""
        ordered = sorted(self._languages, key=lambda name: (-_documents(self._languages[name]), name))
        return {
            "total": dict(sorted(self._total.items())),
            "languages": {name: self._languages[name] for name in sorted(ordered[:NAMES_PER_PART])},
            "most_lost": self._most_lost,
        }


def add_losses(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the meters of many parts say together."""
    total: Sums = {}
    languages: dict[str, Sums] = {}
    most_lost: list[dict[str, Any]] = []
    for part in parts:
        for sums, added in _pairs(total, languages, part):
            for quantity, counts in added.items():
                _add(sums, quantity, counts["documents"], counts["raw"], counts["kept"])
        most_lost = _first([*most_lost, *part["most_lost"]])
    return {
        "total": dict(sorted(total.items())),
        "languages": dict(sorted(languages.items())),
        "most_lost": most_lost,
    }


def _pairs(total: Sums, languages: dict[str, Sums], part: Mapping[str, Any]) -> Iterator[tuple[Sums, Sums]]:
    yield total, part["total"]
    for name, added in part["languages"].items():
        yield languages.setdefault(name, {}), added


def _add(sums: Sums, quantity: str, documents: int, raw: int, kept: int) -> None:
    counts = sums.setdefault(quantity, {"documents": 0, "raw": 0, "kept": 0})
    counts["documents"] += documents
    counts["raw"] += raw
    counts["kept"] += kept


def _documents(sums: Sums) -> int:
    return max(counts["documents"] for counts in sums.values())


def _first(lost: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst of each id: a page that is in two dumps takes one place."""
    worst: dict[str, dict[str, Any]] = {}
    for document in sorted(lost, key=_rank):
        worst.setdefault(document["id"], document)
    return list(worst.values())[:MOST_LOST]


def _rank(lost: Mapping[str, Any]) -> tuple[float, int, str, str]:
    """Smallest share kept first, then the largest raw text: an order in which no two documents are equal."""
    return lost["kept"] / lost["raw"], -lost["raw"], lost["id"], lost["url"] or ""
