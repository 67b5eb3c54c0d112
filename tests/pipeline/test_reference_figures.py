from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.reference_figures import reference_gate, reference_report, reference_threshold, with_curves

CURVE = [{"threshold": i / 4, "kept": 1 - i / 4, "recall": 1 - i / 8, "precision": i / 4} for i in range(5)]
REPORT: dict[str, Any] = {
    "positive_histogram": [1, 3],
    "negative_histogram": [4, 0],
    "curve": CURVE,
    "calibration": {"bins": [{"low": 0.0}], "brier": 0.2, "ece": 0.1},
    "threshold": 0.25,
    "thresholds_by_kept_fraction": [0.9, 0.8, 0.7, 0.6],
}


def config(**parameters: float | None) -> dict[str, Any]:
    return {"sources": {"commoncrawl": {"steps": {"keep_references": parameters}}}}


def test_the_threshold_is_the_one_that_the_run_applied(tmp_path: Path) -> None:
    assert reference_threshold(str(tmp_path), config(min_probability=0.4, keep_fraction=None)) == 0.4
    assert reference_threshold(str(tmp_path), {"sources": {"commoncrawl": {"steps": {}}}}) is None
    assert reference_threshold(str(tmp_path), {"sources": {}}) is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "reference.json").write_text(json.dumps(REPORT))
    assert reference_threshold(str(tmp_path), config(min_probability=0.4, keep_fraction=0.5)) == 0.8
    assert reference_report(str(tmp_path)) == REPORT


def test_precision_and_recall_are_those_at_the_threshold_of_the_run() -> None:
    shown = with_curves({"auc": 0.8, "precision": 0.1}, REPORT, 0.6)
    assert (shown["threshold"], shown["precision"], shown["recall"]) == (0.6, 0.5, 0.75)
    assert shown["histogram"] == {"edges": [0.0, 0.5, 1.0], "positives": [1, 3], "negatives": [4, 0]}
    assert shown["reliability"] == [{"low": 0.0}] and shown["curve"] == CURVE
    assert with_curves({"auc": 0.8}, REPORT, None)["threshold"] == 0.25
    assert with_curves({"sha256": "ab"}, {}, 0.6) == {"sha256": "ab"}


@pytest.mark.parametrize(
    ("changed", "state", "detail"),
    [
        ({}, "green", "AUC 0.80 (0.70 to 0.90) on 400 pages of held-out hosts"),
        ({"held_out": 40}, "amber", "fewer than 50 say little"),
        ({"auc": 0.7}, "amber", "under 0.75: is what it learned from right?"),
        (
            {"sample_trained_fraction": 0.38},
            "amber",
            "38.0 % of the pages it judges trained it and are judged by heart",
        ),
    ],
)
def test_the_gate_says_what_is_weak(changed: dict[str, float], state: str, detail: str) -> None:
    facts = {"auc": 0.8, "auc_low": 0.7, "auc_high": 0.9, "held_out": 400, "sample_trained_fraction": 0.01}
    gate = reference_gate({**facts, **changed})
    assert gate["state"] == state
    assert gate["detail"].endswith(detail)
