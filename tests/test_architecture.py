"""The rooms and who may import whom, parsed from the sources; and what importing a room brings along."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# room -> rooms that it may import
ALLOWED = {
    "pipeline": {"stages", "classifiers", "tokenizer", "mixtures"},
    "stages": {"classifiers"},
    "classifiers": set(),
    "tokenizer": set(),
    "mixtures": set(),
    "trainer": {"tokenizer", "mixtures"},
    "llama_corpus": {"pipeline", "trainer"},
}
# package from outside -> the only room that may import it
ONLY_IN = {"apache_beam": "pipeline", "torch": "trainer"}


def sources(room: str) -> list[Path]:
    if room == "llama_corpus":
        return [ROOT / "llama_corpus.py"]
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(str(node.module).split(".")[0])
    return names


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_only_the_rooms_it_may(room: str) -> None:
    files = sources(room)
    assert files, f"no sources in {room}"
    for path in files:
        rooms = imported(path) & set(ALLOWED) - {room}
        assert rooms <= ALLOWED[room], f"{path} imports {sorted(rooms - ALLOWED[room])}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_engine_and_torch_stay_in_their_room(package: str) -> None:
    for room in ALLOWED:
        users = [path for path in sources(room) if package in imported(path)]
        if room == ONLY_IN[package]:
            assert users, f"{room} should use {package}"
        else:
            assert not users, f"{users} import {package}"


@pytest.mark.parametrize("room", ["stages", "classifiers", "tokenizer", "mixtures", "llama_corpus"])
def test_importing_a_room_brings_neither_beam_nor_torch(room: str) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(room)
    ]
    code = f"import sys, {', '.join(modules)}; print('apache_beam' in sys.modules, 'torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "False"]


def test_the_tree_in_the_readme_is_true() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.split("## The house")[1].split("```")[1]
    named = set(re.findall(r"(?:^| )([a-z_]+(?:/|\.py|\.cfg))(?= )", tree, re.MULTILINE))
    assert {f"{room}/" for room in ALLOWED if room != "llama_corpus"} <= named
    for name in named:
        assert (ROOT / name).exists(), f"{name} is in the README's tree and not in the project"
    tracked = {path.name for path in ROOT.iterdir() if path.is_dir() and list(path.rglob("*.py"))}
    code = {name for name in tracked if not name.startswith((".", "build")) and not name.endswith("egg-info")}
    assert code - {"runs"} <= {name.rstrip("/") for name in named}


def test_no_other_installed_distribution_has_our_names() -> None:
    providers = importlib.metadata.packages_distributions()
    for name in ALLOWED:
        others = set(providers.get(name, ())) - {"llama-corpus"}
        assert not others, (
            f"{name} is also installed by {others}; uninstall it or use an environment of its own"
        )
