"""Models where a worker does not see the run's folder: copied with what belongs to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import files, model_files
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences


@pytest.fixture
def far_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose folder cannot be mapped, as in an object store."""
    for name in ("reference.bin", "reference.json", "language_id.ftz", "lm/en.arpa", "lm/en.json"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    monkeypatch.setattr(files, "is_local", lambda path: False)
    return str(tmp_path)


def test_a_model_is_copied_with_the_report_beside_it(far_run: str) -> None:
    local = model_files.localized(far_run, KeepReferences()).model
    assert not local.startswith(far_run)
    assert sorted(os.listdir(os.path.dirname(local))) == ["reference.bin", "reference.json"]
    assert Path(local).read_text(encoding="utf-8") == "reference.bin"


def test_a_folder_of_models_is_copied_whole(far_run: str) -> None:
    local = model_files.localized(far_run, KeepPerplexity(models="")).models
    assert not local.startswith(far_run) and sorted(os.listdir(local)) == ["en.arpa", "en.json"]


def test_what_a_step_reads_begins_with_its_model() -> None:
    assert model_files.model_prefix(KeepReferences()) == "models/reference"
    assert model_files.model_prefix(KeepPerplexity(models="")) == "models/lm"
    assert model_files.model_prefix(object()) == ""
