"""What each feature of the extractor's scores does: its standardised weight, and what is lost without its group.

A standardised weight is the change of the score when the feature changes by one standard deviation. The loss of a group
is told by cross-validation: both scores are fitted without it, by site out of fold, and the F1 of the kept text is
taken. Features that say nearly the same cover for one another, so a group may weigh much and be missed little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.block_labels import score_matches
from classifiers.block_regression import Blocks, Regression, fit_regression, without_words
from pipeline.fit_scores import FitSettings, Vector, block_weights, fold_of, in_threads, match_page
from pipeline.labelled_blocks import MIN_FOUND, BlockSet
from stages.extraction.context_features import CONTEXT_NAMES, context_features
from stages.extraction.features import FIRST_NAMES

FOLDS = 4

# Group -> beginnings of the names of its features, for each of the two scores; the first group that fits counts.
FIRST_GROUPS: Mapping[str, Sequence[str]] = {
    "comment sections": ("in_comments",),
    "hidden": ("hidden", "aria_hidden"),
    "own tag": ("tag_",),
    "tags around": ("in_",),
    "neighbours": ("previous_", "next_", "second_"),
    "same path as neighbours, repeated": ("like_", "repeated"),
    "links": ("link_", "all_links", "part_links"),
    "marks, digits, capitals": (
        "ends_", "sentence_", "has_sentence", "commas_", "digit_", "capital_", "starts_",
    ),
    "position": ("position", "before_", "after_", "no_h1"),
    "the page": ("page_", "long_blocks"),
    "length": ("log_words", "words_", "share_of_page"),
}  # fmt: skip
CONTEXT_GROUPS: Mapping[str, Sequence[str]] = {
    "scores of neighbours": ("first_",),
    "own score": ("first",),
    "like blocks": ("like_", "log_like", "log_siblings"),
    "best subtree": ("in_best", "steps_to_best", "best_", "position_in_best"),
    "sure blocks": ("after_last", "before_first", "since_", "until_"),
    "the page": ("page_",),
}
OTHERS = "others"
CLASS_WORDS = "class and id words"


@dataclass(frozen=True, slots=True)
class FeatureWeight:
    """One feature of the `first` or the `context` score."""

    score: str
    name: str
    weight: float
    standardised: float


@dataclass(frozen=True, slots=True)
class GroupEffect:
    """F1 over all pages with everything, less F1 without a group: positive is what the group is worth."""

    score: str
    group: str
    features: int
    worth: float


def group_of(name: str, groups: Mapping[str, Sequence[str]]) -> str:
    """The group of a feature."""
    return next((group for group, begins in groups.items() if name.startswith(tuple(begins))), OTHERS)


def feature_weights(
    score: str, names: Sequence[str], weights: Vector, table: NDArray[np.float32], rows: Vector
) -> list[FeatureWeight]:
    """The features with the largest standardised weight first; `rows` are the weights of the rows of `table`."""
    share = rows / rows.sum()
    mean = share @ table
    deviation = np.sqrt(np.maximum(share @ np.square(table, dtype=np.float64) - np.square(mean), 0.0))
    found = [
        FeatureWeight(score, name, weight, weight * spread)
        for name, weight, spread in zip(names, weights.tolist(), deviation.tolist(), strict=True)
    ]
    return sorted(found, key=lambda feature: (-abs(feature.standardised), feature.name))


def group_effects(data: BlockSet, settings: FitSettings, threshold: float) -> Iterator[GroupEffect]:
    """The worth of each group of features, those of the first score before those of the context score."""
    trial = _Trial(data, settings, threshold)
    everything = np.ones(len(FIRST_NAMES), np.bool_), np.ones(len(CONTEXT_NAMES), np.bool_)
    whole, first_scores = trial.f1(*everything)
    for score, names, groups in (
        ("first", FIRST_NAMES, FIRST_GROUPS),
        ("context", CONTEXT_NAMES, CONTEXT_GROUPS),
    ):
        group_names = [group_of(name, groups) for name in names]
        for group in dict.fromkeys(group_names):
            kept = np.array([name != group for name in group_names])
            if score == "first":
                found, _ = trial.f1(kept, everything[1])
            else:
                found, _ = trial.f1(everything[0], kept, first_scores)
            yield GroupEffect(score, group, int((~kept).sum()), whole - found)
        if score == "first":
            found, _ = trial.f1(*everything, words=False)
            yield GroupEffect(score, CLASS_WORDS, len(data.vocabulary), whole - found)


class _Trial:
    """Fits with some features left out. One level of folds: the context score of a fold's pages is fitted on the first
    scores of all other folds, which is close enough to compare."""

    def __init__(self, data: BlockSet, settings: FitSettings, threshold: float) -> None:
        self.data, self.settings, self.threshold = data, settings, threshold
        usable = np.array([page.found >= MIN_FOUND for page in data.pages])
        folds = np.array([fold_of(page.site, FOLDS, "effects") for page in data.pages])
        lengths = np.diff(data.bounds)
        self.fold = np.repeat(folds, lengths)
        self.weights = np.concatenate([block_weights(page, settings) for page in data.pages])
        self.weights *= np.repeat(usable, lengths)
        self.start: Regression | None = None

    def f1(
        self,
        first_features: NDArray[np.bool_],
        context_names: NDArray[np.bool_],
        first_scores: Vector | None = None,
        words: bool = True,
    ) -> tuple[float, Vector]:
        """F1 with these features, and the first scores; those given are taken as they are."""
        data = self.data
        if first_scores is None:
            first_scores = self._first_scores(data.blocks.with_only(first_features), words)
        around = np.concatenate(
            [
                context_features(page.page, first_scores[start:end])
                for page, start, end in zip(data.pages, data.bounds[:-1], data.bounds[1:], strict=True)
            ]
        )
        scores = self._held_out_scores(
            without_words(around).with_only(context_names), 0, self.settings.context_l2, None
        )
        matches = [
            match_page(page, first_scores[start:end], scores[start:end], self.threshold)
            for page, start, end in zip(data.pages, data.bounds[:-1], data.bounds[1:], strict=True)
        ]
        return score_matches(matches).f1, first_scores

    def _first_scores(self, blocks: Blocks, words: bool) -> Vector:
        if not words:
            return self._held_out_scores(without_words(blocks.features), 0, self.settings.l2, None)
        count, l2 = len(self.data.vocabulary), self.settings.l2
        if self.start is None:
            self.start = fit_regression(blocks, self.data.labels, self.weights, word_count=count, l2=l2)
        return self._held_out_scores(blocks, count, l2, self.start)

    def _held_out_scores(self, blocks: Blocks, words: int, l2: float, start: Regression | None) -> Vector:
        scores = np.zeros(len(blocks))

        def score_fold(k: int) -> None:
            fitted, held_out = (
                np.flatnonzero((self.fold != k) & (self.weights > 0)),
                np.flatnonzero(self.fold == k),
            )
            regression = fit_regression(
                blocks.take(fitted),
                self.data.labels[fitted],
                self.weights[fitted],
                word_count=words,
                l2=l2,
                start=start,
            )
            scores[held_out] = regression.scores(blocks.take(held_out))

        in_threads(score_fold, range(FOLDS))
        return scores
