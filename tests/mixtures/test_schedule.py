"""The schedule: exact proportions, every row once an epoch, the same for every way of asking."""

from __future__ import annotations

import numpy as np
import pytest

from mixtures.schedule import Schedule, integer_weights, permute

LLAMA1 = (670, 150, 45, 45, 45, 25, 20)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 1024, 65537])
def test_permutes_every_range_onto_itself(size: int) -> None:
    image = permute(np.arange(size), size, np.full(1, 5, np.uint64))
    assert sorted(image.tolist()) == list(range(size))


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


def test_holds_the_proportions_in_every_block() -> None:
    schedule = Schedule(LLAMA1, [10**6] * 7, seed=1)
    source = schedule.locate(np.arange(20_000)).source.reshape(20, 1000)
    assert all(np.bincount(block, minlength=7).tolist() == list(LLAMA1) for block in source)
    assert len({tuple(block.tolist()) for block in source}) == 20


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
    for rank in range(8):
        part = schedule.locate(np.arange(3000 + rank, 5000, 8))
        assert all(np.array_equal(w[rank::8], p) for w, p in zip(whole, part, strict=True))
    one = schedule.locate([4321])
    assert [int(column[0]) for column in one] == [int(column[1321]) for column in whole]


def test_keeps_the_order_of_this_version() -> None:
    located = Schedule((2, 1), (5, 3), seed=42).locate(np.arange(6))
    assert list(zip(*(column.tolist() for column in located), strict=True)) == [
        (0, 0, 2),
        (1, 0, 1),
        (0, 0, 4),
        (0, 0, 1),
        (1, 0, 0),
        (0, 0, 3),
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
    assert integer_weights([1, 1, 1]) == (334, 333, 333)
    assert integer_weights([2.0]) == (1,)
    with pytest.raises(ValueError, match=r"share 0\.0001 is below 1/1000: raise the denominator or drop"):
        integer_weights([0.9999, 0.0001])
    with pytest.raises(ValueError, match="each must be a positive number"):
        integer_weights([0.5, -0.5])
