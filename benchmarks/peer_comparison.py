"""Our pipeline and a peer on the same pages in turn: read WARC, take the text, identify the language, write English.

Each runs in processes of its own, on the first file alone and on all files; the difference is the cost of the pages
without start-up. Ours is the real pipeline, Beam included, with its recipe cut down to this part.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import crawl_run
from make_corpus import make_corpus
from measure import Cost, cost_of
from result_table import ResultTable

from classifiers.language_id import find_model

HERE = Path(__file__).resolve().parent
OURS = "llama-corpus"


@dataclass
class Side:
    """One of the two: its command on a folder of files and an output folder, and its costs by number of files."""

    name: str
    command: Callable[[Path, Path], Sequence[str]]
    costs: dict[int, list[Cost]] = field(default_factory=dict)

    def cpu_seconds(self, files: int) -> float:
        return median(cost.cpu_seconds for cost in self.costs[files])


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("work", type=Path, help="folder for input and output; never inside the repository")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peer's own environment")
    parser.add_argument("--files", type=int, default=10, help="how many of the shared files, at least 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=crawl_run.SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.files < 2:
        parser.error("--files must be at least 2: start-up is taken off by the difference to one file")
    return given


def compare(
    peer: str, job: Callable[[Path, Path], Sequence[str]], given: argparse.Namespace
) -> tuple[ResultTable, Mapping[str, object]]:
    """Runs the rounds; the table, and what the peer's last job on all files printed as JSON (or nothing)."""
    files = make_corpus(given.data / "commoncrawl" / "repacked", given.work / "warc", "warc", 1)[
        : given.files
    ]

    def ours(folder: Path, out: Path) -> Sequence[str]:
        config = given.work / f"{folder.name}.yaml"
        crawl_run.write_config(config, sorted(folder.glob("*.warc.gz")), models=None)
        return [sys.executable, str(HERE / "run_recipe.py"), str(config), str(out), "read_and_language"]

    sides = (Side(OURS, ours), Side(peer, job))
    folders = {count: _folder(given.work, files[:count]) for count in (1, len(files))}
    for number in range(-1, given.rounds):  # the first is not counted: it compiles and fills caches
        for count, folder in folders.items():
            for side in sides:
                out = given.work / f"peer-out-{side.name}"
                shutil.rmtree(out, ignore_errors=True)
                if number >= 0:
                    side.costs.setdefault(count, []).append(cost_of(side.command(folder, out)))
                elif count == 1:
                    cost_of(side.command(folder, out))
        print(f"round {number + 1}: done", file=sys.stderr)
    table = ResultTable(
        f"Reading, extraction and language id: {OURS} and {peer} (medians of {given.rounds} rounds)",
        ("what", *(side.name for side in sides), "ratio"),
    )
    added = [side.cpu_seconds(len(files)) - side.cpu_seconds(1) for side in sides]
    pages = [_pages(folders[count]) for count in (1, len(files))]
    for count, total in zip(folders, pages, strict=True):
        seconds = [side.cpu_seconds(count) for side in sides]
        table.rows.append((f"{total:,} pages, CPU s, all included", *seconds, seconds[1] / seconds[0]))
    more = pages[1] - pages[0]
    table.rows.append((f"**{more:,} pages more, CPU s, without start-up**", *added, added[1] / added[0]))
    table.rows.append(
        ("the same, pages per CPU s", *(more / seconds for seconds in added), added[0] / added[1])
    )
    peaks = [max(cost.peak_bytes for cost in side.costs[len(files)]) / 1e6 for side in sides]
    table.rows.append(("peak MB of the largest process", *peaks, peaks[1] / peaks[0]))
    kept = crawl_run.documents(given.work / f"peer-out-{OURS}", ["id"]).num_rows
    written = _json_lines(given.work / f"peer-out-{peer}")
    table.rows.append(("documents written", kept, written, None))
    last = sides[1].costs[len(files)][-1].output.strip().splitlines()
    return table, json.loads(last[-1]) if last and last[-1].startswith("{") else {}


def language_id_model() -> str:
    return find_model()


def _folder(work: Path, files: Sequence[Path]) -> Path:
    """A folder that holds these files and no other."""
    folder = work / f"peer-{len(files)}-files"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        os.link(file, folder / file.name)
    return folder


def _pages(folder: Path) -> int:
    return sum(
        line.startswith(b"WARC-Type: response")
        for path in folder.glob("*.warc.gz")
        for line in gzip.open(path)
    )


def _json_lines(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*.jsonl.gz") for _ in gzip.open(path))
