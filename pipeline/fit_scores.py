"""Fits the two scores of the main-content extractor on labelled blocks, and judges them by cross-validation.

The first score sees a block's features and the words of the elements that it is in; the context score sees the first
scores around a block. The context score must learn from first scores as they are on pages of unknown sites, so these
are taken out of fold: the sites are dealt into folds by a hash of their name, and each fold is scored by weights that
were fitted on the others. The same is done once more around all of it to say how good the result is: no page is judged
by weights that saw its site.

Every page counts alike whatever its length, and within a page a block by its words to the power 3/4. The profile `web`
counts all types of page alike; `article` counts pages that are no articles 2 %, which sharpens it for prose.

Source of the method and its numbers: our own trials (see docs/extraction.md, "Fitting").
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import xxhash
from numpy.typing import NDArray

from classifiers.block_labels import Match, match_texts
from classifiers.block_regression import Blocks, Regression, fit_regression, without_words
from pipeline.labelled_blocks import MIN_FOUND, BlockSet, LabelledPage
from stages.extraction.context_features import context_features
from stages.extraction.extract import choose_blocks

Pages = NDArray[np.int64]  # numbers of pages in a BlockSet
Vector = NDArray[np.float64]

SCORED_COMMENTS = 0  # of extract.choose_blocks: comments are judged like all else
SIGNIFICANT_DIGITS = 6  # of a weight: what is left is the same on machines that round sums otherwise


@dataclass(frozen=True)
class FitSettings:
    """How the scores are fitted. Penalties are in pages: one page's blocks have weight 1 together."""

    other_types_weight: float = 1.0  # of a page that is no article; profile article: 0.02
    word_power: float = 0.75  # a block counts by its words to this power; our trials
    l2: float = 0.2  # of the first score; our trials: 0.05 to 0.8 differ by less than 0.005 in F1
    context_l2: float = 0.02  # of the context score; our trials
    min_sites: int = 12  # a class or id word must be on pages of so many sites: rarer ones are a site's own
    folds: int = 4  # by site

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, not {self.folds}")


PROFILES = {"article": FitSettings(other_types_weight=0.02, l2=0.1), "web": FitSettings()}


@dataclass(frozen=True)
class Scores:
    """Both fitted scores. `first.words` has one weight for each word of `vocabulary`."""

    first: Regression
    vocabulary: Sequence[str]
    context: Regression


def fold_of(site: str, folds: int, purpose: str) -> int:
    """The fold of a site: a hash of its name, and of what the folds are for."""
    return xxhash.xxh3_64_intdigest(f"{purpose}\0{site}".encode()) % folds


def fit_scores(data: BlockSet, chosen: Pages, settings: FitSettings, purpose: str = "context") -> Scores:
    """Fits both scores on the chosen pages; `purpose` deals the folds.

    ValueError where the pages are of too few sites, or have no main text or nothing else.
    """
    chosen = np.array([k for k in chosen if data.pages[k].found >= MIN_FOUND], np.int64)
    rows = data.rows(chosen)
    labels = data.labels[rows]
    if not 0 < labels.sum() < len(labels):
        raise ValueError(
            f"{len(chosen)} pages have no block that is main text and one that is not: give more pages"
        )
    words = _frequent_words(data, chosen, settings.min_sites)
    blocks = _with_words(data.blocks.take(rows), words)
    weights = np.concatenate([block_weights(data.pages[k], settings) for k in chosen])
    page_of_row = np.repeat(chosen, np.diff(data.bounds)[chosen])
    page_fold = np.array([fold_of(page.site, settings.folds, purpose) for page in data.pages])
    fold = page_fold[page_of_row]
    if len(np.unique(fold)) < 2:
        raise ValueError("all pages are of one site, or of sites in one fold: give pages of more sites")

    def fitted(part: NDArray[np.bool_], start: Regression | None) -> Regression:
        kept = np.flatnonzero(part)
        return fit_regression(
            blocks.take(kept), labels[kept], weights[kept], word_count=len(words), l2=settings.l2, start=start
        )

    first = fitted(np.ones(len(rows), np.bool_), None)
    scores = np.empty(len(rows))

    def score_fold(k: int) -> None:
        held_out = np.flatnonzero(fold == k)
        scores[held_out] = fitted(fold != k, first).scores(blocks.take(held_out))

    in_threads(score_fold, sorted(set(fold.tolist())))
    around, at = [], 0
    for k in chosen:
        end = at + len(data.pages[k])
        around.append(context_features(data.pages[k].page, scores[at:end]))
        at = end
    context = fit_regression(
        without_words(np.concatenate(around)), labels, weights, word_count=0, l2=settings.context_l2
    )
    return Scores(rounded(first), [data.vocabulary[k] for k in words], rounded(context))


def first_scores(data: BlockSet, rows: NDArray[np.int64], scores: Scores) -> Vector:
    """The first scores of these blocks; words that were not fitted count for nothing."""
    place = {word: k for k, word in enumerate(data.vocabulary)}
    words = np.array([place[word] for word in scores.vocabulary], np.int64)
    return scores.first.scores(_with_words(data.blocks.take(rows), words))


def score_page(data: BlockSet, number: int, scores: Scores) -> tuple[Vector, Vector]:
    """The first score and the context score of each block of a page."""
    first = first_scores(data, np.arange(data.bounds[number], data.bounds[number + 1]), scores)
    return first, scores.context.scores(without_words(context_features(data.pages[number].page, first)))


@dataclass(frozen=True)
class CrossValidation:
    """The scores fitted without each fold's sites, and each page's fold."""

    scores: Sequence[Scores]
    fold: Sequence[int]

    def matches(self, data: BlockSet, threshold: float) -> list[Match]:
        """How the kept blocks of each page meet its known text."""
        return [
            match_page(page, *score_page(data, number, self.scores[self.fold[number]]), threshold)
            for number, page in enumerate(data.pages)
        ]


def match_page(page: LabelledPage, first: Vector, scores: Vector, threshold: float) -> Match:
    """How the blocks that the extractor keeps by these scores meet the page's known text."""
    kept, _ = choose_blocks(page.page, first, scores, threshold, SCORED_COMMENTS, False)
    text = "\n".join(text for text, keep in zip(page.texts, kept.tolist(), strict=True) if keep)
    return match_texts(text, page.known_text)


def cross_validate(data: BlockSet, settings: FitSettings, folds: int = 5) -> CrossValidation:
    """Fits both scores anew for each fold, on the pages of all other sites."""
    fold = np.array([fold_of(page.site, folds, "validation") for page in data.pages])
    parts = [fit_scores(data, np.flatnonzero(fold != k), settings) for k in range(folds)]
    return CrossValidation(parts, fold.tolist())


def rounded(regression: Regression) -> Regression:
    def digits(values: Vector) -> Vector:
        return np.array([float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values.tolist()])

    return Regression(
        digits(regression.features), digits(regression.words), digits(np.array([regression.bias]))[0]
    )


def block_weights(page: LabelledPage, settings: FitSettings) -> Vector:
    """The weights of a page's blocks; together 1, or `other_types_weight`."""
    weights: Vector = page.word_counts**settings.word_power
    page_weight = 1.0 if page.type == "article" else settings.other_types_weight
    weights *= page_weight / float(weights.sum())
    return weights


def in_threads(work: Callable[[int], None], items: Sequence[int]) -> None:
    """Calls `work` on each item, two at a time where there are two cores: the kernels hold no lock."""
    with ThreadPoolExecutor(min(len(items), os.cpu_count() or 1)) as pool:
        list(pool.map(work, items))


def _frequent_words(data: BlockSet, chosen: Pages, min_sites: int) -> NDArray[np.int64]:
    sites = np.unique(data.sites[chosen])
    return np.flatnonzero(data.site_has_word[sites].sum(axis=0) >= min_sites)


def _with_words(blocks: Blocks, words: NDArray[np.int64]) -> Blocks:
    """The blocks with only these words, numbered anew."""
    number_of = np.full(int(max(words.max(initial=-1), blocks.words.max(initial=-1))) + 1, -1, np.int32)
    number_of[words] = np.arange(len(words))
    numbers = number_of[blocks.words]
    before = np.concatenate([[0], np.cumsum(numbers >= 0)])
    return replace(blocks, starts=before[blocks.starts], words=numbers[numbers >= 0])
