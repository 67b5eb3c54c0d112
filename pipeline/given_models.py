"""A look at the models that a configuration names before anything runs: each is opened as the step will open it.

A run may work for days before the first step that needs a model; what is wrong with one is told here. Steps without a
model of their own are prepared too: a profile may need a distribution that is not installed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

import sentencepiece

from classifiers.perplexity import PerplexityModel, languages_with_model, model_files
from pipeline import files
from pipeline.curate import READ
from pipeline.model_files import LM_FOLDER, model_path, with_model
from pipeline.recipes import SourceRecipe
from pipeline.settings import UsageError
from stages.extraction.weights import load_weights
from stages.language import KeepLanguage
from stages.perplexity import KeepPerplexity
from stages.sources.common_crawl import CommonCrawl
from stages.stage import ModelStage

_ARPA_HEAD, _ARPA_END = b"\\data\\", b"\\end\\"


def check_models(recipes: Mapping[str, SourceRecipe], given: Mapping[str, str]) -> None:
    """Opens every model that is not trained by the run; `given`: path in the run -> path that was named.

    A model that is not on this machine is copied for the look, of language models those of wanted languages. Raises
    UsageError naming source, step and what is wrong with its model.
    """
    with tempfile.TemporaryDirectory(prefix="llama-corpus-models-") as folder:
        for source, recipe in recipes.items():
            wanted = next((s.languages for s in recipe.steps if isinstance(s, KeepLanguage)), None)
            for name, step in [(READ, recipe.reader), *recipe.named()]:
                where = f"sources.{source}.steps.{name}"
                try:
                    _check(step, given, wanted, folder)
                except ValueError as error:
                    raise UsageError(f"{where}: {_named(str(error), given, folder)}") from error


def _check(step: Any, given: Mapping[str, str], wanted: tuple[str, ...] | None, folder: str) -> None:
    if isinstance(step, KeepPerplexity):
        models = {path: there for path, there in given.items() if path.startswith(f"{LM_FOLDER}/")}
        if models:  # else the run trains them
            _check_language_models(step, models, wanted, folder)
    elif path := model_path(step):
        if path in given:
            local = _local(path, given[path], folder)
            if isinstance(step, CommonCrawl):
                load_weights(local)
            else:
                with_model(step, local).prepare()
    elif isinstance(step, ModelStage):
        step.prepare()


def _check_language_models(
    step: KeepPerplexity, models: Mapping[str, str], wanted: tuple[str, ...] | None, folder: str
) -> None:
    """Reads the cut-offs and opens the models of all wanted languages."""
    local = ""
    for path, there in models.items():
        if wanted is None or os.path.basename(path).split(".")[0] in wanted:
            local = os.path.dirname(_local(path, there, folder))
    if not local:
        raise ValueError(
            f"models.lm has no model for {', '.join(wanted or ())}; name another folder, or write `train` or `none`"
        )
    with_model(step, local).prepare()
    for language in languages_with_model(local):
        if wanted is None or language in wanted:
            _open_language_model(local, language)


def _open_language_model(folder: str, language: str) -> None:
    """A binary model is mapped; of ARPA text, which takes minutes to read, both ends are looked at."""
    found = model_files(folder, language)
    assert found is not None
    model, pieces = found
    if model.suffix == ".bin":
        PerplexityModel(folder, language)
        return
    with model.open("rb") as stream:
        head = stream.read(1 << 10).lstrip()
        stream.seek(max(model.stat().st_size - (1 << 10), 0))
        end = stream.read().rstrip()
    if not head.startswith(_ARPA_HEAD) or not end.endswith(_ARPA_END):
        raise ValueError(f"{model} is no ARPA text from \\data\\ to \\end\\; get it again")
    try:
        sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{pieces} is no SentencePiece model ({error}); get it again") from error


def _local(path: str, there: str, folder: str) -> str:
    """A path on this machine of a given model: as given, or a copy under `folder` as the run would have it."""
    if files.is_local(there):
        return there
    copy = os.path.join(folder, path)
    if not os.path.exists(copy):
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        with files.open_binary(there) as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return copy


def _named(message: str, given: Mapping[str, str], folder: str) -> str:
    """A message in one line that names models as the configuration does, not their copies."""
    for path, there in given.items():
        message = message.replace(os.path.join(folder, path), there)
    return " ".join(message.replace(os.path.join(folder, LM_FOLDER), "models.lm").split())
