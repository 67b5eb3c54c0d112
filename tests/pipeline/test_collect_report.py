"""What the report is made of: the scores of crawled pages with what the thresholds of the run keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.collect_report import _histograms, _tokenizer, _training
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


def test_reads_the_training_curve_and_what_a_unigram_model_has(tmp_path: Path) -> None:
    assert _training(str(tmp_path), "ab") is None
    (tmp_path / "train").mkdir()
    records = [
        {"step": 1, "loss": 5.0},
        {
            "step": 2,
            "loss": None,
            "validation": {"books": 4.5},
            "validation_bits_per_byte": {"books": 2.0},
        },
        {"step": 2, "message": "left out"},
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "train/metrics.jsonl").write_text(lines, encoding="utf-8")
    summary: dict[str, object] = {"tokenizer_sha256": "ab", "preset": "toy", "parameters": 9}
    (tmp_path / "train/summary.json").write_text(json.dumps(summary), encoding="utf-8")
    expected = {
        "steps": [1, 2],
        "loss": [5.0, None],
        "validation": {"books": [[2, 4.5]]},
        "bits_per_byte": {"books": [[2, 2.0]]},
        "unigram": {},
        "preset": "toy",
        "parameters": 9,
    }
    assert _training(str(tmp_path), "ab") == expected
    summary["unigram_loss"] = {"books": 6.5}
    (tmp_path / "train/summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert _training(str(tmp_path), "ab") == {**expected, "unigram": {"books": 6.5}}
    assert _training(str(tmp_path), "cd") is None  # trained with another tokenizer


def test_the_tokenizer_is_shown_with_its_sample_and_fit(tmp_path: Path) -> None:
    given = {"sha256": "ab", "vocabulary": 300, "given": "a.model"}
    assert _tokenizer(str(tmp_path), given) == given
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/fertility.json").write_text('{"sources": {}}', encoding="utf-8")
    trained = {"sha256": "ab", "vocabulary": 300, "sample": {"bytes": 1}, "settings": {"unk_id": 0}}
    assert _tokenizer(str(tmp_path), trained) == {
        "sha256": "ab",
        "vocabulary": 300,
        "sample": {"bytes": 1},
        "fertility": {"sources": {}},
    }
