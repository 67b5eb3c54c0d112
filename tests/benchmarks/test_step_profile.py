from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from pipeline import engine

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(("stand_in", "real"), [("no_workers", "local_workers"), ("run_here", "run_tasks")])
def test_what_stands_in_for_the_workers_is_called_as_they_are(
    stand_in: str, real: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import step_profile

    monkeypatch.delitem(sys.modules, "step_profile")
    ours, theirs = (
        inspect.signature(function).parameters
        for function in (getattr(step_profile, stand_in), getattr(engine, real))
    )
    assert [(p.kind, p.default) for p in ours.values()] == [(p.kind, p.default) for p in theirs.values()]
