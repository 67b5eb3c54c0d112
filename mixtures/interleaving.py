"""The order of the sources in a training run: blocks of 1,000 samples that hold the shares, evenly spread.

In: integer weights. Out: the source of every sample of one period, after which the order repeats. Two steps:

1. How many samples of each source a block holds (`block_counts`). A share of 1,000 samples is seldom whole; each
   block rounds it up or down by systematic sampling (Madow and Madow 1944): the shares lie one after the other on a
   line of length 1,000, and a source has as many samples as marks 1 apart fall on its piece. The marks are shifted in
   each block by another multiple of 1 / period, each once, so that the roundings cancel within a period; in the steps
   of a good lattice (`_step`), so that they balance soon.
2. In which order (`spread`). Tijdeman's rule for the chairman assignment problem (Discrete Mathematics 32, 1980):
   of the sources that are due, the one whose sample must come soonest. After any j samples of a block each source has
   had its share of j to within 1 - 1 / (2 sources - 2).

So a block is within one of the asked shares for every source. A window of 1,000 samples that starts inside a block has
the rest of one block and the beginning of the next: exact where blocks are all alike (shares in thousandths), within
three by the bounds above otherwise; the tests look at all windows of a period and find at most two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK = 1_000  # samples within which the shares hold
MAX_PERIOD_BLOCKS = 1_000  # a million samples: 5 bytes each are held


class Interleaving(NamedTuple):
    """One period: for each sample its source and how many of that source came before it; samples by source in all."""

    source: npt.NDArray[np.uint16]
    ordinal: npt.NDArray[np.int32]
    per_period: npt.NDArray[np.int64]


def interleave(weights: Sequence[int]) -> Interleaving:
    """The order for weights of at least 1 and of any sum; ValueError when it has a period of over 1,000 blocks."""
    counts = block_counts(weights)
    source = spread(counts).reshape(-1)
    ordinal = np.empty(source.size, np.int32)
    for number in range(len(weights)):
        own = source == number
        ordinal[own] = np.arange(np.count_nonzero(own), dtype=np.int32)
    return Interleaving(source, ordinal, counts.sum(axis=0))


def block_counts(weights: Sequence[int]) -> npt.NDArray[np.int64]:
    """Samples by block of a period and source, [blocks, sources]: shares of 1,000 rounded up or down, sums exact."""
    divisor = math.gcd(*weights)
    total = sum(weights) // divisor
    blocks = total // math.gcd(total, BLOCK)
    if blocks > MAX_PERIOD_BLOCKS:
        raise ValueError(
            f"weights of the sum {total} repeat only after {blocks} blocks of {BLOCK}: "
            f"give weights whose sum divides {BLOCK * MAX_PERIOD_BLOCKS}"
        )
    ends = np.cumsum([0, *(weight // divisor for weight in weights)]) * (
        BLOCK * blocks // total
    )  # 1 / blocks
    shift = np.arange(blocks) * _step(blocks) % blocks
    return np.diff((ends + shift[:, None]) // blocks, axis=1)


def _step(blocks: int) -> int:
    """The step whose multiples modulo `blocks` are spread most evenly.

    It is the one with the smallest sum of partial quotients of step / blocks, which bounds the discrepancy
    (Niederreiter, Random Number Generation and Quasi-Monte Carlo Methods, 1992): steps that share a
    divisor with `blocks` are out.
    """
    return min(
        (s for s in range(1, blocks + 1) if math.gcd(s, blocks) == 1), key=lambda s: _quotients(s, blocks)
    )


def _quotients(numerator: int, denominator: int) -> int:
    total = 0
    while numerator:
        quotient, rest = divmod(denominator, numerator)
        total, numerator, denominator = total + quotient, rest, numerator
    return total


def spread(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """The order of each block, [blocks, samples], for the samples of each source in it, [blocks, sources].

    All blocks must have the same number of samples. In whole numbers: a lag of 1 / (2 sources - 2) makes a source due,
    and the sample of the smallest (1 - 1 / (2 sources - 2) - lag) / share comes first, the first source of equals.
    """
    blocks, sources = counts.shape
    samples = int(counts[0].sum())
    bound = max(1, 2 * sources - 2)
    had = np.zeros_like(counts)
    order = np.empty((blocks, samples), np.uint16)
    every = np.arange(blocks)
    some = np.maximum(counts, 1)
    for place in range(samples):
        lag = (counts * (place + 1) - had * samples) * bound  # in 1 / (samples * bound)
        slack = (samples * (bound - 1) - lag) / some
        chosen = np.where(lag >= samples, slack, np.inf).argmin(axis=1)
        order[:, place] = chosen
        had[every, chosen] += 1
    return order
