"""The regression against a plain dense Newton's method, and its own conditions for a minimum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifiers.block_regression import (
    Blocks,
    Regression,
    _gradient,
    _hessian,
    _loss,
    fit_regression,
    without_words,
)

Vector = NDArray[np.float64]


def random_blocks(
    seed: int, count: int = 300, features: int = 5, words: int = 7
) -> tuple[Blocks, Vector, Vector]:
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 5, count)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    blocks = Blocks(
        random.normal(size=(count, features)).astype(np.float32),
        starts,
        random.integers(0, words, starts[-1]).astype(np.int32),
    )
    labels = (random.random(count) < 1 / (1 + np.exp(-2 * blocks.features[:, 0]))).astype(np.float64)
    return blocks, labels, random.random(count)


def dense_matrix(blocks: Blocks, words: int) -> Vector:
    counts = np.zeros((len(blocks), words))
    for k in range(len(blocks)):
        for word in blocks.words[blocks.starts[k] : blocks.starts[k + 1]]:
            counts[k, word] += 1
    return np.hstack([np.ones((len(blocks), 1)), blocks.features.astype(np.float64), counts])


def slow_fit(matrix: Vector, labels: Vector, weights: Vector, l2: float) -> Vector:
    x = np.zeros(matrix.shape[1])
    penalty = np.diag([0.0] + [l2] * (matrix.shape[1] - 1))
    for _ in range(60):
        p = 1 / (1 + np.exp(-matrix @ x))
        gradient = matrix.T @ (weights * (p - labels)) + penalty @ x
        hessian = matrix.T @ (matrix * (weights * p * (1 - p))[:, None]) + penalty
        x -= np.linalg.solve(hessian, gradient)
    return x


def test_finds_the_weights_that_plain_newton_finds() -> None:
    for seed in range(8):
        blocks, labels, weights = random_blocks(seed)
        l2 = 10.0 ** (seed % 4 - 2)
        found = fit_regression(blocks, labels, weights, word_count=7, l2=l2)
        expected = slow_fit(dense_matrix(blocks, 7), labels, weights, l2)
        np.testing.assert_allclose([found.bias, *found.features, *found.words], expected, atol=1e-7)


def test_the_start_changes_nothing() -> None:
    blocks, labels, weights = random_blocks(3)
    cold = fit_regression(blocks, labels, weights, word_count=7, l2=0.1)
    far = Regression(np.full(5, 3.0), np.full(7, -2.0), 4.0)
    warm = fit_regression(blocks, labels, weights, word_count=7, l2=0.1, start=far)
    np.testing.assert_allclose(
        [warm.bias, *warm.features, *warm.words], [cold.bias, *cold.features, *cold.words], atol=1e-7
    )


def test_scores_add_the_weight_of_a_repeated_word_each_time() -> None:
    blocks = Blocks(np.array([[2.0], [0.0]], np.float32), np.array([0, 3, 3]), np.array([1, 1, 0], np.int32))
    regression = Regression(np.array([0.5]), np.array([10.0, 100.0]), 1.0)
    assert regression.scores(blocks).tolist() == [212.0, 1.0]


def test_blocks_of_weight_nothing_count_for_nothing() -> None:
    blocks, labels, weights = random_blocks(5)
    kept = np.arange(0, 300, 2)
    weights[1::2] = 0.0
    whole = fit_regression(blocks, labels, weights, word_count=7, l2=0.1)
    part = fit_regression(blocks.take(kept), labels[kept], weights[kept], word_count=7, l2=0.1)
    np.testing.assert_allclose([whole.bias, *whole.features], [part.bias, *part.features], atol=1e-7)


def test_labels_that_are_all_alike_and_separable_ones_stay_finite() -> None:
    features = np.array([[-1.0], [1.0]] * 20, np.float32)
    alike = fit_regression(without_words(features), np.ones(40), np.ones(40), word_count=0, l2=0.1)
    split = fit_regression(
        without_words(features), np.array([0.0, 1.0] * 20), np.ones(40), word_count=0, l2=0.1
    )
    assert np.isfinite(alike.bias) and alike.bias > 10
    assert np.isfinite(split.features[0]) and split.features[0] > 2


def test_taking_blocks_takes_their_words_along() -> None:
    blocks = Blocks(
        np.array([[0.0], [1.0], [2.0]], np.float32), np.array([0, 2, 2, 3]), np.array([5, 6, 7], np.int32)
    )
    taken = blocks.take(np.array([2, 0, 1]))
    assert taken.features[:, 0].tolist() == [2.0, 0.0, 1.0]
    assert taken.starts.tolist() == [0, 1, 3, 3]
    assert taken.words.tolist() == [7, 5, 6]


def test_derivatives_are_those_of_the_dense_table() -> None:
    for seed in range(5):
        blocks, labels, weights = random_blocks(seed, count=60)
        matrix = dense_matrix(blocks, 7)
        x = np.random.default_rng(seed).normal(size=13)
        p = 1 / (1 + np.exp(-matrix @ x))
        gradient, hessian = np.empty(13), np.empty((13, 13))
        arrays = (blocks.features, blocks.starts, blocks.words, labels, weights, x)
        _gradient(*arrays, gradient)
        _hessian(*arrays, hessian)
        np.testing.assert_allclose(gradient, matrix.T @ (weights * (p - labels)), rtol=1e-9, atol=1e-12)
        expected = matrix.T @ (matrix * (weights * p * (1 - p))[:, None])
        np.testing.assert_allclose(np.tril(hessian), np.tril(expected), rtol=1e-9, atol=1e-12)
        loss = -(weights * (labels * np.log(p) + (1 - labels) * np.log(1 - p))).sum()
        assert abs(_loss(*arrays) - loss) < 1e-9 * loss
