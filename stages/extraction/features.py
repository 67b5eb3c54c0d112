"""Features of text blocks, of which the first score is made: what a block is.

`first_features(page) -> float32[blocks, len(FIRST_NAMES)]` looks at one block, its two neighbours on each side and its
ancestors. `word_scores` adds the weights of class words, and `block_words` lists them for fitting. Words of a block are
counted as text_run does, one word is 1.0 here. How its surroundings score is in `context_features`.

All numbers come from additions, multiplications and divisions in a fixed order (logarithm and exponential too, see
`exact_math`), so they have the same bits on every machine that computes by IEEE 754.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import WORD_UNITS
from stages.extraction.elements import (
    ANCESTOR_TAGS,
    IN_ARIA_HIDDEN,
    IN_COMMENTS,
    IN_HIDDEN,
    TAG_COUNT,
    TAGS,
)
from stages.extraction.exact_math import log1p
from stages.extraction.hashing import look_up, name_hash
from stages.extraction.scanner import Page
from stages.extraction.text_run import (
    CAPITALS,
    CHARACTERS,
    COMMAS,
    DIGITS,
    ENDS,
    LINE_BREAKS,
    LINK_WORDS,
    SENTENCE_ENDS,
    STARTS,
    STARTS_SMALL,
    WORDS,
)

# The tag of a block's innermost block-level element, by group; a tag that is in no group has none of these features.
_TAG_GROUPS = {
    "p": "p dd",
    "h1": "h1",
    "h2": "h2",
    "h3": "h3 h4 h5 h6",
    "li": "li",
    "td": "td th",
    "div": "div section center",
    "blockquote": "blockquote",
    "pre": "pre xmp listing",
    "figcaption": "figcaption caption",
    "dt": "dt",
    "button": "button label legend summary",
    "list": "ul ol",
    "article": "article",
    "main": "main body",
    "header": "header footer aside nav",
}
_GROUP_OF_TAG = np.full(TAG_COUNT, -1, dtype=np.int8)
for _number, _tags in enumerate(_TAG_GROUPS.values()):
    for _tag in _tags.split():
        _GROUP_OF_TAG[TAGS[_tag]] = _number

# name -> what it says, in the order of the columns
FIRST_FEATURES: dict[str, str] = {
    "log_words": "ln(1 + words)",
    "link_share": "share of the words that are in links",
    **{
        f"words_{low}_to_{high}": f"1 if it has {low} to under {high} words"
        for low, high in ((0, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 64))
    },
    "words_64_up": "1 if it has 64 words or more",
    "ends_like_prose": "1 if its last mark ends a sentence or a quotation, or is a colon",
    "sentence_ends_per_word": "5 x sentence ends per word, at most 1",
    "has_sentence_end": "1 if a sentence ends in it",
    "commas_per_word": "5 x commas per word, at most 1",
    "digit_share": "2 x share of digits among the characters, at most 1",
    "capital_share": "share of the words that begin with a capital",
    "all_links": "1 if over 95 % of the words are in links",
    "part_links": "1 if over 30 % and at most 95 % are",
    **{f"in_{tag}": f"1 if it is in a <{tag}>" for tag in ANCESTOR_TAGS},
    **{f"tag_{group}": f"1 if its own element is one of {tags}" for group, tags in _TAG_GROUPS.items()},
    "hidden": "1 if an element around it is hidden by attribute or style, or shown without scripts only",
    "aria_hidden": "1 if an element around it is hidden from screen readers",
    "in_comments": "1 if it is in a section of readers' comments",
    "position": "share of the page's words before its middle",
    "position_squared": "square of that",
    "before_h1": "1 if it is before the first h1",
    "after_h1": "1 if it is behind the first h1",
    "no_h1": "1 if the page has no h1",
    "previous_log_words": "log_words of the block before (0 if none)",
    "previous_link_share": "link_share of the block before (1 if none)",
    "previous_ends": "ends_like_prose of the block before (0 if none)",
    "next_log_words": "log_words of the block behind (0 if none)",
    "next_link_share": "link_share of the block behind (1 if none)",
    "next_ends": "ends_like_prose of the block behind (0 if none)",
    "second_previous_log_words": "log_words of the block two before (0 if none)",
    "second_previous_link_share": "link_share of the block two before (1 if none)",
    "second_next_log_words": "log_words of the block two behind (0 if none)",
    "second_next_link_share": "link_share of the block two behind (1 if none)",
    "like_previous": "1 if the block before has the same path of tags and classes",
    "like_next": "1 if the block behind has",
    "depth": "number of elements around it / 20, at most 3",
    "line_breaks": "line breaks in it / 3, at most 1",
    "repeated": "1 if the same text was in a block before",
    "share_of_page": "share of the page's words",
    "page_log_words": "ln(1 + words of the page) / 10",
    "starts_small": "1 if it begins with a small letter",
    "long_blocks": "blocks of the page with 20 words and under 30 % links / 10, at most 1",
}
FIRST_NAMES = tuple(FIRST_FEATURES)

_FIRST_ANCESTOR = FIRST_NAMES.index(f"in_{ANCESTOR_TAGS[0]}")
_FIRST_GROUP = FIRST_NAMES.index("tag_p")
_HIDDEN = FIRST_NAMES.index("hidden")
_POSITION = FIRST_NAMES.index("position")
_PREVIOUS = FIRST_NAMES.index("previous_log_words")
_LIKE_PREVIOUS = FIRST_NAMES.index("like_previous")
_WORDS_FIRST = FIRST_NAMES.index("words_0_to_2")
_ENDS = FIRST_NAMES.index("ends_like_prose")
_FIRST_COLUMNS = len(FIRST_NAMES)
_H1 = TAGS["h1"]
_H6 = TAGS["h6"]

Features = NDArray[np.float32]
Scores = NDArray[np.float64]


@njit(cache=True)
def first_features(page: Page) -> Features:
    """One row of FIRST_NAMES a block."""
    blocks = len(page.block_element)
    table = np.zeros((blocks, _FIRST_COLUMNS), dtype=np.float32)
    total = 0.0
    long_blocks = 0
    h1 = -1
    for k in range(blocks):
        counts = page.block_counts[k]
        total += counts[WORDS] / WORD_UNITS
        if counts[WORDS] >= 20 * WORD_UNITS and counts[LINK_WORDS] * 10 < counts[WORDS] * 3:
            long_blocks += 1
        if h1 < 0 and page.element_tag[page.block_element[k]] == _H1:
            h1 = k
    page_log_words = log1p(total) / 10.0
    slots = 16
    while slots < 2 * blocks:
        slots *= 2
    seen = np.zeros(slots, dtype=np.uint64)
    before = 0.0
    for k in range(blocks):
        row = table[k]
        counts = page.block_counts[k]
        element = page.block_element[k]
        words = counts[WORDS] / WORD_UNITS
        link_share = counts[LINK_WORDS] / counts[WORDS]
        row[0] = log1p(words)
        row[1] = link_share
        step = 0
        bound = 2.0
        while step < 6 and words >= bound:
            step += 1
            bound *= 2.0
        row[_WORDS_FIRST + step] = 1.0
        row[_ENDS] = counts[ENDS]
        row[_ENDS + 1] = min(1.0, 5.0 * counts[SENTENCE_ENDS] / (words + 1.0))
        row[_ENDS + 2] = 1.0 if counts[SENTENCE_ENDS] > 0 else 0.0
        row[_ENDS + 3] = min(1.0, 5.0 * counts[COMMAS] / (words + 1.0))
        row[_ENDS + 4] = min(1.0, 2.0 * counts[DIGITS] / (counts[CHARACTERS] + 1.0))
        row[_ENDS + 5] = min(1.0, counts[CAPITALS] / words)
        row[_ENDS + 6] = 1.0 if link_share > 0.95 else 0.0
        row[_ENDS + 7] = 1.0 if 0.3 < link_share <= 0.95 else 0.0
        ancestors = page.element_ancestors[element]
        for bit in range(_FIRST_GROUP - _FIRST_ANCESTOR):
            row[_FIRST_ANCESTOR + bit] = (ancestors >> np.uint64(bit)) & np.uint64(1)
        group = _GROUP_OF_TAG[page.element_tag[element]]
        if group >= 0:
            row[_FIRST_GROUP + group] = 1.0
        row[_HIDDEN] = 1.0 if ancestors & IN_HIDDEN else 0.0
        row[_HIDDEN + 1] = 1.0 if ancestors & IN_ARIA_HIDDEN else 0.0
        row[_HIDDEN + 2] = 1.0 if ancestors & IN_COMMENTS else 0.0
        position = (before + words / 2.0) / total
        before += words
        row[_POSITION] = position
        row[_POSITION + 1] = position * position
        row[_POSITION + 2] = 1.0 if k < h1 else 0.0
        row[_POSITION + 3] = 1.0 if 0 <= h1 < k else 0.0
        row[_POSITION + 4] = 1.0 if h1 < 0 else 0.0
        row[_LIKE_PREVIOUS + 2] = min(3.0, page.element_depth[element] / 20.0)
        row[_LIKE_PREVIOUS + 3] = min(1.0, counts[LINE_BREAKS] / 3.0)
        hashed = page.block_hash[k] | np.uint64(1)
        slot = hashed & np.uint64(slots - 1)
        while seen[slot] != np.uint64(0) and seen[slot] != hashed:
            slot = (slot + np.uint64(1)) & np.uint64(slots - 1)
        row[_LIKE_PREVIOUS + 4] = 1.0 if seen[slot] == hashed else 0.0
        seen[slot] = hashed
        row[_LIKE_PREVIOUS + 5] = words / total
        row[_LIKE_PREVIOUS + 6] = page_log_words
        row[_LIKE_PREVIOUS + 7] = 1.0 if counts[STARTS] == STARTS_SMALL else 0.0
        row[_LIKE_PREVIOUS + 8] = min(1.0, long_blocks / 10.0)
    for k in range(blocks):
        row = table[k]
        path = page.element_path[page.block_element[k]]
        # (block, first column, how many of log_words, link_share, ends_like_prose are taken)
        for other, column, taken in (
            (k - 1, _PREVIOUS, 3),
            (k + 1, _PREVIOUS + 3, 3),
            (k - 2, _PREVIOUS + 6, 2),
            (k + 2, _PREVIOUS + 8, 2),
        ):
            if 0 <= other < blocks:
                row[column] = table[other, 0]
                row[column + 1] = table[other, 1]
                if taken == 3:
                    row[column + 2] = table[other, _ENDS]
            else:
                row[column + 1] = 1.0
        if k > 0 and page.element_path[page.block_element[k - 1]] == path:
            row[_LIKE_PREVIOUS] = 1.0
        if k + 1 < blocks and page.element_path[page.block_element[k + 1]] == path:
            row[_LIKE_PREVIOUS + 1] = 1.0
    return table


@njit(cache=True)
def word_scores(
    page: Page, hashes: NDArray[np.uint64], numbers: NDArray[np.int32], weights: Scores
) -> Scores:
    """For each block the sum of the weights of the class words of all elements around it.

    `hashes` and `numbers` are hashing.hash_table of the words to their places in `weights`.
    """
    sums = np.zeros(len(page.element_parent), dtype=np.float64)
    for w in range(len(page.word_hash)):
        number = look_up(hashes, numbers, page.word_hash[w])
        if number >= 0:
            sums[page.word_element[w]] += weights[number]
    for e in range(1, len(sums)):
        sums[e] += sums[page.element_parent[e]]
    return sums[page.block_element]


@njit(cache=True)
def linear_scores(table: Features, weights: Scores, start: Scores) -> Scores:
    """start + table x weights, each row summed from left to right."""
    scores = np.empty(len(table), dtype=np.float64)
    for k in range(len(table)):
        score = start[k]
        for column in range(len(weights)):
            score += table[k, column] * weights[column]
        scores[k] = score
    return scores


def block_words(page: Page, data: bytes) -> list[list[str]]:
    """For each block the class words of all elements around it (a word as often as elements have it), for fitting."""
    own: dict[int, list[str]] = {}
    for w, element in enumerate(page.word_element.tolist()):
        start, end = page.word_place[w].tolist()
        word = data[start:end].decode("ascii").lower()
        own.setdefault(element, []).append(word if name_hash(word) == int(page.word_hash[w]) else f"@{word}")
    words: list[list[str]] = []
    for element in page.block_element.tolist():
        found: list[str] = []
        while element > 0:
            found += own.get(element, [])
            element = int(page.element_parent[element])
        words.append(found)
    return words
