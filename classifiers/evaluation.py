"""How well do scores tell two classes apart, and do they mean what they say?

In: scores in 0..1 of held-out positives and negatives, each with the group (the host) that it comes from. Out: the area
under the ROC curve with its interval, what each threshold keeps, and calibration. No model is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REPLICATES = (
    1000  # of the bootstrap; Efron and Tibshirani 1993, chapter 14: 1,000 for the ends of an interval
)
CALIBRATION_BINS = 10  # Guo et al. 2017 draw 10 and 15; 10 leave more pages in each


class ThresholdRow(TypedDict):
    """What a threshold keeps: shares of the sample (None without one), of positives and of negatives; precision among
    as many positives as negatives, None where nothing is kept."""

    threshold: float
    kept: float | None
    recall: float
    false_positive_rate: float
    precision: float | None


class CalibrationBin(TypedDict):
    """Scores from `low` up to `high`: how many, their mean, and the share of positives among them (None: empty)."""

    low: float
    high: float
    pages: int
    mean_score: float | None
    positive_fraction: float | None


class Calibration(TypedDict):
    """Reliability over equal bins. `brier` is the mean squared distance of score and truth (0.25: always 0.5), `ece`
    the expected calibration error (Guo et al. 2017): the mean distance of score and share of positives over the bins.
    """

    bins: list[CalibrationBin]
    brier: float
    ece: float


def _weighted_area(scores: Floats, positive: Floats, negative: Floats) -> float:
    """Area under the curve of scores in rising order that stand for so many positives and negatives each."""
    starts = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
    ups, downs = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    below = np.cumsum(downs) - downs
    return float(((below + downs / 2) * ups).sum() / (ups.sum() * downs.sum()))


def area_under_curve(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Chance that a random positive scores above a random negative, ties half (Mann-Whitney); both non-empty."""
    scores, is_positive = _rising(positives, negatives)
    return _weighted_area(scores, is_positive, 1 - is_positive)


def _rising(positives: Sequence[float], negatives: Sequence[float]) -> tuple[Floats, Floats]:
    scores = np.asarray([*positives, *negatives], np.float64)
    is_positive = np.repeat([1.0, 0.0], [len(positives), len(negatives)])
    order = np.argsort(scores, kind="stable")
    return scores[order], is_positive[order]


def area_interval(
    positives: Sequence[float],
    negatives: Sequence[float],
    positive_groups: Sequence[str],
    negative_groups: Sequence[str],
    seed: int,
) -> tuple[float, float]:
    """The central 95 % of the area under the curve when whole groups are drawn again with replacement.

    Pages of one host are alike, so hosts are drawn and not pages. Draws without a page of each class are left out;
    (0, 1) when that leaves none. The draws are those of NumPy's RandomState, whose stream never changes.
    """
    groups = [*positive_groups, *negative_groups]
    number = {group: index for index, group in enumerate(sorted(set(groups)))}
    scores = np.asarray([*positives, *negatives], np.float64)
    order = np.argsort(scores, kind="stable")
    of_group = np.asarray([number[group] for group in groups])[order]
    is_positive = np.repeat([1.0, 0.0], [len(positives), len(negatives)])[order]
    draw = np.random.RandomState(seed % 2**32)
    areas = []
    for _ in range(REPLICATES):
        weights = np.bincount(draw.randint(0, len(number), len(number)), minlength=len(number))[of_group]
        up, down = weights * is_positive, weights * (1 - is_positive)
        if up.any() and down.any():
            areas.append(_weighted_area(scores[order], up, down))
    if not areas:
        return 0.0, 1.0
    low, high = np.quantile(areas, (0.025, 0.975))
    return float(low), float(high)


def threshold_curve(
    positives: Sequence[float], negatives: Sequence[float], sample: Sequence[float], steps: int = 100
) -> list[ThresholdRow]:
    """One row for each threshold 0, 1 / steps, ... 1; a score that equals the threshold is kept."""

    def kept(scores: Sequence[float]) -> Floats:
        ordered = np.sort(np.asarray(scores, np.float64))
        return 1 - np.searchsorted(ordered, thresholds, side="left") / max(len(ordered), 1)

    thresholds = np.arange(steps + 1) / steps
    shares, ups, downs = kept(sample), kept(positives), kept(negatives)
    return [
        {
            "threshold": float(threshold),
            "kept": float(share) if len(sample) else None,
            "recall": float(up),
            "false_positive_rate": float(down),
            "precision": float(up / (up + down)) if up + down else None,
        }
        for threshold, share, up, down in zip(thresholds, shares, ups, downs, strict=True)
    ]


def thresholds_by_kept_fraction(sample: Sequence[float], steps: int = 1000) -> list[float]:
    """The highest thresholds that keep at least 1 / steps, 2 / steps, ... all of a sample; none for an empty one."""
    falling = np.sort(np.asarray(sample, np.float64))[::-1]
    if not len(falling):
        return []
    ranks = -(-np.arange(1, steps + 1) * len(falling) // steps) - 1
    return [float(score) for score in falling[ranks]]


def calibration(positives: Sequence[float], negatives: Sequence[float]) -> Calibration:
    """Reliability of scores as probabilities of being positive, where half of all are; both non-empty."""
    scores = np.asarray([*positives, *negatives], np.float64)
    truth = np.repeat([1.0, 0.0], [len(positives), len(negatives)])
    place = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins: list[CalibrationBin] = []
    error = 0.0
    for index in range(CALIBRATION_BINS):
        inside = place == index
        count = int(inside.sum())
        mean = float(scores[inside].mean()) if count else None
        share = float(truth[inside].mean()) if count else None
        if mean is not None and share is not None:
            error += count * abs(mean - share)
        low, high = index / CALIBRATION_BINS, (index + 1) / CALIBRATION_BINS
        bins.append(
            {"low": low, "high": high, "pages": count, "mean_score": mean, "positive_fraction": share}
        )
    return {
        "bins": bins,
        "brier": float(((scores - truth) ** 2).mean()),
        "ece": error / len(scores),
    }
