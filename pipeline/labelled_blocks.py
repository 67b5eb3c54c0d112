"""Pages with known text as blocks with labels: what the extractor's scores are fitted on.

Each page is scanned as the extractor scans it, its blocks are labelled by its known text, and the words of its class
and id attributes are gathered. Where the pages together have more blocks than fit into memory, those with the smallest
digest stay: the same ones in whatever order the files come.
"""

from __future__ import annotations

import hashlib
import heapq
import html as html_entities
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.block_labels import label_blocks
from classifiers.block_regression import Blocks
from pipeline.fit_pages import KnownPage
from stages.extraction.characters import WORD_UNITS
from stages.extraction.features import block_words, first_features
from stages.extraction.scanner import LINE_BREAK, Page, scan
from stages.extraction.text_run import WORDS

MAX_BLOCKS = 1_500_000  # about 2 GB with their features, words and texts
MIN_SILVER_FOUND = 0.9  # of the shingles of a text that nobody checked: research/extraction.md 6
MIN_FOUND = 0.3  # of the shingles of a known text: less is another page's text, or one that scripts write


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """One page: its scan, block by block the features of the first score, the label, the words and the text."""

    id: str
    file: str
    site: str
    type: str
    language: str
    known_text: str
    digest: str  # SHA-256 of the HTML and the known text
    page: Page
    features: NDArray[np.float32]
    main: NDArray[np.float64]  # 1 where the block is main text
    found: float  # fraction of the known text's shingles that are on the page
    word_counts: NDArray[np.float64]  # of the blocks
    texts: Sequence[str]
    path_starts: NDArray[np.int64]  # as Blocks.starts, of `path_words`
    path_words: NDArray[np.int32]  # numbers in `words`: of the elements that a block is in, once an element
    words: Sequence[str]  # class and id words of the page

    def __len__(self) -> int:
        return len(self.main)


def label_page(known: KnownPage) -> LabelledPage | None:
    """The page's blocks; None where the scan finds no text, or a silver text is not the page's."""
    page = scan(known.html)
    if not len(page.block_element):
        return None
    texts = block_texts(page, known.html)
    labels = label_blocks(texts, known.text)
    if known.silver and labels.found < MIN_SILVER_FOUND:
        return None
    found = block_words(page, known.html)
    words = sorted({word for block in found for word in block})
    number_of = {word: number for number, word in enumerate(words)}
    return LabelledPage(
        known.id,
        known.file,
        known.site,
        known.type,
        known.language,
        known.text,
        _digest(known),
        _kept(page),
        first_features(page),
        labels.main,
        labels.found,
        page.block_counts[:, WORDS] / WORD_UNITS,
        texts,
        np.concatenate([[0], np.cumsum([len(block) for block in found])]).astype(np.int64),
        np.array([number_of[word] for block in found for word in block], np.int32),
        words,
    )


def _kept(page: Page) -> Page:
    """The page without its class words and segments, in memory of its own: a scan's arrays are parts of larger ones."""
    nothing = np.zeros(0, np.int32)
    copies = {name: array.copy() for name, array in page._asdict().items()}
    copies |= {name: nothing for name in ("word_element", "word_place", "segment_start", "segment_end")}
    return Page(**(copies | {"word_hash": np.zeros(0, np.uint64)}))


def _digest(known: KnownPage) -> str:
    return hashlib.sha256(known.html + b"\0" + known.text.encode("utf-8", "replace")).hexdigest()


def label_pages(pages: Iterable[KnownPage], max_blocks: int = MAX_BLOCKS) -> list[LabelledPage]:
    """The labelled pages, ordered by their digests; a page with its text counts once."""
    heap: list[tuple[int, LabelledPage]] = []
    seen: set[int] = set()
    blocks = 0
    for known in pages:
        key = int(_digest(known), 16)
        if key in seen or not known.text.strip():
            continue
        labelled = label_page(known)
        if labelled is None:
            continue
        seen.add(key)
        heapq.heappush(heap, (-key, labelled))
        blocks += len(labelled)
        while blocks > max_blocks:
            blocks -= len(heapq.heappop(heap)[1])
    return [labelled for _, labelled in sorted(heap, key=lambda entry: -entry[0])]


def block_texts(page: Page, html: bytes) -> list[str]:
    """The text of each block, its character references resolved, line breaks as such."""
    texts = []
    for first, last in page.block_segments.tolist():
        pieces = [
            b"\n"
            if page.segment_start[k] == LINE_BREAK
            else html[page.segment_start[k] : page.segment_end[k]]
            for k in range(first, last)
        ]
        texts.append(html_entities.unescape(b"".join(pieces).decode("utf-8", "replace")))
    return texts


@dataclass(frozen=True)
class BlockSet:
    """All pages' blocks as one table. Page k has the blocks `bounds[k]` to `bounds[k + 1]`."""

    pages: Sequence[LabelledPage]
    bounds: NDArray[np.int64]
    blocks: Blocks  # words are numbers in `vocabulary`
    labels: NDArray[np.float64]
    vocabulary: Sequence[str]
    sites: NDArray[np.int64]  # number of each page's site
    site_has_word: NDArray[np.bool_]  # [sites, words]

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of all blocks of these pages."""
        return np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(self.bounds[k], self.bounds[k + 1]) for k in chosen)]
        )


def gather_blocks(pages: Sequence[LabelledPage], min_sites: int) -> BlockSet:
    """The table of all blocks, with the words that stand on pages of at least `min_sites` sites, in order."""
    names = sorted({page.site for page in pages})
    number_of = {name: number for number, name in enumerate(names)}
    sites_of: dict[str, set[int]] = {}
    for page in pages:
        for word in page.words:
            sites_of.setdefault(word, set()).add(number_of[page.site])
    vocabulary = sorted(word for word, sites in sites_of.items() if len(sites) >= min_sites)
    site_has_word = np.zeros((len(names), len(vocabulary)), np.bool_)
    for number, word in enumerate(vocabulary):
        site_has_word[sorted(sites_of[word]), number] = True
    word_number = {word: number for number, word in enumerate(vocabulary)}
    starts, words = [np.zeros(1, np.int64)], []
    for page in pages:
        numbers = np.array([word_number.get(word, -1) for word in page.words], np.int32)[page.path_words]
        before = np.concatenate([[0], np.cumsum(numbers >= 0)])
        starts.append(starts[-1][-1] + before[page.path_starts[1:]])
        words.append(numbers[numbers >= 0])
    return BlockSet(
        pages,
        np.concatenate([[0], np.cumsum([len(page) for page in pages])]).astype(np.int64),
        Blocks(
            np.concatenate([page.features for page in pages]), np.concatenate(starts), np.concatenate(words)
        ),
        np.concatenate([page.main for page in pages]),
        vocabulary,
        np.array([number_of[page.site] for page in pages]),
        site_has_word,
    )
