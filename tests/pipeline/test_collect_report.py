"""What the report is made of: the scores of crawled pages with what the thresholds of the run keep."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.collect_report import _histograms
from pipeline.score_histograms import EDGES


def histograms(keep: list[str]) -> dict[str, Any]:
    counts = {name: [1] * (len(edges) - 1) for name, edges in EDGES.items()}
    manifest = {
        "sources": {"commoncrawl": {"histograms": counts}},
        "models": {"lm": {"en": {"p30": 50.0, "p60": 90.0}}},
    }
    steps = {"keep_language": {"min_score": 0.5}, "keep_perplexity": {"keep": keep}}
    config = {"sources": {"commoncrawl": {"steps": steps}}}
    return dict(_histograms(manifest, config, 0.25))


def test_each_histogram_says_which_scores_survive() -> None:
    found = histograms(["head", "middle"])
    assert {name: figure["kept"] for name, figure in found.items()} == {
        "language_score": (0.5, None),
        "perplexity": (None, 90.0),
        "reference": (0.25, None),
    }


@pytest.mark.parametrize(
    ("keep", "interval"),
    [
        (["head"], (None, 50.0)),
        (["middle"], (50.0, 90.0)),
        (["tail", "middle"], (50.0, None)),
        (["tail"], (90.0, None)),
        (["head", "middle", "tail"], (None, None)),
        (["head", "tail"], (None, None)),
    ],
)
def test_buckets_make_an_interval(keep: list[str], interval: tuple[float | None, float | None]) -> None:
    assert histograms(keep)["perplexity"]["kept"] == interval
