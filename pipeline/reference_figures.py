"""What the mixture report shows of the Wikipedia-reference classifier: figures at the threshold of the run, and a gate.

In: the finished run's folder, resolved configuration and manifest, and the report that training wrote beside the model.
"""

from __future__ import annotations

from typing import Any

from mixtures.report_data import Gate
from mixtures.report_text import share
from pipeline import files
from pipeline.train_models import REFERENCE_REPORT_PATH
from stages.references import threshold_that_keeps

MIN_HELD_OUT = 50  # pages: with fewer, an AUC is known to no better than about 0.1; our choice
MIN_AUC = 0.75  # under this the reference classifier is little better than a coin; our choice
MAX_TRAINED_FRACTION = 0.05  # of what it judges: pages that trained it are judged by heart; our choice


def reference_report(folder: str) -> dict[str, Any]:
    """What the training of the reference classifier reported; empty when the run did not train it."""
    path = files.join(folder, REFERENCE_REPORT_PATH)
    return files.read_json(path) if files.exists(path) else {}


def reference_threshold(folder: str, config: dict[str, Any]) -> float | None:
    """The threshold that the run applied to references; None when it had no such step."""
    parameters = config["sources"].get("commoncrawl", {}).get("steps", {}).get("keep_references")
    if parameters is None:
        return None
    if parameters.get("keep_fraction") is not None:
        return threshold_that_keeps(parameters["keep_fraction"], reference_report(folder))
    threshold: float = parameters["min_probability"]
    return threshold


def with_curves(facts: dict[str, Any], report: dict[str, Any], threshold: float | None) -> dict[str, Any]:
    """The model's facts with curve, calibration and histograms of its training report, if there is one, and with
    precision and recall at the threshold of the run."""
    if not report:
        return facts
    bins, curve = len(report["positive_histogram"]), report["curve"]
    threshold = report["threshold"] if threshold is None else threshold
    at = [row for row in curve if row["threshold"] <= threshold][-1]
    return {
        **facts,
        "threshold": threshold,
        "precision": at["precision"],
        "recall": at["recall"],
        "curve": curve,
        "reliability": report["calibration"]["bins"],
        "histogram": {
            "edges": [i / bins for i in range(bins + 1)],
            "positives": report["positive_histogram"],
            "negatives": report["negative_histogram"],
        },
    }


def reference_gate(facts: dict[str, Any]) -> Gate:
    """Whether a trained classifier can tell references, as far as its held-out pages show."""
    enough, good = facts["held_out"] >= MIN_HELD_OUT, facts["auc"] >= MIN_AUC
    by_heart = facts["sample_trained_fraction"] > MAX_TRAINED_FRACTION
    detail = (
        f"AUC {facts['auc']:.2f} ({facts['auc_low']:.2f} to {facts['auc_high']:.2f}) "
        f"on {facts['held_out']} pages of held-out hosts"
    )
    if not enough:
        detail += f": fewer than {MIN_HELD_OUT} say little"
    elif not good:
        detail += f", under {MIN_AUC}: is what it learned from right?"
    if by_heart:
        trained = share(facts["sample_trained_fraction"])
        detail += f"; {trained} of the pages it judges trained it and are judged by heart"
    return {
        "name": "Reference classifier",
        "state": "green" if enough and good and not by_heart else "amber",
        "detail": detail,
    }
