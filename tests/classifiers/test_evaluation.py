from __future__ import annotations

import random

import pytest

from classifiers.evaluation import (
    area_interval,
    area_under_curve,
    calibration,
    threshold_curve,
    thresholds_by_kept_fraction,
)


def test_area_under_curve_counts_ties_half() -> None:
    assert area_under_curve([0.9, 0.5], [0.5, 0.1]) == 0.875
    assert area_under_curve([0.1], [0.9]) == 0.0
    assert area_under_curve([0.5], [0.5]) == 0.5


def test_area_under_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    choose = random.Random(1)
    for _ in range(50):
        ups, downs = ([choose.randint(0, 9) / 10 for _ in range(choose.randint(1, 20))] for _ in range(2))
        wins = sum((up > down) + (up == down) / 2 for up in ups for down in downs)
        assert area_under_curve(ups, downs) == pytest.approx(wins / (len(ups) * len(downs)))


def test_interval_holds_the_area_and_is_the_same_every_time() -> None:
    choose = random.Random(2)
    ups, downs = [choose.gauss(0.6, 0.2) for _ in range(200)], [choose.gauss(0.4, 0.2) for _ in range(200)]
    hosts = [f"{i}.org" for i in range(200)]
    low, high = area_interval(ups, downs, hosts, [f"x{host}" for host in hosts], seed=7)
    assert low < area_under_curve(ups, downs) < high
    assert 0.05 < high - low < 0.15  # Hanley and McNeil 1982: about 0.1 for 200 against 200 at 0.76
    assert (low, high) == area_interval(ups, downs, hosts, [f"x{host}" for host in hosts], seed=7)


def test_interval_widens_when_pages_come_from_few_hosts() -> None:
    choose = random.Random(3)
    ups, downs = [choose.gauss(0.6, 0.2) for _ in range(100)], [choose.gauss(0.4, 0.2) for _ in range(100)]
    ups.sort()  # pages of one host are alike
    hosts = [f"{i}" for i in range(100)]
    many = area_interval(ups, downs, hosts, [f"x{host}" for host in hosts], seed=1)
    few = area_interval(ups, downs, [str(i // 20) for i in range(100)], [f"x{h}" for h in hosts], seed=1)
    assert few[1] - few[0] > 1.3 * (many[1] - many[0])


def test_interval_of_one_host_is_unknown() -> None:
    assert area_interval([0.9], [0.1], ["a"], ["a"], seed=1) == (1.0, 1.0)
    assert area_interval([0.9], [], ["a"], [], seed=1) == (0.0, 1.0)


def test_a_score_at_the_threshold_is_kept() -> None:
    rows = threshold_curve([0.5, 1.0], [0.0, 0.25], [0.25, 0.5, 0.75, 1.0], steps=4)
    assert [row["threshold"] for row in rows] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [row["kept"] for row in rows] == [1.0, 1.0, 0.75, 0.5, 0.25]
    assert [row["recall"] for row in rows] == [1.0, 1.0, 1.0, 0.5, 0.5]
    assert [row["false_positive_rate"] for row in rows] == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert [row["precision"] for row in rows] == [0.5, pytest.approx(2 / 3), 1.0, 1.0, 1.0]


def test_a_curve_without_a_sample_or_without_anything_kept_says_none() -> None:
    last = threshold_curve([0.5], [0.5], [], steps=1)[-1]
    assert (last["kept"], last["recall"], last["precision"]) == (None, 0.0, None)


def test_thresholds_keep_at_least_the_share_that_they_stand_for() -> None:
    assert thresholds_by_kept_fraction([0.1, 0.2, 0.3, 0.4], steps=4) == [0.4, 0.3, 0.2, 0.1]
    assert thresholds_by_kept_fraction([0.1, 0.2, 0.3], steps=4) == [0.3, 0.2, 0.1, 0.1]
    assert thresholds_by_kept_fraction([], steps=4) == []


def test_calibration_compares_scores_with_shares_of_positives() -> None:
    found = calibration([1.0, 0.85, 0.15], [0.11, 0.19, 0.0])
    bins = {bin["low"]: bin for bin in found["bins"]}
    assert len(bins) == 10
    assert bins[0.1]["pages"] == 3 and bins[0.1]["positive_fraction"] == pytest.approx(1 / 3)
    assert bins[0.1]["mean_score"] == pytest.approx(0.15)
    assert bins[0.9]["pages"] == 1 and bins[0.9]["positive_fraction"] == 1.0  # 1.0 is in the last bin
    assert bins[0.5] == {"low": 0.5, "high": 0.6, "pages": 0, "mean_score": None, "positive_fraction": None}
    assert found["brier"] == pytest.approx((0.15**2 + 0.85**2 + 0.11**2 + 0.19**2) / 6)
    assert found["ece"] == pytest.approx((3 * (1 / 3 - 0.15) + 0.15) / 6)
