"""Models that a configuration names are opened before anything runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fasttext
import pytest

from classifiers.language_id import find_model
from classifiers.perplexity import train_language_model
from pipeline import files
from pipeline.given_models import check_models
from pipeline.model_files import (
    BAD_WORDS_PATH,
    EXTRACTION_PATH,
    LANGUAGE_ID_PATH,
    LM_FOLDER,
    REFERENCE_PATH,
)
from pipeline.recipes import SourceRecipe, Step
from pipeline.settings import UsageError
from stages.bad_words import DropBadWords
from stages.gopher import MeasureGopher
from stages.language import KeepLanguage
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences
from stages.sources.common_crawl import CommonCrawl

ENGLISH = KeepLanguage(("en",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model, and a classifier of two labels that are not ours."""
    folder = tmp_path_factory.mktemp("models")
    train_language_model(["The king of the town was seen by the people."] * 20, folder / "lm", "en")
    (folder / "lm/en.json").write_text('{"p30": 100.0, "p60": 200.0}', encoding="utf-8")
    for name, labels in (("other.bin", "ab"), ("reference.bin", ("reference", "random"))):
        lines = [f"__label__{label} word{number}" for label in labels for number in range(5)]
        (folder / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        model = fasttext.train_supervised(str(folder / "train.txt"), dim=2, thread=1, verbose=0)
        model.save_model(str(folder / name))
    return folder


@pytest.fixture
def models(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "given"))


def lm(folder: Path) -> dict[str, str]:
    return {f"{LM_FOLDER}/{path.name}": str(path) for path in sorted((folder / "lm").iterdir())}


def check(given: Mapping[str, Any], *steps: Step, reader: CommonCrawl | None = None) -> None:
    recipe = SourceRecipe(reader or CommonCrawl(), steps)
    check_models({"commoncrawl": recipe}, {path: str(there) for path, there in given.items()})


def message(given: Mapping[str, Any], *steps: Step, reader: CommonCrawl | None = None) -> str:
    with pytest.raises(UsageError) as error:
        check(given, *steps, reader=reader)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_models_in_order_pass(models: Path) -> None:
    given = {LANGUAGE_ID_PATH: find_model(), REFERENCE_PATH: models / "reference.bin", **lm(models)}
    check(given, ENGLISH, KeepPerplexity(""), KeepReferences())


def test_models_that_the_run_trains_are_not_asked_for() -> None:
    check({LANGUAGE_ID_PATH: find_model()}, ENGLISH, KeepPerplexity(""), KeepReferences())


def test_a_file_that_is_no_fasttext_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lid.bin"
    path.write_bytes(b"<html>not found</html>")
    start = f"sources.commoncrawl.steps.keep_language: cannot load language id model {path} ("
    assert message({LANGUAGE_ID_PATH: path}, ENGLISH).startswith(start)


def test_a_language_that_the_model_does_not_know_is_told(models: Path) -> None:
    found = message({LANGUAGE_ID_PATH: find_model()}, KeepLanguage(("en", "xx")))
    assert "keep_language: languages: the language id model knows no xx;" in found


def test_a_classifier_without_our_label_is_told(models: Path) -> None:
    found = message({REFERENCE_PATH: models / "other.bin"}, KeepReferences())
    assert found.startswith(
        f"sources.commoncrawl.steps.keep_references: reference classifier {models}/other.bin has"
    )


def test_a_list_of_bad_words_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"\xff\xfe")
    assert f"drop_bad_words: {path}: no list of bad words" in message(
        {BAD_WORDS_PATH: path}, DropBadWords("")
    )


def test_weights_of_the_main_content_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text("{}", encoding="utf-8")
    reader = CommonCrawl(main_content=True, extraction=EXTRACTION_PATH)
    found = message({EXTRACTION_PATH: path}, reader=reader)
    assert found.startswith(f"sources.commoncrawl.steps.read: extraction weights {path}: not of format")


def test_a_profile_whose_distribution_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert "steps.measure_gopher: profile datatrove takes its words" in message(
        {}, MeasureGopher("datatrove")
    )


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("en.json", None, "no cut-offs in "),
        ("en.sp.model", None, "has no en.sp.model beside it"),
        ("en.sp.model", b"pieces", "en.sp.model is no SentencePiece model"),
        ("en.arpa", b"<html>", r"en.arpa is no ARPA text from \data\ to \end\; get it again"),
        ("en.arpa", b"\\data\\\nngram 1=5\n", r"en.arpa is no ARPA text from \data\ to \end\; get it again"),
        ("en.arpa.bin", b"binary", "cannot load the en model in "),
    ],
)
def test_a_damaged_language_model_is_told(models: Path, name: str, content: bytes | None, told: str) -> None:
    path = models / "lm" / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    found = message(lm(models), ENGLISH, KeepPerplexity(""))
    assert found.startswith("sources.commoncrawl.steps.keep_perplexity: ") and told in found


def test_a_folder_without_a_model_of_a_wanted_language_is_told(models: Path) -> None:
    german = KeepLanguage(("de", "fr"))
    assert "keep_perplexity: models.lm has no model for de, fr; name" in message(
        lm(models), german, KeepPerplexity("")
    )
    check(lm(models), KeepLanguage(("de", "en")), KeepPerplexity(""))


def test_cutoffs_that_ccnet_does_not_have_are_told(models: Path) -> None:
    for path in sorted((models / "lm").iterdir()):
        path.rename(path.with_name(path.name.replace("en.", "sv.")))
    step = replace(KeepPerplexity(""), cutoffs="ccnet")
    assert "CCNet has no cut-offs for sv" in message(lm(models), KeepLanguage(("sv",)), step)


def test_a_model_elsewhere_is_copied_and_called_by_its_own_name(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "is_local", lambda path: False)
    given = {REFERENCE_PATH: models / "reference.bin", **lm(models)}
    check(given, ENGLISH, KeepPerplexity(""), KeepReferences())
    found = message({REFERENCE_PATH: models / "other.bin"}, KeepReferences())
    assert f"reference classifier {models}/other.bin has no label" in found
    (models / "lm/en.json").unlink()
    assert "keep_perplexity: no cut-offs in models.lm/en.json;" in message(
        lm(models), ENGLISH, KeepPerplexity("")
    )
