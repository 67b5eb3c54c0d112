"""Finds documents that hold items of benchmarks, and flags or drops them: a document in, the same or a rejection out.

Two texts overlap when they have a run of 13 words in common (`stages.ngram_search`), the rule of GPT-3 (arXiv
2005.14165, appendix C) and of lm-evaluation-harness. The hits travel with the document, so that a limit can change
without a new run: a score, and each hit with the passage of the document that is the item's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.benchmark_items import PASSAGE, QUESTION, BenchmarkText, read_texts
from stages.document import Document, Rejected
from stages.ngram_kernels import WORDS
from stages.ngram_search import KnownText, NgramIndex, Overlap, composed, words_of
from stages.score_limits import as_float32
from stages.stage import Outcome, Transform

SCORE = HITS = REASON = "benchmark_overlap"
MAX_PASSAGE_CHARACTERS = 400  # of a passage, as shown beside the item: about five n-grams
MAX_PASSAGES = 100  # a document, which may be a whole benchmark; further hits are told without their passage


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a document overlaps with: in which of the item's parts, the fraction (0..1) of that part's words
    that is covered, and the document's passage."""

    benchmark: str
    item: int
    part: str
    covered: float
    passage: str


def write_hits(hits: Sequence[Hit]) -> str:
    """Hits as a line of JSON: a list of [benchmark, item, part, covered, passage]."""
    rows = [[hit.benchmark, hit.item, hit.part, hit.covered, hit.passage] for hit in hits]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def read_hits(line: str) -> list[Hit]:
    """The hits of `write_hits`."""
    return [Hit(*row) for row in json.loads(line)]


def known_texts(texts: Sequence[BenchmarkText]) -> list[KnownText]:
    """What is searched for of each text of the benchmarks.

    Of an answer, the last 12 words of what stands before it are searched with it, so that every n-gram that has a word
    of the answer is found, and none twice. A bare question is not searched for when it is short ("how do you clean a
    window"), a question with its answer is.
    """
    items: dict[tuple[str, int], int] = {}
    known = []
    for text in texts:
        words = [*words_of(text.lead)[1 - WORDS :], *words_of(text.text)]
        item = items.setdefault((text.benchmark, text.item), len(items))
        known.append(KnownText(words, item, short=not text.part.startswith((QUESTION, PASSAGE))))
    return known


@dataclass(frozen=True)
class Decontaminate:
    """Gives documents that overlap with benchmarks the score and the metadata `benchmark_overlap`; `drop` removes those
    that hold more than `max_covered_fraction` of the words of a question or answer in shared n-grams.

    The score is that fraction. What a benchmark quotes (`passage`) is told and does not count. `benchmarks` is the path
    of a file of `benchmark_items.write_text`'s lines. Reason: `benchmark_overlap`; the detail is the metadata.
    """

    mode: Literal["flag", "drop"] = "drop"
    # Llama 2 (arXiv 2307.09288, appendix A.6) calls a sample with under 20 % of its tokens in shared n-grams clean and
    # one with 80 % dirty; half is between. 0 is GPT-3's rule: any overlap.
    max_covered_fraction: float = 0.5
    benchmarks: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.max_covered_fraction <= 1:
            raise ValueError(f"max_covered_fraction must be in 0..1, not {self.max_covered_fraction}")

    def prepare(self) -> Transform:
        """Read the benchmarks. ValueError when they cannot be read."""
        texts = read_texts(self.benchmarks)
        index = NgramIndex(known_texts(texts))

        def check(document: Document) -> Outcome:
            overlaps = index.find(document.text)
            if not overlaps:
                return document
            hits = _hits(composed(document.text), overlaps, texts)
            score = as_float32(max((hit.covered for hit in hits if hit.part != PASSAGE), default=0.0))
            flagged = document.with_scores(**{SCORE: score}).with_metadata(**{HITS: write_hits(hits)})
            if self.mode == "flag" or score <= as_float32(self.max_covered_fraction):
                return flagged
            return Rejected(flagged, REASON, score=score, detail=flagged.metadata[HITS])

        return check


def _hits(text: str, overlaps: Sequence[Overlap], texts: Sequence[BenchmarkText]) -> list[Hit]:
    """One hit an item, in the order of the benchmarks: of its part that is covered most, a passage last."""
    best: dict[tuple[str, int], Overlap] = {}
    for overlap in overlaps:
        item = (texts[overlap.text].benchmark, texts[overlap.text].item)
        if item not in best or _rank(overlap, texts) > _rank(best[item], texts):
            best[item] = overlap
    return [
        Hit(
            benchmark,
            item,
            texts[overlap.text].part,
            round(overlap.covered, 3),
            text[overlap.start : min(overlap.end, overlap.start + MAX_PASSAGE_CHARACTERS)]
            if number < MAX_PASSAGES
            else "",
        )
        for number, ((benchmark, item), overlap) in enumerate(best.items())
    ]


def _rank(overlap: Overlap, texts: Sequence[BenchmarkText]) -> tuple[bool, float]:
    return texts[overlap.text].part != PASSAGE, overlap.covered
