"""The folder of compiled kernels: another one whenever a source is another one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from classifiers import kernel_cache
from classifiers.kernel_cache import kernel_folder, source_digest

ROOT = Path(__file__).resolve().parents[2]


FILES = {
    "classifiers/kernel.py": "from numba import njit\nfrom stages import (\n    table,\n)\n",
    "stages/table.py": "from stages.deep.numbers import NUMBER\n",
    "stages/deep/numbers.py": "NUMBER = 1\n",
    "stages/plain.py": "from stages.table import NUMBER\n",
    "pipeline/other.py": "import numba\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_change_in_what_kernels_are_made_of_changes_the_folder(sources: Path) -> None:
    before = source_digest(sources)
    for name in FILES:
        with (sources / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        now = source_digest(sources)
        assert (now != before) is (name not in ("stages/plain.py", "pipeline/other.py")), name
        before = now


def test_a_cache_that_cannot_be_written_gives_a_folder_of_its_own(sources: Path, tmp_path: Path) -> None:
    assert kernel_folder(sources, tmp_path / "cache").parent == tmp_path / "cache" / "llama-corpus"
    (tmp_path / "file").touch()
    alone = kernel_folder(sources, tmp_path / "file")
    assert alone.is_dir() and tmp_path not in alone.parents
    alone.rmdir()


def test_rooms_choose_the_folder_when_they_are_imported(tmp_path: Path) -> None:
    code = "import stages, numba; print(numba.config.CACHE_DIR)"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("NUMBA_CACHE_DIR", None)
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(kernel_cache.kernel_folder(ROOT, tmp_path))
    environment["NUMBA_CACHE_DIR"] = "/chosen"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "/chosen"
