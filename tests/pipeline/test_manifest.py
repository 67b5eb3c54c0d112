"""What the manifest records of the environment."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from mixtures.mixture import Mixture
from pipeline import manifest
from pipeline.settings import Settings, TokenizerSettings
from pipeline.tasks import imported_names

ROOT = Path(__file__).resolve().parents[2]


def outside_packages(room: str) -> set[str]:
    """Top-level packages that a room imports and that are neither ours nor Python's."""
    names = {n.split(".")[0] for path in (ROOT / room).rglob("*.py") for n in imported_names(path)}
    ours = {"stages", "classifiers", "tokenizer", "mixtures", "pipeline"}
    return names - ours - set(sys.stdlib_module_names)


def test_every_distribution_that_makes_documents_and_tokens_is_recorded() -> None:
    packages = set().union(*(outside_packages(room) for room in ("stages", "classifiers", "tokenizer")))
    assert {"spacy", "numba", "brotli"} <= packages
    distributions = importlib.metadata.packages_distributions()
    needed = {name.lower() for package in packages for name in distributions.get(package, [package])}
    assert needed - set(manifest.VERSIONED) == set()


def test_versions_tell_what_is_not_installed() -> None:
    found = manifest.versions()
    assert found["numba"] == importlib.metadata.version("numba") and "python" in found
    assert list(manifest.VERSIONED) == sorted(manifest.VERSIONED)


def test_a_given_tokenizer_has_no_settings_of_a_training() -> None:
    def written(tokenizer: TokenizerSettings) -> object:
        settings = Settings("/", {}, tokenizer=tokenizer)
        return manifest.resolved_config(settings, Mixture({"books": 1.0}), {}, {})["tokenizer"]

    assert written(TokenizerSettings(model="a.model")) == {"model": "a.model", "reference": None}
    assert written(TokenizerSettings(300, 9)) == {
        "vocabulary": 300,
        "sample_bytes": 9,
        "model": None,
        "reference": None,
    }
