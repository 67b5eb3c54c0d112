"""The benchmarks' account of a command: orphans are counted, failures are told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

# A process whose grandchild works for 0.3 CPU seconds with 64 MB, long after its parents have ended.
LEAVES_AN_ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        held = b"x" * (64 << 20)
        while time.process_time() < 0.3:
            pass
    os._exit(0)
print("left")
"""


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_measure", BENCHMARKS / "measure.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_counts_processes_that_outlive_their_parent(measure: ModuleType) -> None:
    cost = measure.cost_of([sys.executable, "-S", "-c", LEAVES_AN_ORPHAN])
    assert cost.output == "left\n"
    assert 0.3 <= cost.cpu_seconds < 3
    assert 64 << 20 <= cost.peak_bytes < 256 << 20


def test_does_not_take_its_own_memory_for_that_of_the_command(measure: ModuleType) -> None:
    held = b"x" * (128 << 20)
    cost = measure.cost_of([sys.executable, "-S", "-c", "pass"])
    assert cost.peak_bytes < len(held)


def test_a_command_that_fails_is_an_error_with_its_last_words(measure: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"failed with status 3:\nno such page"):
        measure.cost_of([sys.executable, "-c", "import sys; print('no such page'); sys.exit(3)"])
