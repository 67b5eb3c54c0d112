"""How a benchmark tells its result: a Markdown table with where and when it was measured, or the same as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Cell = str | int | float | None

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class ResultTable:
    """Rows under a title. A cell of None is one that was not measured. `notes` follow the table, a line each."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self, as_json: bool) -> None:
        """Prints the table on stdout."""
        circumstances = _circumstances()
        if as_json:
            named = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
            found = {"title": self.title, **circumstances, "rows": named, "notes": self.notes}
            print(json.dumps(found, indent=1, ensure_ascii=False))
            return
        print(f"**{self.title}**\n")
        for line in (self.columns, ["---"] * len(self.columns), *self.rows):
            print(f"| {' | '.join(_cell(cell) for cell in line)} |")
        print()
        for note in (*self.notes, ", ".join(circumstances.values())):
            print(f"- {note}")
        print()


def _cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}" if abs(cell) < 10 else f"{cell:.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _circumstances() -> Mapping[str, str]:
    return {
        "date": datetime.date.today().isoformat(),
        "commit": _commit(),
        "python": f"Python {platform.python_version()}",
        "machine": f"{os.cpu_count()} cores of {_processor()}",
    }


def _commit() -> str:
    """Short hash of the checkout's commit, with `+` when files differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return f"commit {head.stdout.strip()}{'+' if changes.stdout.strip() else ''}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
