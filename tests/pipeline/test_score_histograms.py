"""Histograms of scores: each score once, whether the document was kept or not; parts add up."""

from __future__ import annotations

from dataclasses import replace

from pipeline.score_histograms import EDGES, ScoreHistograms, add_histograms
from stages.document import Document, Origin

PAGE = Document(id="a", source="commoncrawl", text="x", origin=Origin("f"))


def test_a_score_is_counted_when_a_step_adds_it_and_only_then() -> None:
    seen = ScoreHistograms()
    scored = replace(PAGE, language="en", language_score=0.51)
    seen.see(PAGE, scored)
    seen.see(scored, scored.with_scores(perplexity=99.0))
    seen.see(scored.with_scores(perplexity=99.0), scored.with_scores(perplexity=99.0, other=1.0))
    counts = seen.as_json()
    assert {name: sum(c) for name, c in counts.items()} == {"language_score": 1, "perplexity": 1}
    bin = counts["perplexity"].index(1)
    assert EDGES["perplexity"][bin] <= 99.0 < EDGES["perplexity"][bin + 1]
    assert counts["language_score"][20] == 1


def test_scores_beyond_the_edges_count_at_the_ends() -> None:
    seen = ScoreHistograms()
    seen.see(PAGE, PAGE.with_scores(perplexity=float("inf")))
    seen.see(PAGE, PAGE.with_scores(perplexity=0.5))
    counts = seen.as_json()["perplexity"]
    assert (counts[0], counts[-1]) == (1, 1)


def test_parts_add_up() -> None:
    assert add_histograms([{"reference": [1, 2]}, {}, {"reference": [0, 3]}]) == {"reference": [1, 5]}
