"""Features: each named, exact, and as a slow plain version says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stages.extraction.context_features import CONTEXT_FEATURES, CONTEXT_NAMES, best_subtree, context_features
from stages.extraction.exact_math import log1p, sigmoid
from stages.extraction.features import FIRST_FEATURES, FIRST_NAMES, first_features, word_scores
from stages.extraction.hashing import NOT_FOUND, hash_table, look_up, name_hash
from stages.extraction.scanner import scan


def first(page: str) -> list[dict[str, float]]:
    """The features that are not 0, a block."""
    return [
        {name: round(float(value), 3) for name, value in zip(FIRST_NAMES, row, strict=True) if value}
        for row in first_features(scan(page.encode()))
    ]


def test_every_feature_is_explained_once() -> None:
    assert len(set(FIRST_NAMES)) == len(FIRST_NAMES) == len(FIRST_FEATURES) == 84
    assert len(set(CONTEXT_NAMES)) == len(CONTEXT_NAMES) == len(CONTEXT_FEATURES) == 24
    assert all(FIRST_FEATURES.values())
    assert all(CONTEXT_FEATURES.values())


def test_first_features_of_one_block() -> None:
    assert first("<article><p>Two <a>words, 1</a> end.</article>") == [
        {
            "log_words": round(math.log(5), 3),
            "link_share": 0.5,
            "words_4_to_8": 1.0,
            "ends_like_prose": 1.0,
            "sentence_ends_per_word": 1.0,
            "has_sentence_end": 1.0,
            "commas_per_word": 1.0,
            "digit_share": round(2 / 15, 3),
            "capital_share": 0.25,
            "part_links": 1.0,
            "in_article": 1.0,
            "in_p": 1.0,
            "tag_p": 1.0,
            "position": 0.5,
            "position_squared": 0.25,
            "no_h1": 1.0,
            "previous_link_share": 1.0,
            "next_link_share": 1.0,
            "second_previous_link_share": 1.0,
            "second_next_link_share": 1.0,
            "depth": 0.1,
            "share_of_page": 1.0,
            "page_log_words": round(math.log(5) / 10, 3),
        }
    ]


def test_first_features_look_at_neighbours_heading_and_repeats() -> None:
    rows = first("<p>same words<h1>Head</h1><p>same words<p><a>b</a>")
    assert [row.get("repeated", 0) for row in rows] == [0, 0, 1, 0]
    assert [(row.get("before_h1", 0), row.get("after_h1", 0)) for row in rows] == [
        (1, 0),
        (0, 0),
        (0, 1),
        (0, 1),
    ]
    assert [row.get("next_link_share", 0) for row in rows] == [0, 0, 1, 1]
    assert [row.get("like_next", 0) for row in rows] == [0, 0, 1, 0]
    assert [row.get("second_previous_log_words", 0) for row in rows] == [0, 0, 1.099, 0.693]
    assert [row.get("position") for row in rows] == [0.167, 0.417, 0.667, 0.917]


def context(page: str, scores: list[float]) -> list[dict[str, float]]:
    table = context_features(scan(page.encode()), np.array(scores))
    return [dict(zip(CONTEXT_NAMES, map(float, row), strict=True)) for row in table]


def test_context_features_find_the_best_subtree() -> None:
    page = "<nav><p>a b</nav><main><div><p>c d e<p>f g</div><p>h</main>"
    scanned = scan(page.encode())
    best, gain, words = best_subtree(scanned, np.array([-3.0, 2.0, 2.0, -3.0]))
    assert (best, words) == (4, 5.0)
    assert gain == pytest.approx(5 * math.tanh(1.0))
    rows = context(page, [-3.0, 2.0, 2.0, -3.0])
    assert [row["in_best"] for row in rows] == [0, 1, 1, 0]
    assert [round(row["steps_to_best"], 1) for row in rows] == [0.2, -0.1, -0.1, 0.1]
    assert [row["position_in_best"] for row in rows] == pytest.approx([-0.5, 0, 0.5, 1.0])
    assert rows[0]["best_share"] == pytest.approx(5 / 9)


def test_context_features_of_neighbours_and_kin() -> None:
    p = 1 / (1 + math.exp(-2.0))
    rows = context("<ul><li>a b c<li>d", [2.0, 0.0])
    assert [row["first_next"] for row in rows] == [0.0, -3.0]
    assert rows[0]["like_path"] == pytest.approx((3 * 0.5 + 5 * p) / 8)
    assert rows[1]["like_parent"] == pytest.approx((5 * p + 5 * 0.5) / 10)
    assert rows[0]["log_like_path"] == pytest.approx(math.log(3))
    assert rows[0]["page_probability"] == pytest.approx((3 * p + 0.5) / 5)


def test_distance_to_sure_blocks() -> None:
    sure = "<p>" + "word " * 12
    rows = context("<p>a" + sure + "<p>b<p>c" + sure + "<p>d", [0, 3, 0, 0, 3, 0])
    assert [round(10 * row["since_sure"]) for row in rows] == [10, 10, 0, 1, 2, 0]
    assert [round(10 * row["until_sure"]) for row in rows] == [0, 2, 1, 0, 10, 10]
    assert [row["before_first_sure"] for row in rows] == [1, 0, 0, 0, 0, 0]
    assert [row["after_last_sure"] for row in rows] == [0, 0, 0, 0, 0, 1]


def test_a_class_word_counts_for_all_blocks_below_once_an_element() -> None:
    page = scan(b"<div class='ad ad box'><p class=ad>a<p>b</div><p>c")
    hashes, numbers = hash_table({"ad": 0, "box": 1})
    scores = word_scores(page, hashes, numbers, np.array([-1.0, 0.25]))
    assert scores.tolist() == [-1.75, -0.75, 0.0]


def test_logarithm_and_sigmoid_are_those_of_the_library() -> None:
    for value in [0.0, 0.25, 0.5, 1.0, 3.75, 1e3, 123456.75, 1e9]:
        assert log1p(value) == pytest.approx(math.log1p(value), rel=1e-12, abs=1e-12)
    for value in np.linspace(-29, 29, 101).tolist():
        assert sigmoid(value) == pytest.approx(1 / (1 + math.exp(-value)), rel=1e-11)
    assert sigmoid(1e9) == sigmoid(30.0)
    # These bits are the same everywhere.
    assert (log1p.py_func(1000.0), sigmoid.py_func(1.5)) == (log1p(1000.0), sigmoid(1.5))


def test_hash_tables_find_what_is_in_them_and_nothing_else() -> None:
    names = {f"name{number}": number for number in range(500)}
    hashes, numbers = hash_table(names)
    assert all(
        look_up(hashes, numbers, np.uint64(name_hash(name))) == number for name, number in names.items()
    )
    assert look_up(hashes, numbers, np.uint64(name_hash("other"))) == NOT_FOUND
    assert name_hash("a") == 0xAF63DC4C8601EC8C  # published test vector of FNV-1a
