"""What `doctor` calls needed: the requirements of the package, and none of its extras."""

from __future__ import annotations

import importlib.metadata

import pytest

from pipeline import doctor

REQUIREMENTS = [
    "absent-base>=1",
    'absent-trainer>=2; extra == "trainer"',
    'absent-board>=2; extra == "metrics"',
    'absent-board>=2; extra == "parity"',
    'absent-base[cloud]>=1; extra == "gcp"',
    'absent-tool>=2; extra == "dev"',
]


def test_only_requirements_without_an_extra_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIREMENTS)
    found = [(f.name, f.state, f.get) for f in doctor.findings() if f.name.startswith("absent")]
    assert found == [
        ("absent-base", "missing", "pip install 'absent-base>=1'"),
        ("absent-trainer", "optional", "pip install 'llama-corpus[trainer]'"),
        ("absent-board", "optional", "pip install 'llama-corpus[metrics]'"),
    ]
