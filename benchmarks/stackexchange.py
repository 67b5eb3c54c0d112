"""Posts of real sites a second: read, joined, as text; against Beautiful Soup, which RedPajama v1 uses, on the same
posts.

    python benchmarks/stackexchange.py SITE... --cache CACHE [--rounds N] [--json] [--made POSTS]

A SITE is a `<site>.7z` or a `<site>/Posts.xml`. Archives are unpacked first, so that the rows of one table are of the
same bytes; inflating has a row of its own. CPU time of one process; medians over rounds, the ways in turn in each.
With --made a site of that many posts is made of the real ones, and read by a process of its own, for its peak memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import py7zr
from lxml import etree
from measure import cost_of
from peer_environment import peer_python
from result_table import ResultTable

from stages.document import Document
from stages.sources.stackexchange import StackExchange

HERE = Path(__file__).resolve().parent
PACKAGES = ("beautifulsoup4==4.15.0", "lxml==6.1.3")
PLUS = StackExchange(markup="markdown", tags=True, accepted_mark=True, comments=True)
FLOOR = 30_000  # posts a second and core


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as folder:
        plain = [_unpacked(path, Path(folder)) for path in given.sites]
        bodies = Path(folder, "bodies.jsonl")
        posts, size = _write_bodies(plain, bodies)
        seconds: dict[str, list[float]] = defaultdict(list)
        python = peer_python(given.cache / "beautifulsoup-4.15.0", PACKAGES)
        ways: dict[str, Callable[[], float]] = {
            "ours: read, join, text (llama1)": lambda: _read(plain, StackExchange()),
            "ours: read, join, Markdown (plus)": lambda: _read(plain, PLUS),
            "ours: the same from 7z (llama1)": lambda: _read(given.sites, StackExchange()),
            "Beautiful Soup: HTML to text only": lambda: _ask(python, bodies),
        }
        for way in ways.values():
            way()  # compile and load outside of the clock
        for number in range(given.rounds):
            order = list(ways.items())
            for name, way in order[number % len(order) :] + order[: number % len(order)]:
                seconds[name].append(way())
        table = ResultTable(
            f"{posts:,} posts of {len(plain)} sites, {size / 1e6:.1f} MB of Posts.xml",
            ["way", "posts/s", "fastest", "slowest", "MB/s", "times Beautiful Soup"],
        )
        peer = statistics.median(seconds["Beautiful Soup: HTML to text only"])
        for name, taken in seconds.items():
            middle = statistics.median(taken)
            rates = [posts / middle, posts / min(taken), posts / max(taken)]
            table.rows.append([name, *rates, size / middle / 1e6, peer / middle])
        table.notes.append(
            f"CPU time, median of {given.rounds} rounds; the floor is {FLOOR:,} posts a second"
        )
        table.notes.append("the 7z archives hold other tables too, which have to be inflated with the posts")
        table.show(given.json)
        if given.made:
            _show_made(plain, given.made, Path(folder), given.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sites", nargs="+", type=Path, metavar="SITE")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peer's environment")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--made", type=int, default=0, metavar="POSTS")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(_read(given.sites, PLUS))
        sys.exit()
    return given


def _unpacked(path: Path, folder: Path) -> Path:
    """The Posts.xml of a site, unpacked into a folder with its name when it is in an archive."""
    if path.suffix != ".7z":
        return path
    with py7zr.SevenZipFile(path) as archive:
        archive.extract(folder / path.stem, targets=["Posts.xml"])
    return folder / path.stem / "Posts.xml"


def _write_bodies(paths: list[Path], into: Path) -> tuple[int, int]:
    """Writes the HTML of all questions and answers; returns how many, and the bytes of their files."""
    count = 0
    with into.open("w", encoding="utf-8") as out:
        for path in paths:
            for _, row in etree.iterparse(str(path), tag="row"):
                if row.get("PostTypeId") in ("1", "2"):
                    out.write(json.dumps(row.get("Body") or "") + "\n")
                    count += 1
    return count, sum(path.stat().st_size for path in paths)


def _read(paths: list[Path], reader: StackExchange) -> float:
    """CPU seconds of reading some sites to their end."""
    began = time.process_time()
    for path in paths:
        with path.open("rb") as stream:
            for _ in _documents(reader, stream, path):
                pass
    return time.process_time() - began


def _documents(reader: StackExchange, stream: object, path: Path) -> Iterator[Document]:
    for outcome in reader.read(stream, str(path)):  # type: ignore[arg-type]
        if isinstance(outcome, Document):
            yield outcome


def _ask(python: Path, bodies: Path) -> float:
    ended = subprocess.run(
        [str(python), "-E", str(HERE / "stackexchange_peer.py"), str(bodies)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(ended.stdout)["seconds"])


def _show_made(paths: list[Path], posts: int, folder: Path, as_json: bool) -> None:
    """Peak memory and CPU time of reading a site made of copies of the real questions and answers under new ids."""
    site = folder / "made.example.com" / "Posts.xml"
    site.parent.mkdir()
    rows = []
    for path in paths:
        for _, row in etree.iterparse(str(path), tag="row"):
            if row.get("PostTypeId") in ("1", "2"):
                rows.append(dict(row.attrib))
    with site.open("wb") as out:
        out.write(b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for number in range(posts):
            row, shift = rows[number % len(rows)], number // len(rows) * 10_000_000
            for name in ("Id", "ParentId", "AcceptedAnswerId"):
                if name in row:
                    row = {**row, name: str(int(row[name]) + shift)}
            out.write(b"  " + etree.tostring(etree.Element("row", row), encoding="utf-8") + b"\n")
        out.write(b"</posts>\n")
    command = [sys.executable, str(Path(__file__).resolve()), str(site), "--cache", ".", "--read"]
    cost = cost_of(command, {"PYTHONPATH": str(HERE.parent)})
    base = cost_of(
        [sys.executable, "-c", "import stages.sources.stackexchange"], {"PYTHONPATH": str(HERE.parent)}
    )
    table = ResultTable(
        f"A made site of {posts:,} posts, recipe plus", ["Posts.xml, MB", "posts/s", "peak, MB", "at start"]
    )
    table.rows.append(
        [site.stat().st_size / 1e6, posts / float(cost.output), cost.peak_bytes / 1e6, base.peak_bytes / 1e6]
    )
    table.notes.append(
        "peak: resident bytes of the process, mapped files included; at start: of the imports alone"
    )
    table.show(as_json)


if __name__ == "__main__":
    main()
