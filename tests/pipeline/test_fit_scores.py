"""The fit of both scores on small made pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifiers.block_labels import score_matches
from pipeline.feature_effects import (
    CONTEXT_GROUPS,
    FIRST_GROUPS,
    OTHERS,
    feature_weights,
    group_effects,
    group_of,
)
from pipeline.fit_scores import PROFILES, block_weights, cross_validate, fit_scores, fold_of, score_page
from pipeline.labelled_blocks import BlockSet, gather_blocks, label_page, label_pages
from stages.extraction.context_features import CONTEXT_NAMES
from stages.extraction.features import FIRST_NAMES
from tests.pipeline.extraction_pages import page, pages

SETTINGS = replace(PROFILES["web"], min_sites=4, folds=3)


@pytest.fixture(scope="module")
def data() -> BlockSet:
    return gather_blocks(label_pages(pages(30)), SETTINGS.min_sites)


def test_pages_of_unknown_sites_are_cut_right(data: BlockSet) -> None:
    found = cross_validate(data, SETTINGS, folds=3)
    score = score_matches(found.matches(data, 0.0))
    assert score.f1 > 0.97
    for number, each in enumerate(data.pages):
        assert found.fold[number] == fold_of(each.site, 3, "validation")


def test_pages_of_one_site_are_in_one_fold() -> None:
    assert {fold_of("example.org", 5, "context") for _ in range(3)} == {fold_of("example.org", 5, "context")}
    assert {fold_of(f"site-{k}.org", 5, "context") for k in range(60)} == set(range(5))


def test_the_context_score_is_fitted_on_first_scores_out_of_fold(
    data: BlockSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pipeline.fit_scores as module

    seen: list[int] = []
    fit = module.fit_regression

    def counted(blocks, labels, weights, **options):  # type: ignore[no-untyped-def]
        seen.append(len(blocks))
        return fit(blocks, labels, weights, **options)

    monkeypatch.setattr(module, "fit_regression", counted)
    fit_scores(data, np.arange(len(data.pages)), SETTINGS)
    whole, *folds, context = seen
    assert whole == context == len(data.labels)
    assert len(folds) == 3
    assert sum(whole - part for part in folds) == whole


def test_words_of_few_of_the_chosen_sites_are_not_fitted(data: BlockSet) -> None:
    chosen = np.flatnonzero(data.sites < 3)
    assert fit_scores(data, chosen, SETTINGS).vocabulary == []
    assert "menu" in fit_scores(data, np.arange(len(data.pages)), SETTINGS).vocabulary


def test_weights_have_six_digits(data: BlockSet) -> None:
    scores = fit_scores(data, np.arange(len(data.pages)), SETTINGS)
    for value in [*scores.first.features, *scores.first.words, *scores.context.features, scores.first.bias]:
        assert float(f"{value:.6g}") == value


def test_a_page_weighs_one_and_another_type_what_the_profile_says() -> None:
    article, service = label_page(page(1, "a.org")), label_page(page(2, "a.org", type="service"))
    assert article is not None and service is not None
    assert block_weights(article, PROFILES["article"]).sum() == pytest.approx(1.0)
    assert block_weights(service, PROFILES["article"]).sum() == pytest.approx(0.02)
    assert block_weights(service, PROFILES["web"]).sum() == pytest.approx(PROFILES["web"].other_types_weight)


def test_pages_of_one_site_cannot_be_fitted() -> None:
    data = gather_blocks(label_pages([page(k, "one.org") for k in range(4)]), 1)
    with pytest.raises(ValueError, match="all pages are of one site"):
        fit_scores(data, np.arange(4), SETTINGS)


def test_pages_without_other_text_cannot_be_fitted() -> None:
    data = gather_blocks(label_pages([page(k, f"s{k}.org") for k in range(4)]), 1)
    data.labels[:] = 1.0
    with pytest.raises(ValueError, match="no block that is main text and one that is not"):
        fit_scores(data, np.arange(4), SETTINGS)


def test_scores_of_a_page_tell_story_from_menu(data: BlockSet) -> None:
    scores = fit_scores(data, np.arange(len(data.pages)), SETTINGS)
    first, found = score_page(data, 0, scores)
    assert len(first) == len(found) == len(data.pages[0])
    assert found[data.pages[0].main == 1].min() > 0 > found[:6].max()


def test_every_feature_has_a_group() -> None:
    assert [name for name in FIRST_NAMES if group_of(name, FIRST_GROUPS) == OTHERS] == [
        "depth",
        "line_breaks",
    ]
    assert [name for name in CONTEXT_NAMES if group_of(name, CONTEXT_GROUPS) == OTHERS] == [
        "log_words", "is_heading", "link_share",
    ]  # fmt: skip
    assert group_of("in_comments", FIRST_GROUPS) == "comment sections"
    assert group_of("first", CONTEXT_GROUPS) == "own score"
    assert group_of("first_next", CONTEXT_GROUPS) == "scores of neighbours"


def test_standardised_weights_are_per_standard_deviation() -> None:
    table = np.array([[0.0, 1.0], [4.0, 1.0]], np.float32)
    found = feature_weights("first", ["a", "b"], np.array([3.0, 9.0]), table, np.array([1.0, 1.0]))
    assert [(feature.name, feature.weight, feature.standardised) for feature in found] == [
        ("a", 3.0, 6.0), ("b", 9.0, 0.0),
    ]  # fmt: skip


def test_effects_name_every_group_once(data: BlockSet) -> None:
    found = list(group_effects(data, SETTINGS, 0.0))
    named = [(effect.score, effect.group) for effect in found]
    assert len(named) == len(set(named))
    assert sum(effect.features for effect in found if effect.score == "context") == len(CONTEXT_NAMES)
    assert ("first", "class and id words") in named
    assert all(abs(effect.worth) < 0.5 for effect in found)
