"""The schedule: exact proportions, every row once an epoch, the same for every way of asking."""

from __future__ import annotations

import numpy as np
import pytest

from mixtures.schedule import MAX_ROWS, Schedule, _key, integer_weights, permute

LLAMA1 = (670, 150, 45, 45, 45, 25, 20)


def test_permutes_every_range_up_to_2000_onto_itself() -> None:
    for first in range(1, 2001, 100):
        sizes = np.arange(first, first + 100)
        positions = np.concatenate([np.arange(size) for size in sizes])
        image = permute(positions, np.repeat(sizes, sizes), np.full(1, 5, np.uint64))
        starts = np.cumsum(sizes) - sizes
        for size, start in zip(sizes.tolist(), starts.tolist(), strict=True):
            assert np.array_equal(np.sort(image[start : start + size]), np.arange(size)), size


def test_permutes_random_large_ranges_onto_themselves() -> None:
    chance = np.random.default_rng(8)
    for size in [65_536, 65_537, *chance.integers(2_001, 1_000_000, 6).tolist()]:
        image = permute(np.arange(size), size, chance.integers(0, 1 << 63, 1).astype(np.uint64))
        assert np.array_equal(np.sort(image), np.arange(size)), size


def test_images_in_the_largest_ranges_are_distinct_and_inside() -> None:
    for size in (MAX_ROWS, MAX_ROWS - 1, (1 << 51) + 1, 683_593_751):
        image = permute(np.arange(size - 100_000, size), size, np.full(1, 3, np.uint64))
        assert np.unique(image).size == 100_000
        assert image.min() >= 0 and image.max() < size


def test_permutes_ranges_of_different_sizes_at_once() -> None:
    sizes = np.array([3] * 3 + [10] * 10)
    positions = np.concatenate([np.arange(3), np.arange(10)])
    image = permute(positions, sizes, np.full(1, 9, np.uint64))
    assert sorted(image[:3].tolist()) == list(range(3))
    assert sorted(image[3:].tolist()) == list(range(10))


def test_spreads_positions_evenly_over_a_range_of_the_size_of_llama() -> None:
    size, count = 683_593_750, 32_000
    image = permute(np.arange(count) * (size // count), size, np.full(1, 1, np.uint64))
    cells = np.histogram2d(np.arange(count) * 16 // count, image / size, bins=16)[0]
    assert ((cells - cells.mean()) ** 2 / cells.mean()).sum() / 225 < 1.4
    assert abs(np.corrcoef(image[:-1], image[1:])[0, 1]) < 0.03


def test_reaches_every_order_of_a_small_range() -> None:
    orders = {tuple(permute(np.arange(4), 4, np.full(1, key, np.uint64)).tolist()) for key in range(400)}
    assert len(orders) == 24


@pytest.mark.parametrize("size", [16, 60, 1000])
def test_sends_every_position_anywhere_equally_often(size: int) -> None:
    keys = 400
    positions = np.tile(np.arange(size), keys)
    key = np.repeat(np.arange(keys, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), size)
    image = permute(positions, size, key)
    cells = min(size, 16)
    table = np.histogram2d(positions * cells // size, image * cells // size, bins=cells)[0]
    expected = np.outer(*(np.bincount(np.arange(size) * cells // size) for _ in "ab")) * keys / size
    freedom = (cells - 1) ** 2
    chi_square = ((table - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5  # five standard deviations


def test_epochs_are_independent_orders() -> None:
    size, epochs = 997, 12
    located = Schedule((1,), (size,), seed=11).locate(np.arange(size * epochs))
    orders = located.row.reshape(epochs, size)
    assert located.epoch.tolist() == np.repeat(np.arange(epochs), size).tolist()
    for first in range(epochs):
        for second in range(first):
            correlation = np.corrcoef(orders[first], orders[second])[0, 1]
            assert abs(correlation) < 5 / size**0.5
            # Two random orders agree in one place on average (Montmort); more than nine are once in a million.
            assert np.count_nonzero(orders[first] == orders[second]) <= 9


def test_sources_of_one_size_have_orders_of_their_own() -> None:
    located = Schedule((1, 1), (500, 500), seed=1).locate(np.arange(1000))
    first, second = (located.row[located.source == source] for source in (0, 1))
    assert np.count_nonzero(first == second) <= 9


def test_holds_the_proportions_in_every_block() -> None:
    schedule = Schedule(LLAMA1, [10**6] * 7, seed=1)
    source = schedule.locate(np.arange(20_000)).source.reshape(20, 1000)
    assert all(np.bincount(block, minlength=7).tolist() == list(LLAMA1) for block in source)


def test_continues_its_counts_from_period_to_period() -> None:
    schedule = Schedule((878, 175, 59, 24, 26, 28, 20), [10**9] * 7, seed=1)
    first = 121_000 * 5000 - 1500  # a period of 121 blocks, far into the run
    located = schedule.locate(np.arange(first, first + 3000))
    for source, weight in enumerate(schedule.weights):
        own = np.flatnonzero(located.source == source)
        before = round((first + 1500) * weight / 1210)
        passed = np.count_nonzero(own < 1500)
        positions = np.arange(before - passed, before - passed + own.size)
        rows = permute(positions, 10**9, _key(1, np.array([source]), np.array([0])))
        assert located.row[own].tolist() == rows.tolist()


def test_reads_every_row_once_an_epoch_in_another_order_each_epoch() -> None:
    rows = (50, 7)
    located = Schedule((3, 1), rows, seed=2).locate(np.arange(400))
    for source, count in enumerate(rows):
        epochs = [
            located.row[(located.source == source) & (located.epoch == epoch)].tolist() for epoch in range(3)
        ]
        assert [sorted(rows_read) for rows_read in epochs] == [list(range(count))] * 3
        assert len({tuple(rows_read) for rows_read in epochs}) == 3


def test_gives_the_same_for_any_partition_of_the_samples() -> None:
    schedule = Schedule(LLAMA1, (600, 500, 40, 30, 20, 10, 9), seed=3)
    whole = schedule.locate(np.arange(3000, 5000))
    for ranks in (1, 2, 3, 8):
        for rank in range(ranks):
            part = schedule.locate(np.arange(3000 + rank, 5000, ranks))
            assert all(np.array_equal(w[rank::ranks], p) for w, p in zip(whole, part, strict=True))
    one = schedule.locate([4321])
    assert [int(column[0]) for column in one] == [int(column[1321]) for column in whole]


def test_resuming_is_slicing() -> None:
    arguments = ((878, 175, 59), (777, 80, 5), 4)
    whole = Schedule(*arguments).locate(np.arange(6000))
    for start in np.random.default_rng(2).integers(0, 5900, 40).tolist():
        part = Schedule(*arguments).locate(np.arange(start, start + 100))
        assert all(np.array_equal(w[start : start + 100], p) for w, p in zip(whole, part, strict=True))


def test_walks_every_permutation_back() -> None:
    random = np.random.default_rng(3)
    for size in [1, 2, 3, 5, 64, 1000, 1025, (1 << 40) + 7, 1 << 52]:
        positions = random.integers(0, size, 200)
        key = random.integers(0, 1 << 64, 200, np.uint64)
        assert np.array_equal(permute(permute(positions, size, key), size, key, backwards=True), positions)


def test_finds_the_samples_that_locate_gives_for_rows() -> None:
    for weights, rows in (([3, 1], [17, 5]), ([134, 30, 9], [1, 40, 7]), ([7, 11, 1], [300, 2, 1001])):
        schedule = Schedule(weights, rows, seed=9)
        samples = np.arange(5_000)
        located = schedule.locate(samples)
        for source in range(len(rows)):
            wanted = [row for row in (0, rows[source] // 2, rows[source] - 1)]
            own = located.source == source
            assert [schedule.samples_of(source, n) for n in (0, 1, 999, 5_000)] == [
                np.count_nonzero(own[:n]) for n in (0, 1, 999, 5_000)
            ]
            epochs = range(1, int(located.epoch[own].max()))  # whole ones
            hit = own & np.isin(located.row, wanted) & (located.epoch >= 1) & (located.epoch < epochs.stop)
            found = schedule.find(source, sorted(set(wanted)), epochs)
            assert np.array_equal(found.sample, samples[hit])
            assert np.array_equal(found.epoch, located.epoch[hit])
            assert np.array_equal(found.row, located.row[hit])


def test_finds_a_row_among_those_of_llama() -> None:
    rows = [458_000_000, 96_000_000, 34_000_000]
    schedule = Schedule([134, 30, 36], rows, seed=42)
    for source in range(3):
        found = schedule.find(source, [12_345_678, rows[source] - 1], range(3, 5))
        back = schedule.locate(found.sample)
        assert found.sample.size == 4 and set(back.source.tolist()) == {source}
        assert np.array_equal(back.row, found.row) and np.array_equal(back.epoch, found.epoch)
    assert schedule.find(0, [], range(2)).sample.size == schedule.find(0, [5], range(0)).sample.size == 0


def test_keeps_the_order_of_this_version() -> None:
    located = Schedule((2, 1), (5, 3), seed=42).locate(np.arange(9))
    assert list(zip(*(column.tolist() for column in located), strict=True)) == [
        (0, 0, 4),
        (1, 0, 2),
        (0, 0, 0),
        (0, 0, 3),
        (1, 0, 0),
        (0, 0, 2),
        (0, 0, 1),
        (1, 0, 1),
        (0, 1, 3),
    ]


def test_counts_epochs() -> None:
    assert Schedule((3, 1), (30, 5), seed=0).epochs(40) == (1.0, 2.0)


def test_has_another_fingerprint_for_another_order() -> None:
    first = Schedule((3, 1), (50, 7), seed=2).fingerprint
    assert first == Schedule([3, 1], [50, 7], 2).fingerprint
    others = [Schedule((3, 2), (50, 7), 2), Schedule((3, 1), (50, 8), 2), Schedule((3, 1), (50, 7), 3)]
    assert len({first, *(other.fingerprint for other in others)}) == 4
    assert len(first) == 16


def test_refuses_what_is_no_schedule() -> None:
    for weights, rows, seed, message in [
        ((1, 0), (5, 5), 0, "source 1: weight 0, 5 rows: both must be at least 1"),
        ((1, 1), (5, 0), 0, "source 1: weight 1, 0 rows: both must be at least 1"),
        ((1,), (5, 5), 0, "1 weights and 2 row counts: give one of each a source"),
        ((1,), (5,), -1, "seed -1: must be from 0 to 2^64 - 1"),
    ]:
        with pytest.raises(ValueError) as error:
            Schedule(weights, rows, seed)
        assert str(error.value) == message


def test_makes_integer_weights_of_shares() -> None:
    assert integer_weights([0.67, 0.15, 0.045, 0.045, 0.045, 0.025, 0.02]) == (134, 30, 9, 9, 9, 5, 4)
    assert integer_weights([1, 1, 1]) == (333334, 333333, 333333)
    assert integer_weights([1, 1, 1], denominator=1000) == (334, 333, 333)
    assert integer_weights([2.0]) == (1,)
    with pytest.raises(ValueError, match=r"share 1e-07 is below 1/1000000: raise the denominator or drop"):
        integer_weights([0.9999999, 0.0000001])
    with pytest.raises(ValueError, match="each must be a positive number"):
        integer_weights([0.5, -0.5])


def test_rounding_a_share_never_passes_a_thousandth() -> None:
    chance = np.random.default_rng(9)
    for _ in range(300):
        shares = chance.dirichlet([0.5] * 7) + 1e-5
        shares /= shares.sum()
        weights = np.array(integer_weights(shares.tolist()))
        thousandths = weights / weights.sum() * 1000
        assert (thousandths >= np.floor(shares * 1000) - 1e-9).all()
        assert (thousandths <= np.ceil(shares * 1000) + 1e-9).all()
