"""The order of the sources: shares exact to one in every 1,000 samples, exact in a period, even within a block."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from mixtures.interleaving import BLOCK, Interleaving, block_counts, interleave, spread
from mixtures.mixture import load_mixture
from mixtures.schedule import integer_weights

Counts = npt.NDArray[np.int32]


def random_shares(seed: int) -> list[float]:
    """Shares of 1 to 20 sources from even to very uneven, none below a millionth."""
    chance = np.random.default_rng(seed)
    sources = int(chance.integers(1, 21))
    shares = chance.dirichlet([chance.choice([0.05, 0.3, 1.0, 20.0])] * sources) + 2e-6
    return [float(share) for share in shares]


def windows(order: Interleaving, source: int) -> Counts:
    """Samples of a source in every window of 1,000 samples of the endless repetition."""
    own = np.concatenate([order.source, order.source[:BLOCK]]) == source
    total = np.concatenate([[0], np.cumsum(own, dtype=np.int32)])
    return np.asarray(total[BLOCK:] - total[:-BLOCK])


SHIPPED = ["llama1", "redpajama", "slimpajama"]
CASES = [
    *(list(load_mixture(name).shares.values()) for name in SHIPPED),
    [1.0],
    [1.0, 1.0, 1.0],
    [0.999999, 0.000001],
    *(random_shares(seed) for seed in range(8)),
]


@pytest.mark.parametrize("shares", CASES)
def test_every_thousand_samples_are_within_one_of_the_asked_shares(shares: list[float]) -> None:
    weights = integer_weights(shares)
    order = interleave(weights)
    asked = np.array(shares) / sum(shares) * BLOCK
    blocks = order.source.reshape(-1, BLOCK)
    found = np.stack([np.bincount(block, minlength=len(shares)) for block in blocks])
    assert np.abs(found - asked).max() < 1
    # Exact over a period: to the weights, which are the shares to a millionth.
    assert [Fraction(int(n), order.source.size) for n in found.sum(axis=0)] == [
        Fraction(weight, sum(weights)) for weight in weights
    ]
    assert found.sum(axis=0).tolist() == order.per_period.tolist()


@pytest.mark.parametrize("shares", CASES)
def test_any_thousand_samples_are_within_two_of_the_asked_shares(shares: list[float]) -> None:
    order = interleave(integer_weights(shares))
    asked = np.array(shares) / sum(shares) * BLOCK
    for source, ideal in enumerate(asked):
        assert np.abs(windows(order, source) - ideal).max() < 2


@pytest.mark.parametrize("name", ["llama1", "slimpajama"])
def test_any_thousand_samples_hold_shares_in_thousandths_exactly(name: str) -> None:
    shares = np.array(list(load_mixture(name).shares.values()))
    order = interleave(integer_weights(shares.tolist()))
    for source, share in enumerate(shares):
        assert (windows(order, source) == round(share * BLOCK)).all()


@pytest.mark.parametrize("shares", CASES)
def test_what_has_been_read_is_never_far_from_the_shares(shares: list[float]) -> None:
    weights = integer_weights(shares)
    order = interleave(weights)
    samples = np.arange(1, order.source.size + 1)
    for source, weight in enumerate(weights):
        read = np.cumsum(order.source == source)
        assert (
            np.abs(read - samples * (weight / sum(weights))).max() < 6
        )  # of a million samples at most; 4 in 300 mixtures


def test_numbers_the_samples_of_each_source_in_their_order() -> None:
    order = interleave((5, 3, 2))
    for source, count in enumerate(order.per_period):
        assert order.ordinal[order.source == source].tolist() == list(range(count))


def test_rounds_each_block_up_or_down_and_balances_soon() -> None:
    counts = block_counts((1, 1, 1))
    assert counts.tolist() == [[333, 333, 334], [333, 334, 333], [334, 333, 333]]
    assert block_counts((670, 150, 45, 45, 45, 25, 20)).tolist() == [[670, 150, 45, 45, 45, 25, 20]]
    rare = block_counts((999_999, 1))
    assert rare.shape == (1000, 2)
    assert rare[:, 1].sum() == 1


def test_spreads_a_block_evenly_by_tijdemans_bound() -> None:
    chance = np.random.default_rng(3)
    for _ in range(60):
        sources = int(chance.integers(1, 12))
        samples = int(chance.integers(1, 300))
        counts = chance.multinomial(samples, chance.dirichlet([0.5] * sources), size=4)
        order = spread(counts)
        for block, wanted in zip(order, counts, strict=True):
            assert np.bincount(block, minlength=sources).tolist() == wanted.tolist()
            read = np.cumsum(block[:, None] == np.arange(sources), axis=0)
            lag = np.arange(1, samples + 1)[:, None] * wanted - read * samples  # in 1 / samples
            assert np.abs(lag).max() * (2 * sources - 2) <= samples * max(0, 2 * sources - 3)


def test_spreads_as_the_rule_does_by_hand() -> None:
    assert spread(np.array([[4, 2, 1]])).tolist() == [oracle([4, 2, 1])]
    chance = np.random.default_rng(4)
    for _ in range(40):
        counts = chance.multinomial(60, chance.dirichlet([0.7] * int(chance.integers(2, 8))))
        assert spread(counts[None]).tolist() == [oracle(counts.tolist())]


def oracle(counts: list[int]) -> list[int]:
    """Tijdeman's rule in fractions, a sample at a time."""
    bound = Fraction(1, max(1, 2 * len(counts) - 2))
    shares = [Fraction(count, sum(counts)) for count in counts]
    order: list[int] = []
    for place in range(1, sum(counts) + 1):
        lags = [place * share - order.count(source) for source, share in enumerate(shares)]
        due = [source for source, lag in enumerate(lags) if lag >= bound]
        order.append(min(due, key=lambda s: ((1 - bound - lags[s]) / shares[s], s)))
    return order


def test_refuses_weights_that_never_repeat() -> None:
    with pytest.raises(ValueError) as error:
        interleave((1_000_003, 4))
    assert str(error.value) == (
        "weights of the sum 1000007 repeat only after 1000007 blocks of 1000: "
        "give weights whose sum divides 1000000"
    )
