"""L2 logistic regression over text blocks: dense features and sparse words in, weights out, by Newton's method.

A block has a row of features and a list of word numbers (the class and id words of the elements it is in; a number may
repeat). The objective is the sum of `weights` x logistic loss plus l2/2 x the squared weights, the bias free. It has
one minimum, and Newton's method comes to it within rounding: the result depends on neither the start nor a learning
rate. The Hessian, which is nearly all of the cost, is kept from step to step as long as it brings the loss down fast.
The sums run in the order of the blocks, so that the same data gives the same weights.

Source: iteratively reweighted least squares, Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 4.4.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

STEPS = 200  # at most; about twenty are needed
FAST = 0.1  # a step that promises more than this fraction of what the last one did asks for a new Hessian
TOLERANCE = 1e-22  # of the loss: a step that promises less is the last
SURE = 1e-10  # of the loss: a step that promises less is near the minimum, where rounding hides what it gains
HALVINGS = 30


@dataclass(frozen=True)
class Blocks:
    """Blocks to fit or to score: `words[starts[k]:starts[k + 1]]` are the word numbers of block k."""

    features: NDArray[np.float32]  # [blocks, features]
    starts: NDArray[np.int64]  # [blocks + 1]
    words: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64]) -> Blocks:
        """The blocks with these numbers, in this order."""
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return Blocks(self.features[rows], starts, self.words[places])

    def with_only(self, features: NDArray[np.bool_]) -> Blocks:
        """The blocks with all but these features set to 0."""
        return Blocks(np.where(features, self.features, np.float32(0)), self.starts, self.words)


def without_words(features: NDArray[np.float32]) -> Blocks:
    """Blocks that have features only."""
    return Blocks(features, np.zeros(len(features) + 1, np.int64), np.zeros(0, np.int32))


@dataclass(frozen=True)
class Regression:
    """A linear score: bias + features x their weights + the weights of the words."""

    features: NDArray[np.float64]
    words: NDArray[np.float64]
    bias: float

    def scores(self, blocks: Blocks) -> NDArray[np.float64]:
        """The score of each block; above 0 is more likely than not."""
        return _scores(blocks.features, blocks.starts, blocks.words, self._packed())

    def _packed(self) -> NDArray[np.float64]:
        return np.concatenate([[self.bias], self.features, self.words])


def fit_regression(
    blocks: Blocks,
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    word_count: int,
    l2: float,
    start: Regression | None = None,
) -> Regression:
    """The weights with the least loss; `start` saves steps and changes nothing else.

    `labels` are 0 or 1, or between; `weights` are not negative; `l2` is above 0, in the units of `weights`.
    """
    assert len(blocks) == len(labels) == len(weights)
    assert l2 > 0
    feature_count = blocks.features.shape[1]
    size = 1 + feature_count + word_count
    x = start._packed() if start else np.zeros(size)
    penalty = np.full(size, l2)
    penalty[0] = 0.0
    gradient, hessian = np.empty(size), np.empty((size, size))
    arrays = (blocks.features, blocks.starts, blocks.words, labels, weights)
    loss = _loss(*arrays, x) + 0.5 * float(penalty @ (x * x))
    inverse, last_promised = np.zeros((0, 0)), 0.0
    for _ in range(STEPS):
        _gradient(*arrays, x, gradient)
        gradient += penalty * x
        promised = 0.5 * float(gradient @ (inverse @ gradient)) if len(inverse) else np.inf
        if promised > FAST * last_promised:
            _hessian(*arrays, x, hessian)
            full = np.tril(hessian)
            full += np.tril(hessian, -1).T
            full[np.diag_indices(size)] += penalty
            full[0, 0] += 1e-12 * weights.sum()  # all labels alike: the bias has no minimum, but stays finite
            inverse = np.linalg.inv(full)
            promised = 0.5 * float(gradient @ (inverse @ gradient))
        last_promised = promised
        step = -(inverse @ gradient)
        if promised <= TOLERANCE * loss:
            return _unpacked(x + step, feature_count)
        if promised <= SURE * loss:
            x = x + step
            continue
        length = 1.0
        for _ in range(HALVINGS):
            candidate = x + length * step
            found = _loss(*arrays, candidate) + 0.5 * float(penalty @ (candidate * candidate))
            if found < loss:
                break
            length /= 2
        else:
            break
        x, loss = candidate, found
    return _unpacked(x, feature_count)


def _unpacked(x: NDArray[np.float64], features: int) -> Regression:
    return Regression(x[1 : 1 + features].copy(), x[1 + features :].copy(), float(x[0]))


@njit(cache=True, nogil=True)
def _scores(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    words: NDArray[np.int32],
    x: NDArray[np.float64],
) -> NDArray[np.float64]:
    first_word = 1 + features.shape[1]
    scores = np.empty(len(features))
    for k in range(len(features)):
        score = x[0]
        for f in range(features.shape[1]):
            score += x[1 + f] * features[k, f]
        for place in range(starts[k], starts[k + 1]):
            score += x[first_word + words[place]]
        scores[k] = score
    return scores


@njit(cache=True, nogil=True)
def _loss(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    words: NDArray[np.int32],
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    x: NDArray[np.float64],
) -> float:
    scores = _scores(features, starts, words, x)
    loss = 0.0
    for k in range(len(scores)):
        s = scores[k]
        loss += weights[k] * (max(s, 0.0) - labels[k] * s + math.log1p(math.exp(-abs(s))))
    return loss


@njit(cache=True, nogil=True)
def _probability(score: float) -> float:
    if score >= 0.0:
        return 1.0 / (1.0 + math.exp(-score))
    odds = math.exp(score)
    return odds / (1.0 + odds)


@njit(cache=True, nogil=True)
def _gradient(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    words: NDArray[np.int32],
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    x: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> None:
    scores = _scores(features, starts, words, x)
    first_word = 1 + features.shape[1]
    gradient[:] = 0.0
    for k in range(len(scores)):
        slope = weights[k] * (_probability(scores[k]) - labels[k])
        gradient[0] += slope
        for f in range(features.shape[1]):
            gradient[1 + f] += slope * features[k, f]
        for place in range(starts[k], starts[k + 1]):
            gradient[first_word + words[place]] += slope


@njit(cache=True, nogil=True)
def _hessian(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    words: NDArray[np.int32],
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    x: NDArray[np.float64],
    hessian: NDArray[np.float64],
) -> None:
    """The Hessian as its lower triangle: of row i only the columns up to i are meant."""
    scores = _scores(features, starts, words, x)
    dense = 1 + features.shape[1]
    hessian[:] = 0.0
    row = np.ones(dense)
    for k in range(len(scores)):
        p = _probability(scores[k])
        curve = weights[k] * p * (1.0 - p)
        if curve == 0.0:
            continue
        for f in range(1, dense):
            row[f] = features[k, f - 1]
        for i in range(dense):
            if row[i] != 0.0:
                for j in range(i + 1):
                    hessian[i, j] += curve * row[i] * row[j]
        for place in range(starts[k], starts[k + 1]):
            i = dense + words[place]
            for j in range(dense):
                hessian[i, j] += curve * row[j]
            hessian[i, i] += curve
            for other in range(starts[k], place):
                j = dense + words[other]
                if i == j:
                    hessian[i, i] += 2.0 * curve
                else:
                    hessian[max(i, j), min(i, j)] += curve
