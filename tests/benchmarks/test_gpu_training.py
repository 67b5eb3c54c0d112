"""The benchmark of training runs without a GPU too: one small model, two sizes, and a table of them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest

pytest.importorskip("torch", reason="torch is not installed")
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu_training.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_gpu_training", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


def test_measures_a_small_model_on_a_cpu(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--shapes", "toy", "--variants", "eager"]
    command += [
        "--budget-seconds",
        "60",
        "--step-tokens",
        "256",
        "--profile",
        "--out",
        str(tmp_path / "out.json"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended.stderr
    cases = json.loads((tmp_path / "out.json").read_text())["cases"]
    measured, profiled = ([case for case in cases if key in case] for key in ("tokens_per_second", "profile"))
    assert [case["sequences"] for case in measured] == [1, 2]
    for case in measured:
        assert case["attention"] == "flash (CPU)"
        assert case["tokens_per_second"] == pytest.approx(256 * case["sequences"] / case["step_seconds"])
        assert 10 < case["first_loss"] < 11  # ln 32,000 is 10.37
        assert case["last_loss"] < case["first_loss"]
        assert (case["mfu"], case["peak_bytes"]) == (None, None)
    assert profiled[0]["profile"][0][0] == "aten::mm"
    assert "| toy | eager | 2 | " in ended.stdout
    assert "toy eager, 2 sequences, time of a step: " in ended.stdout


def test_sizes_begin_at_half_of_what_should_fit_and_grow_beyond(benchmark: ModuleType) -> None:
    shape = benchmark.MODELS["7B"]
    memory = int(139.72 * (1 << 30))
    assert list(benchmark.micro_batches(shape, "none", memory))[:4] == [2, 3, 4, 6]
    assert list(benchmark.micro_batches(shape, "full", memory))[-1] == 64
    assert next(benchmark.micro_batches(shape, "none", 1 << 30)) == 1


def test_a_case_that_fails_is_a_row_that_says_so(benchmark: ModuleType) -> None:
    given = benchmark.argparse.Namespace(device="cpu", step_tokens=256, threads=1, profile=False)
    (failed,) = benchmark.run_process("none such", "eager", given, 30.0, 60.0)
    assert failed["note"].startswith("ended with status 1: ") and "KeyError" in failed["note"]
    (late,) = benchmark.run_process("toy", "eager", given, 1.0, 1.0)
    assert late["note"] == "not run: the budget was used up"
    table = benchmark.table_of([failed, late], {"device": "cpu"})
    assert [row[-1] for row in table.rows] == [failed["note"], late["note"]]


def test_a_case_that_outlasts_the_budget_keeps_what_it_measured(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], stdout: IO[str], timeout: float, **rest: object) -> None:
        stdout.write('{"sequences": 1}\nnoise\n{"sequences": 2')
        stdout.flush()
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    given = benchmark.argparse.Namespace(device="cpu", step_tokens=256, threads=1, profile=False)
    case = {"shape": "toy", "variant": "eager"}
    found = benchmark.run_process("toy", "eager", given, 30.0, 60.0)
    assert found == [{**case, "sequences": 1}, {**case, "note": "stopped: the budget was used up"}]
