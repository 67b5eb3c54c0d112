"""Models of a run: they all lie under RUN/models, those given in the configuration as copies, so that a run is whole.

Stages name their model by a path relative to the run; `localized` makes it a path that this machine can map.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline import files
from pipeline.tasks import OUTSIDE, Result
from stages.bad_words import DropBadWords
from stages.decontamination import Decontaminate
from stages.language import KeepLanguage
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences
from stages.sources.common_crawl import CommonCrawl

MODELS_NODE = "models"
LANGUAGE_ID_PATH = "models/language_id.ftz"
LM_FOLDER = "models/lm"
REFERENCE_PATH = "models/reference.bin"
BAD_WORDS_PATH = "models/bad_words.txt"
EXTRACTION_PATH = "models/extraction.json"
BENCHMARKS_PATH = "models/benchmarks.jsonl"

# The field of a step or reader that holds its model, and the setting that names the model.
MODEL_FIELDS: Mapping[type, tuple[str, str]] = {
    KeepLanguage: ("model", "models.language_id"),
    KeepPerplexity: ("models", "models.lm"),
    KeepReferences: ("model", "models.reference"),
    DropBadWords: ("model", "models.bad_words"),
    CommonCrawl: ("extraction", "models.extraction"),
    Decontaminate: ("benchmarks", "benchmarks"),
}


def model_path(step: object) -> str:
    """Where the model of a step or reader lies in the run, empty for one without."""
    if isinstance(step, KeepLanguage):
        return LANGUAGE_ID_PATH
    if isinstance(step, KeepPerplexity):
        return LM_FOLDER
    if isinstance(step, DropBadWords):
        return BAD_WORDS_PATH
    if isinstance(step, Decontaminate):
        return BENCHMARKS_PATH
    if isinstance(step, CommonCrawl):
        return EXTRACTION_PATH if step.extraction == EXTRACTION_PATH else ""
    return REFERENCE_PATH if isinstance(step, KeepReferences) else ""


def model_prefix(step: object) -> str:
    """What the paths of all files of a step's model begin with: a report may lie beside the model."""
    folder, _, name = model_path(step).rpartition("/")
    return f"{folder}/{name.partition('.')[0]}" if folder else ""


def with_model_path(step: Any) -> Any:
    """The step with the path of its model, relative to the run, filled in."""
    return with_model(step, model_path(step))


def localized(run: str, step: Any) -> Any:
    """The step with the path of its model on this machine."""
    path = model_path(step)
    return with_model(step, _local(run, path) if path else "")


def with_model(step: Any, path: str) -> Any:
    """The step with this path of its model, as it is when the path is empty."""
    return dataclasses.replace(step, **{MODEL_FIELDS[type(step)][0]: path}) if path else step


@cache
def _local(run: str, path: str) -> str:
    """A local path of a model file or folder: in the run itself, or a copy (with what lies beside the file under the
    same name) for the life of the process."""
    there = files.join(run, path)
    if files.is_local(there):
        return there
    folder = tempfile.mkdtemp(prefix="llama-corpus-models-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    parent, name = files.split(there)
    is_file = "." in name
    paths = files.match(parent, f"{name.partition('.')[0]}.*") if is_file else files.match(there, "*")
    for source in paths:
        with (
            files.open_binary(source) as stream,
            open(os.path.join(folder, os.path.basename(source)), "wb") as f,
        ):
            shutil.copyfileobj(stream, f, 1 << 20)
    return os.path.join(folder, name) if is_file else folder


@dataclass(frozen=True)
class CopyModel:
    """A model file given in the configuration, to be copied into the run."""

    path: str = field(metadata=OUTSIDE)
    output: str


def copy_model(run: str, work: CopyModel) -> Result:
    with files.open_binary(work.path) as source, files.create(files.join(run, work.output)) as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
    return Result({work.output: stream.written()}, {"given": os.path.basename(work.path)})
