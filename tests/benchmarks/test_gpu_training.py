"""The benchmark of training runs without a GPU too: one small model, two sizes, and a table of them."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
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
    assert [case["sequences"] for case in cases] == [1, 2]
    for case in cases:
        assert case["attention"] == "flash (CPU)"
        assert case["tokens_per_second"] == pytest.approx(256 * case["sequences"] / case["step_seconds"])
        assert 10 < case["first_loss"] < 11  # ln 32,000 is 10.37
        assert case["last_loss"] < case["first_loss"]
        assert (case["mfu"], case["peak_bytes"]) == (None, None)
        assert "aten::mm" in [name for name, _, _ in case["profile"]]
    assert "| toy | eager | 2 | " in ended.stdout
    assert "toy eager, 2 sequences, time of a step: " in ended.stdout


def test_begins_at_the_largest_size_that_fits_by_arithmetic(benchmark: ModuleType) -> None:
    shape = benchmark.MODELS["7B"]
    memory = int(139.72 * (1 << 30))
    sizes, first = benchmark.sizes_to_try(shape, "none", memory)
    assert (sizes[:3], sizes[-1], first) == ([1, 2, 3], 64, 3)  # 134.6 GiB; 4 sequences need 144.0
    assert benchmark.sizes_to_try(shape, "full", memory)[1] == 32
    assert benchmark.sizes_to_try(shape, "none", 1 << 30)[1] == 1
    assert benchmark.sizes_to_try(shape, "none", None) == ([1, 2], 1)


@pytest.mark.parametrize(
    ("fits", "left", "tried"),
    [
        (3, 9, [4, 3, 2, 1]),  # too large: down until one is measured, and no larger one any more
        (3, 0, [4, 3]),  # without time too until there is one
        (6, 9, [4, 6, 8, 3, 2, 1]),  # up to the first that does not fit, then the smaller ones
        (6, 1, [4, 6]),
        (6, 0, [4]),
        (0, 9, [4, 3, 2, 1]),  # none fits
    ],
)
def test_a_case_measures_one_size_at_least_and_others_while_there_is_time(
    benchmark: ModuleType, fits: int, left: int, tried: list[int]
) -> None:
    times = iter([True] * left + [False])

    def measure(size: int) -> dict[str, object]:
        found = {"tokens_per_second": 1.0} if size <= fits else {"out_of_memory": True}
        return {"sequences": size, **found}

    rows = benchmark.sweep([1, 2, 3, 4, 6, 8], 4, measure, lambda: next(times))
    assert [row["sequences"] for row in rows] == tried


def test_a_case_that_fails_otherwise_is_not_tried_at_another_size(benchmark: ModuleType) -> None:
    rows = benchmark.sweep([1, 2], 2, lambda size: {"note": "ended with status 1"}, lambda: True)
    assert list(rows) == [{"note": "ended with status 1"}]


def test_cases_are_the_first_variant_of_every_shape_first(benchmark: ModuleType) -> None:
    assert benchmark.cases_of(["1B", "15M"], None) == [
        ("1B", "compiled"),
        ("15M", "compiled"),
        ("1B", "eager"),
        ("15M", "eager"),
        ("1B", "compiled+selective"),
        ("1B", "compiled+full"),
    ]
    assert benchmark.cases_of(["1B", "7B"], ["eager"]) == [("1B", "eager"), ("7B", "eager")]


def test_what_a_gpu_s_libraries_say_of_missing_memory_is_known(benchmark: ModuleType) -> None:
    case = sys.modules["training_case"]
    assert case.is_out_of_memory(torch.OutOfMemoryError("CUDA: tried to allocate"))
    assert case.is_out_of_memory(RuntimeError("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED when calling it"))
    assert not case.is_out_of_memory(RuntimeError("shapes do not match"))


def given(**more: object) -> argparse.Namespace:
    return argparse.Namespace(**{"device": "cpu", "step_tokens": 256, "threads": 1, "profile": False, **more})


def test_a_case_that_fails_is_a_row_that_says_so(benchmark: ModuleType) -> None:
    failed = benchmark.run_process("none such", "eager", 1, given(), 30.0, 60.0)
    assert failed["note"].startswith("ended with status 2: ") and "invalid choice" in failed["note"]
    late = benchmark.run_process("toy", "eager", 1, given(), 1.0, 1.0)
    assert late["note"] == "not run: the budget was used up"
    table = benchmark.table_of([failed, late], {"device": "cpu"})
    assert [row[-1] for row in table.rows] == [failed["note"], late["note"]]


@pytest.mark.parametrize(
    ("share", "left", "limit"), [(30.0, 60.0, 55.0), (30.0, 500.0, 150.0), (200.0, 500.0, 200.0)]
)
def test_a_case_that_hangs_is_stopped_and_keeps_what_it_measured(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, share: float, left: float, limit: float
) -> None:
    def run(command: list[str], stdout: IO[str], timeout: float, **rest: object) -> None:
        assert timeout == limit
        stdout.write('{"tokens_per_second": 7.0}\nnoise\n{"attention": "fla')
        stdout.flush()
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    found = benchmark.run_process("toy", "eager", 4, given(), share, left)
    assert found == {
        "shape": "toy",
        "variant": "eager",
        "sequences": 4,
        "tokens_per_second": 7.0,
        "note": f"stopped after {limit:.0f} s",
    }
