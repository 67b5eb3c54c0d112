"""Drop files: what a search found in any order stands part by part, ascending."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.key_files import read_drops, write_drops


def test_drops_written_in_any_order_are_read_part_by_part_and_ascending(tmp_path: Path) -> None:
    path = str(tmp_path / "drops.bin")
    parts = np.array([2, 0, 2, 0, 3], dtype=np.uint32)
    units = np.array([7, 0xFFFFFFFF, 1, 5, 0], dtype=np.uint32)
    write_drops(path, parts, units, 5)
    found = {part: read_drops(path, part, 1)[1].tolist() for part in range(5)}
    assert found == {0: [5, 0xFFFFFFFF], 1: [], 2: [1, 7], 3: [0], 4: []}
    numbers, read = read_drops(path, 2, 2)
    assert (numbers.tolist(), read.tolist()) == ([0, 0, 1], [1, 7, 0])


def test_drops_of_a_part_that_the_file_does_not_hold_are_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "drops.bin")
    write_drops(path, np.zeros(0, np.uint32), np.zeros(0, np.uint32), 2)
    assert read_drops(path, 1, 1)[1].size == 0
    with pytest.raises(ValueError, match="does not hold verdicts for part 2"):
        read_drops(path, 2, 1)
