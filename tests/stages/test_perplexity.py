from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifiers.perplexity import PerplexityModel, train_language_model
from stages.document import Document, Origin, Rejected
from stages.perplexity import KeepPerplexity


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("lm")
    train_language_model(["The king of the town was seen by the people."] * 20, folder, "en")
    (folder / "en.json").write_text('{"p30": 100.0, "p60": 200.0}')
    return str(folder)


def page(language: str | None = "en") -> Document:
    return Document("1", "commoncrawl", "The king of the town.", Origin("f"), language=language)


@pytest.mark.parametrize(
    ("perplexity", "bucket"),
    [
        (99.94, "head"),
        (99.96, "middle"),
        (100.0, "middle"),
        (199.9, "middle"),
        (200.0, "tail"),
        (1e9, "tail"),
    ],
)
def test_a_perplexity_at_a_cutoff_is_in_the_worse_bucket(
    models: str, monkeypatch: pytest.MonkeyPatch, perplexity: float, bucket: str
) -> None:
    monkeypatch.setattr(PerplexityModel, "perplexity", lambda self, text: perplexity)
    outcome = KeepPerplexity(models).prepare()(page())
    document = outcome.document if isinstance(outcome, Rejected) else outcome
    assert document.metadata["bucket"] == bucket
    assert document.scores["perplexity"] == round(perplexity, 1)
    assert isinstance(outcome, Rejected) is (bucket == "tail")
    if isinstance(outcome, Rejected):
        assert (outcome.reason, outcome.score) == ("perplexity_tail", round(perplexity, 1))


def test_scores_with_the_model_of_the_language(models: str) -> None:
    kept = KeepPerplexity(models).prepare()(page())
    assert isinstance(kept, Document)
    assert kept.metadata["bucket"] == "head"
    perplexity = PerplexityModel(models, "en").perplexity(kept.text)
    assert perplexity is not None
    assert kept.scores["perplexity"] == round(perplexity, 1)


def test_a_text_of_which_no_piece_is_left_is_kept_and_marked(models: str) -> None:
    kept = KeepPerplexity(models).prepare()(replace(page(), text="\u0301\n"))
    assert isinstance(kept, Document)
    assert kept.metadata["bucket"] == "all"
    assert "perplexity" not in kept.scores


@pytest.mark.parametrize("language", ["de", "../en", None])
def test_a_language_without_model_is_kept_and_marked(models: str, language: str | None) -> None:
    kept = KeepPerplexity(models).prepare()(page(language))
    assert isinstance(kept, Document)
    assert kept.metadata["bucket"] == "all"
    assert "perplexity" not in kept.scores


def test_keeps_the_buckets_that_are_asked_for(models: str) -> None:
    rejected = KeepPerplexity(models, keep=("tail",)).prepare()(page())
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "perplexity_head"


def test_published_cutoffs_need_no_file(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerplexityModel, "perplexity", lambda self, text: 519.9)
    kept = KeepPerplexity(models, cutoffs="ccnet").prepare()(page())
    assert isinstance(kept, Document)
    assert kept.metadata["bucket"] == "middle"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cutoffs": "guess"}, "^cutoffs is 'guess'; it must be folder or ccnet$"),
        ({"keep": ("head", "haed")}, "^no perplexity bucket haed; choose from head, middle, tail$"),
        ({"keep": ()}, "^keep names no perplexity bucket; choose from head, middle, tail$"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepPerplexity("", **wrong)


def test_a_folder_without_models_is_told_in_terms_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no language model is there; `models.lm` takes a folder") as error:
        KeepPerplexity(str(tmp_path)).prepare()
    assert str(tmp_path) not in str(error.value)
