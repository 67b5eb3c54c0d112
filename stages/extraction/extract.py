"""The main content of an HTML page: scan, two linear scores, text.

In: a page as UTF-8 bytes (decode other charsets before) or as a string. Out: `Extraction`. A block is kept when its
context score is at or above the threshold. The cells of a row of data are kept or dropped together, by the mean of
their scores weighted with words. Hidden blocks are dropped. If nothing is left, the best subtree is taken, else the
text of the whole page, and `fallback` says so.

Equal pages give equal texts on every machine: see `features`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.extraction.characters import WORD_UNITS, Bytes
from stages.extraction.context_features import best_subtree, context_features, in_subtree
from stages.extraction.elements import IN_COMMENTS, IN_HIDDEN, TAG_NAMES, TAGS
from stages.extraction.features import Scores, first_features, linear_scores, word_scores
from stages.extraction.layout import Layout, lay_out
from stages.extraction.page_facts import canonical_url, page_date, page_language, page_title
from stages.extraction.scanner import MAX_BYTES, Page, scan_bytes
from stages.extraction.text_run import LINK_WORDS, WORDS
from stages.extraction.weights import Weights
from stages.extraction.writing import write_text

Comments = Literal["scored", "kept", "dropped"]
Fallback = Literal["", "best_subtree", "whole_page"]

MAX_HIDDEN_SHARE = 0.5  # of the words that would be kept; pages that hide more show it by script

_COMMENTS: tuple[Comments, ...] = ("scored", "kept", "dropped")
_FALLBACKS: tuple[Fallback, ...] = ("", "best_subtree", "whole_page")
_NO_FALLBACK, _BEST_SUBTREE, _WHOLE_PAGE = range(3)
_SCORED, _KEPT, _DROPPED = range(3)
_H1 = TAGS["h1"]
# No character has such a number, but it takes quadratic time to say so.
_LONG_NUMBER = re.compile("&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")


class Model(NamedTuple):
    """Weights as arrays in the order of the features."""

    word_hashes: NDArray[np.uint64]
    word_numbers: NDArray[np.int32]
    word_weights: NDArray[np.float64]
    first: NDArray[np.float64]
    first_bias: float
    context: NDArray[np.float64]
    context_bias: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """A page's main content. `text` is valid Unicode, paragraphs are parted by an empty line; "" if nothing is there.

    `blocks` is the number of blocks kept. `fallback` is empty, or says what was taken as no block scored enough.
    """

    text: str
    title: str
    language: str | None
    date: date | None
    canonical_url: str | None
    blocks: int
    fallback: Fallback


@dataclass(frozen=True, slots=True)
class ScoredBlock:
    """A block with its scores, for people who want to see why."""

    text: str
    path: str
    words: float
    first_score: float
    score: float
    kept: bool


@njit(cache=True)
def score_blocks(page: Page, model: Model) -> tuple[Scores, Scores]:
    """First scores and context scores of all blocks."""
    start = word_scores(page, model.word_hashes, model.word_numbers, model.word_weights) + model.first_bias
    first = linear_scores(first_features(page), model.first, start)
    return first, linear_scores(
        context_features(page, first), model.context, np.full(len(first), model.context_bias)
    )


@njit(cache=True)
def _share_row_scores(page: Page, layout: Layout, scores: Scores) -> None:
    """Gives the cells of each row of data the mean of their scores, weighted with words."""
    sums = np.zeros(len(page.element_parent), dtype=np.float64)
    words = np.zeros(len(page.element_parent), dtype=np.float64)
    for k in range(len(scores)):
        r = layout.row[page.block_element[k]]
        if layout.is_line[r]:
            sums[r] += scores[k] * page.block_counts[k, WORDS]
            words[r] += page.block_counts[k, WORDS]
    for k in range(len(scores)):
        r = layout.row[page.block_element[k]]
        if layout.is_line[r]:
            scores[k] = sums[r] / words[r]


@njit(cache=True)
def choose_blocks(
    page: Page, first: Scores, scores: Scores, threshold: float, comments: int, hidden: bool
) -> tuple[NDArray[np.bool_], int]:
    """Which blocks are kept, and the number of the fallback."""
    blocks = len(scores)
    usable = np.ones(blocks, dtype=np.bool_)
    keep = np.zeros(blocks, dtype=np.bool_)
    found = False
    wanted_words = hidden_words = 0
    for k in range(blocks):
        if scores[k] >= threshold:
            wanted_words += page.block_counts[k, WORDS]
            if page.element_ancestors[page.block_element[k]] & IN_HIDDEN:
                hidden_words += page.block_counts[k, WORDS]
    hidden = hidden or hidden_words > MAX_HIDDEN_SHARE * wanted_words
    for k in range(blocks):
        ancestors = page.element_ancestors[page.block_element[k]]
        in_comments = (ancestors & IN_COMMENTS) != 0
        usable[k] = (hidden or (ancestors & IN_HIDDEN) == 0) and not (in_comments and comments == _DROPPED)
        wanted = scores[k] >= threshold
        if comments == _KEPT and in_comments:
            wanted = wanted or 2 * page.block_counts[k, LINK_WORDS] < page.block_counts[k, WORDS]
        keep[k] = wanted and usable[k]
        found = found or keep[k]
    if found or blocks == 0:
        return keep, _NO_FALLBACK
    best, gain, _ = best_subtree(page, first)
    if gain > 0.0:
        inside = in_subtree(page, best)
        for k in range(blocks):
            keep[k] = usable[k] and inside[page.block_element[k]]
            found = found or keep[k]
        if found:
            return keep, _BEST_SUBTREE
    for k in range(blocks):
        keep[k] = usable[k]
        found = found or keep[k]
    if not found:
        keep[:] = True
    return keep, _WHOLE_PAGE


@njit(cache=True)
def _extract(
    data: Bytes, model: Model, threshold: float, comments: int, hidden: bool
) -> tuple[Bytes, Bytes, NDArray[np.int32], int, int]:
    """Text, text of the first h1, places of facts, number of blocks kept, number of the fallback."""
    page = scan_bytes(data)
    layout = lay_out(page)
    first, scores = score_blocks(page, model)
    _share_row_scores(page, layout, scores)
    keep, fallback = choose_blocks(page, first, scores, threshold, comments, hidden)
    text = write_text(data, page, layout, keep)
    kept = 0
    for k in range(len(keep)):
        kept += keep[k]
    keep[:] = False
    for k in range(len(keep)):
        if page.element_tag[page.block_element[k]] == _H1:
            keep[k] = True
            break
    return text, write_text(data, page, layout, keep), page.facts, kept, fallback


def _text(written: Bytes) -> str:
    text = written.tobytes().decode("utf-8", "replace")
    if "&" in text:
        text = html.unescape(_LONG_NUMBER.sub("\ufffd", text)).replace("\0", "").replace("\r", "\n")
    return text


class Extractor:
    """Extracts the main content of pages by given weights.

    `threshold` (log odds; that of the weights by default): lower keeps more. `comments`: readers' comments are judged
    like all else (`scored`), always kept, or always dropped. `hidden`: keep what the page hides if it scores enough.
    """

    def __init__(
        self,
        weights: Weights,
        threshold: float | None = None,
        comments: Comments = "scored",
        hidden: bool = False,
    ) -> None:
        if comments not in _COMMENTS:
            raise ValueError(f"extractor: comments {comments!r} is not one of {', '.join(_COMMENTS)}")
        self.threshold = weights.threshold if threshold is None else threshold
        self._comments = _COMMENTS.index(comments)
        self._hidden = hidden
        self._model = Model(
            *weights.word_table(),
            weights.first_array(),
            weights.first_bias,
            weights.context_array(),
            weights.context_bias,
        )

    def extract(self, page: bytes | str) -> Extraction:
        """The main content of one page. Raises ValueError for 2 GiB and more; no other content is an error."""
        data = _encoded(page)
        text, heading, facts, kept, fallback = _extract(
            np.frombuffer(data, dtype=np.uint8), self._model, self.threshold, self._comments, self._hidden
        )
        return Extraction(
            _text(text),
            page_title(data, facts, _text(heading)),
            page_language(data, facts),
            page_date(data, facts),
            canonical_url(data, facts),
            int(kept),
            _FALLBACKS[fallback],
        )

    def blocks(self, page: bytes | str) -> list[ScoredBlock]:
        """All blocks of a page with their scores and whether they are kept."""
        array = np.frombuffer(_encoded(page), dtype=np.uint8)
        scanned = scan_bytes(array)
        layout = lay_out(scanned)
        first, scores = score_blocks(scanned, self._model)
        _share_row_scores(scanned, layout, scores)
        keep, _ = choose_blocks(scanned, first, scores, self.threshold, self._comments, self._hidden)
        found = []
        only = np.zeros(len(keep), dtype=np.bool_)
        for k, element in enumerate(scanned.block_element.tolist()):
            only[k] = True
            text = _text(write_text(array, scanned, layout, only))
            only[k] = False
            path: list[str] = []
            while element > 0:
                path.append(TAG_NAMES[scanned.element_tag[element]] or "?")
                element = int(scanned.element_parent[element])
            words = float(scanned.block_counts[k, WORDS]) / WORD_UNITS
            found.append(
                ScoredBlock(
                    text, "/".join(reversed(path)), words, float(first[k]), float(scores[k]), bool(keep[k])
                )
            )
        return found


def _encoded(page: bytes | str) -> bytes:
    data = page.encode("utf-8", "replace") if isinstance(page, str) else page
    if len(data) > MAX_BYTES:
        raise ValueError(f"extractor: a page of {len(data)} bytes; cut it below {MAX_BYTES}")
    return data
