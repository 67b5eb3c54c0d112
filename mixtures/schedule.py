"""Which row of which source is sample number i of a training run: a pure function without state or index
files.

In: integer weights of the sources (`integer_weights` makes them of shares), how many rows each source has, a
seed. Out: (source, epoch, row) for any sample numbers, in any order and grouping, so a run can be resumed or
spread over any number of processes from one integer, the number of samples consumed; and back, the sample numbers
that read a row.

- Samples are cut into blocks of 1,000. A block holds the share of each source times 1,000, rounded up or down;
  over a period of at most 1,000 blocks the weights are met to the sample (`mixtures.interleaving`, which also
  spreads the samples of a source evenly within a block). Where all shares are thousandths, as LLaMA's are,
  any 1,000 consecutive samples hold them exactly.
- The k-th sample of a source is position k mod rows of epoch k // rows, and its row is a keyed permutation of
  that position under (seed, source, epoch): every row once an epoch, in another order each epoch. Where an
  epoch ends, its last samples are followed by the first of the next.

A keyed permutation of [0, n) is a Feistel network over the next power of two with cycle walking
(Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002): constant memory for any n. The round
function is the mixing step of SplitMix64 (Steele, Lea and Flood 2014, constants of Stafford's Mix13); it is
for shuffling, not secrecy.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mixtures.interleaving import interleave

Unsigned = npt.NDArray[np.uint64]
Signed = npt.NDArray[np.int64]

VERSION = 2  # of the order: changes whenever the same arguments would give another one
ROUNDS = 6  # four make a pseudorandom permutation (Luby and Rackoff 1988), two in reserve; an even number
MAX_ROWS = 1 << 52  # sizes go through a float64 to find their number of bits
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ROUND_KEYS = np.arange(ROUNDS, dtype=np.uint64)[:, None] * GOLDEN  # added to the key of a permutation
ONE = np.uint64(1)
DENOMINATOR = 1_000_000  # shares are met to a millionth; a multiple of 1,000, see `integer_weights`


class Located(NamedTuple):
    """Where samples come from: source indices, epochs from 0 and rows within the source, an array each."""

    source: Signed
    epoch: Signed
    row: Signed


class Found(NamedTuple):
    """What reads some rows of a source: sample numbers ascending, with epoch and row of each."""

    sample: Signed
    epoch: Signed
    row: Signed


class Schedule:
    """The order of training samples for sources with integer weights and known numbers of rows."""

    def __init__(self, weights: Sequence[int], rows: Sequence[int], seed: int) -> None:
        """`weights[s]` is the share of source s in whole numbers of any sum, `rows[s]` how many rows it has.

        ValueError when one is below 1, or when the weights repeat only after more than 1,000 blocks.
        """
        if not weights or len(weights) != len(rows):
            raise ValueError(f"{len(weights)} weights and {len(rows)} row counts: give one of each a source")
        for source, (weight, count) in enumerate(zip(weights, rows, strict=True)):
            if weight < 1 or not 1 <= count <= MAX_ROWS:
                raise ValueError(f"source {source}: weight {weight}, {count} rows: both must be at least 1")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed {seed}: must be from 0 to 2^64 - 1")
        self.weights = tuple(weights)
        self.rows = tuple(rows)
        self.seed = seed
        order = interleave(self.weights)
        self._source, self._ordinal, self._per_period = order.source, order.ordinal, order.per_period
        self._rows = np.array(rows, np.int64)

    def locate(self, samples: npt.ArrayLike) -> Located:
        """Source index, epoch and row of each sample number, which may come in any order."""
        numbers = np.asarray(samples, np.int64)
        assert numbers.size == 0 or numbers.min() >= 0, "sample numbers start at 0"
        period, within = np.divmod(numbers, self._source.size)
        source = self._source[within].astype(np.int64)
        ordinal = period * self._per_period[source] + self._ordinal[within]
        epoch, position = np.divmod(ordinal, self._rows[source])
        row = permute(position, self._rows[source], _key(self.seed, source, epoch))
        return Located(source, epoch, row)

    def find(self, source: int, rows: npt.ArrayLike, epochs: range) -> Found:
        """The samples that read these rows of a source in some epochs: the inverse of `locate`, one a row and epoch.

        Epochs ascend by one. Each answer costs as much as one of `locate`, however large the source is.
        """
        wanted = np.asarray(rows, np.int64)
        assert epochs.step == 1 and (
            wanted.size == 0 or 0 <= wanted.min() <= wanted.max() < self.rows[source]
        )
        epoch = np.repeat(np.arange(epochs.start, epochs.stop, dtype=np.int64), wanted.size)
        row = np.tile(wanted.ravel(), len(epochs))
        key = _key(self.seed, np.full(epoch.size, source, np.int64), epoch)
        ordinal = epoch * self._rows[source] + permute(row, self._rows[source], key, backwards=True)
        period, number = np.divmod(ordinal, self._per_period[source])
        sample = period * self._source.size + np.flatnonzero(self._source == source)[number]
        order = np.argsort(sample)
        return Found(sample[order], epoch[order], row[order])

    def samples_of(self, source: int, samples: int) -> int:
        """How many of the first `samples` samples are of a source."""
        periods, rest = divmod(samples, self._source.size)
        within = np.count_nonzero(self._source[:rest] == source)
        return periods * int(self._per_period[source]) + int(within)

    def epochs(self, samples: int) -> tuple[float, ...]:
        """How often each source is read by the first `samples` samples, to within a block."""
        total = sum(self.weights)
        return tuple(samples * w / total / n for w, n in zip(self.weights, self.rows, strict=True))

    @property
    def fingerprint(self) -> str:
        """16 hex digits that differ whenever the order does: version, weights, rows and seed."""
        settings = {"version": VERSION, "weights": self.weights, "rows": self.rows, "seed": self.seed}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()[:16]


def integer_weights(shares: Sequence[float], denominator: int = DENOMINATOR) -> tuple[int, ...]:
    """Shares as the smallest integers in the same proportion, to 1 / `denominator` by the largest remainder.

    LLaMA's shares are exact in thousandths: 0.67, 0.15, 0.045, ... become 134, 30, 9, ... of 200. A remainder
    goes up or down to the next 1 / `denominator` only; with a multiple of 1,000, as the default is, that never
    passes a thousandth, so what is within one of 1,000 times the weight's share is within one of the asked
    share too. ValueError when a share is not positive or too small for the denominator.
    """
    total = math.fsum(shares)
    if not shares or not all(share > 0 and math.isfinite(share) for share in shares):
        raise ValueError(f"shares {list(shares)}: each must be a positive number")
    exact = [round(share / total * denominator, 6) for share in shares]  # rounded: 44.99999999 is 45
    weights = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda s: (weights[s] - exact[s], s))
    for source in by_remainder[: denominator - sum(weights)]:
        weights[source] += 1
    if 0 in weights:
        smallest = shares[weights.index(0)] / total
        raise ValueError(
            f"share {smallest:.2g} is below 1/{denominator}: raise the denominator or drop the source"
        )
    divisor = math.gcd(*weights)
    return tuple(weight // divisor for weight in weights)


def permute(positions: Signed, size: int | Signed, key: Unsigned, *, backwards: bool = False) -> Signed:
    """Images of `positions` under the permutation of [0, size) that belongs to `key`; all three broadcast.

    Positions must be in [0, size), sizes in [1, 2^52]. `backwards`: what the positions are the images of.
    """
    positions, sizes, key = np.broadcast_arrays(positions, np.asarray(size, np.int64), key)
    bits = np.frexp((sizes - 1).astype(np.float64))[1].ravel()  # of the largest position; 0 for size 1
    low = ((bits + 1) // 2).astype(np.uint64)
    high = bits.astype(np.uint64) - low
    limit = sizes.astype(np.uint64).ravel()
    keys = _mix(key.ravel() + ROUND_KEYS)
    values = positions.astype(np.uint64).ravel()
    walking = np.arange(values.size)
    step = _unfeistel if backwards else _feistel
    while walking.size:
        moved = step(values[walking], high[walking], low[walking], keys[:, walking])
        values[walking] = moved
        walking = walking[moved >= limit[walking]]
    return values.astype(np.int64).reshape(positions.shape)


def _feistel(values: Unsigned, high: Unsigned, low: Unsigned, keys: Unsigned) -> Unsigned:
    """A bijection of [0, 2^(high + low)): each round mixes one part with the other and swaps them.

    `keys` is [rounds, values]; after an even number of rounds the parts are as wide as they were.
    """
    masks = (ONE << high) - ONE, (ONE << low) - ONE
    left, right = values >> low, values & masks[1]
    for number in range(ROUNDS):
        left, right = right, left ^ (_mix(right ^ keys[number]) & masks[number % 2])
    return (left << low) | right


def _unfeistel(values: Unsigned, high: Unsigned, low: Unsigned, keys: Unsigned) -> Unsigned:
    """The inverse of `_feistel`: its rounds, the last one first."""
    masks = (ONE << high) - ONE, (ONE << low) - ONE
    left: Unsigned = values >> low
    right: Unsigned = values & masks[1]
    for number in reversed(range(ROUNDS)):
        left, right = right ^ (_mix(left ^ keys[number]) & masks[number % 2]), left
    return (left << low) | right


def _key(seed: int, source: Signed, epoch: Signed) -> Unsigned:
    """The key of one permutation: seed, source and epoch mixed one after the other."""
    key = _mix(np.full(1, seed, np.uint64))
    for part in (source, epoch):
        key = _mix(_mix(key) ^ part.astype(np.uint64))
    return key


def _mix(values: Unsigned) -> Unsigned:
    """SplitMix64's step: a bijection of 64-bit integers, every input bit reaches every output bit."""
    values = values + GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
