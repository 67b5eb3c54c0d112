"""One finished run over the bundled sample, packed into its true containers, without the volume that the demo adds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.whole_runs import ROOT, llama_corpus


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packed sample and a configuration that reads it."""
    folder = tmp_path_factory.mktemp("sample")
    spec = importlib.util.spec_from_file_location("sample_build", ROOT / "examples/sample/build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_build"] = module
    spec.loader.exec_module(module)
    module.build(folder / "sample" / "built")
    config = yaml.safe_load((ROOT / "examples/demo.yaml").read_text(encoding="utf-8"))
    config["sources"]["github"]["inputs"].remove("sample/built/github/installed/*.tar.gz")
    config["sources"]["commoncrawl"]["steps"] = {"train_references": {"min_positives": 5}}
    config["tokenizer"]["vocabulary"] = 1000
    config["shards"] = {"validation_fraction": 0.1}
    (folder / "sample.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with one worker; the others are held against it."""
    run = tmp_path_factory.mktemp("runs") / "one"
    result = llama_corpus("run", sample / "sample.yaml", "--out", run, "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith(f"{run}/report/index.html: 7 sources, ")
    return run
