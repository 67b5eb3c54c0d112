"""Features of text blocks, of which the context score is made: how a block's surroundings score.

`context_features(page, first_scores) -> float32[blocks, len(CONTEXT_NAMES)]` takes the first scores of all blocks (log
odds of being main content) and looks at the page around each. Numbers have the same bits on every machine, as those of
`features`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import WORD_UNITS
from stages.extraction.elements import TAGS
from stages.extraction.exact_math import log1p, sigmoid
from stages.extraction.features import Features, Scores
from stages.extraction.scanner import Page
from stages.extraction.text_run import LINK_WORDS, WORDS

# name -> what it says, in the order of the columns
CONTEXT_FEATURES: dict[str, str] = {
    "first": "first score of the block",
    "first_previous": "first score of the block before (-3 if none)",
    "first_next": "first score of the block behind (-3 if none)",
    "first_second_previous": "first score of the block two before (-3 if none)",
    "first_second_next": "first score of the block two behind (-3 if none)",
    "like_path": "mean probability of the blocks with the same path of tags and classes",
    "like_parent": "mean probability of the blocks whose elements have the same parent",
    "log_siblings": "ln(1 + number of those blocks)",
    "in_best": "1 if it is in the best subtree: the one with the highest sum of words x (2 x probability - 1)",
    "steps_to_best": "steps up to an ancestor of the best subtree / 10, negative: steps below its root",
    "best_purity": "the best subtree's sum per word",
    "after_last_sure": "1 if behind the last sure block (probability over 0.7, 12 words)",
    "before_first_sure": "1 if before the first sure block",
    "since_sure": "blocks since the last sure one / 10, at most 1",
    "until_sure": "blocks until the next sure one / 10, at most 1",
    "log_words": "ln(1 + words)",
    "page_probability": "share of the page's words that are main content by their first scores",
    "position_in_best": "place between the first block (0) and the last (1) of the best subtree",
    "is_heading": "1 if it is a heading",
    "log_like_path": "ln(1 + number of blocks with the same path)",
    "page_log_words": "ln(1 + words of the page that are main content by their first scores)",
    "link_share": "share of the words that are in links",
    "best_share": "share of the page's words that are in the best subtree",
    "like_grandparent": "mean probability of the blocks whose elements have the same grandparent",
}
CONTEXT_NAMES = tuple(CONTEXT_FEATURES)

SURE_PROBABILITY = 0.7
SURE_WORDS = 12.0
FAR = 10  # blocks; what is farther away counts as this
NO_SCORE = -3.0  # first score where there is no block

_CONTEXT_COLUMNS = len(CONTEXT_NAMES)
_H1 = TAGS["h1"]
_H6 = TAGS["h6"]


@njit(cache=True)
def best_subtree(page: Page, first_scores: Scores) -> tuple[int, float, float]:
    """The element whose subtree has the highest sum of words x (2 x probability - 1); that sum, and its words.

    Of equal ones the innermost of those that come last.
    """
    elements = len(page.element_parent)
    gains = np.zeros(elements, dtype=np.float64)
    words = np.zeros(elements, dtype=np.float64)
    for k in range(len(first_scores)):
        count = page.block_counts[k, WORDS] / WORD_UNITS
        gains[page.block_element[k]] += count * (2.0 * sigmoid(first_scores[k]) - 1.0)
        words[page.block_element[k]] += count
    for e in range(elements - 1, 0, -1):
        gains[page.element_parent[e]] += gains[e]
        words[page.element_parent[e]] += words[e]
    best = 0
    for e in range(elements):
        if (
            words[e] > 0.0 and gains[e] >= gains[best] - 1e-9
        ):  # sums of the same numbers in another order are equal
            best = e
    return best, gains[best], words[best]


@njit(cache=True)
def in_subtree(page: Page, root: int) -> NDArray[np.bool_]:
    """For each element, whether it is `root` or below it."""
    inside = np.zeros(len(page.element_parent), dtype=np.bool_)
    inside[root] = True
    for e in range(root + 1, len(inside)):
        inside[e] = inside[page.element_parent[e]]
    return inside


@njit(cache=True)
def _steps_to_best(page: Page, best: int, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """For each element, steps up to an ancestor of the best subtree's root, or minus the steps down from the root."""
    steps = np.zeros(len(inside), dtype=np.int32)
    above = np.zeros(len(inside), dtype=np.bool_)
    e = best
    while e > 0:
        e = page.element_parent[e]
        above[e] = True
    above[0] = True
    for e in range(1, len(inside)):
        if inside[e]:
            steps[e] = 0 if e == best else steps[page.element_parent[e]] - 1
        elif not above[e]:
            steps[e] = steps[page.element_parent[e]] + 1
    return steps


@njit(cache=True)
def context_features(page: Page, first_scores: Scores) -> Features:
    """One row of CONTEXT_NAMES a block."""
    blocks = len(first_scores)
    elements = len(page.element_parent)
    table = np.zeros((blocks, _CONTEXT_COLUMNS), dtype=np.float32)
    probability = np.empty(blocks, dtype=np.float64)
    words = np.empty(blocks, dtype=np.float64)
    # Sums over blocks with the same path, parent and grandparent: weight x probability, weight, number of blocks.
    by_parent = np.zeros((elements, 3), dtype=np.float64)
    by_grandparent = np.zeros((elements, 2), dtype=np.float64)
    slots = 16
    while slots < 2 * blocks:
        slots *= 2
    paths = np.zeros(slots, dtype=np.uint64)
    by_path = np.zeros((slots, 3), dtype=np.float64)
    slot_of = np.empty(blocks, dtype=np.int64)
    total = likely = 0.0
    first_sure = blocks
    last_sure = -1
    for k in range(blocks):
        probability[k] = sigmoid(first_scores[k])
        words[k] = page.block_counts[k, WORDS] / WORD_UNITS
        total += words[k]
        likely += words[k] * probability[k]
        if probability[k] > SURE_PROBABILITY and words[k] >= SURE_WORDS:
            first_sure = min(first_sure, k)
            last_sure = k
        element = page.block_element[k]
        weight = words[k] + 2.0
        parent = page.element_parent[element]
        by_parent[parent, 0] += weight * probability[k]
        by_parent[parent, 1] += weight
        by_parent[parent, 2] += 1.0
        grandparent = page.element_parent[parent]
        by_grandparent[grandparent, 0] += weight * probability[k]
        by_grandparent[grandparent, 1] += weight
        path = page.element_path[element] | np.uint64(1)
        slot = path & np.uint64(slots - 1)
        while paths[slot] != np.uint64(0) and paths[slot] != path:
            slot = (slot + np.uint64(1)) & np.uint64(slots - 1)
        paths[slot] = path
        slot_of[k] = slot
        by_path[slot, 0] += weight * probability[k]
        by_path[slot, 1] += weight
        by_path[slot, 2] += 1.0
    best, best_gain, best_words = best_subtree(page, first_scores)
    inside = in_subtree(page, best)
    steps = _steps_to_best(page, best, inside)
    low = high = -1
    for k in range(blocks):
        if inside[page.block_element[k]]:
            if low < 0:
                low = k
            high = k
    likely_log = log1p(likely)
    since = FAR
    for k in range(blocks):
        row = table[k]
        element = page.block_element[k]
        parent = page.element_parent[element]
        grandparent = page.element_parent[parent]
        p = probability[k]
        weight = words[k] + 2.0
        row[0] = first_scores[k]
        row[1] = first_scores[k - 1] if k > 0 else NO_SCORE
        row[2] = first_scores[k + 1] if k + 1 < blocks else NO_SCORE
        row[3] = first_scores[k - 2] if k > 1 else NO_SCORE
        row[4] = first_scores[k + 2] if k + 2 < blocks else NO_SCORE
        # A block counts among its own kind with no more than five words.
        slot = slot_of[k]
        row[5] = (by_path[slot, 0] - weight * p + 5.0 * p) / (by_path[slot, 1] - weight + 5.0)
        row[6] = (by_parent[parent, 0] - weight * p + 5.0 * p) / (by_parent[parent, 1] - weight + 5.0)
        row[7] = log1p(by_parent[parent, 2])
        row[8] = 1.0 if inside[element] else 0.0
        row[9] = steps[element] / 10.0
        row[10] = best_gain / (best_words + 1.0)
        row[11] = 1.0 if k > last_sure else 0.0
        row[12] = 1.0 if k < first_sure else 0.0
        row[13] = min(since, FAR) / FAR
        since = 0 if p > SURE_PROBABILITY and words[k] >= SURE_WORDS else since + 1
        row[15] = log1p(words[k])
        row[16] = likely / (total + 1.0)
        row[17] = (k - low) / (high - low + 1.0) if high > low else 0.0
        row[18] = 1.0 if _H1 <= page.element_tag[element] <= _H6 else 0.0
        row[19] = log1p(by_path[slot, 2])
        row[20] = likely_log
        row[21] = page.block_counts[k, LINK_WORDS] / page.block_counts[k, WORDS]
        row[22] = best_words / (total + 1.0)
        row[23] = (by_grandparent[grandparent, 0] + 5.0 * p) / (by_grandparent[grandparent, 1] + 5.0)
    until = FAR
    for k in range(blocks - 1, -1, -1):
        table[k, 14] = min(until, FAR) / FAR
        until = 0 if probability[k] > SURE_PROBABILITY and words[k] >= SURE_WORDS else until + 1
    return table
