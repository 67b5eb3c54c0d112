"""One Wikipedia dump, one worker or two: how much sooner the run ends when the file is read in ranges.

    python benchmarks/wikipedia_ranges.py WORK --megabytes 60

The English and Italian dumps of the shared data are joined to one multistream dump, as Wikimedia writes them: 100 pages
a bz2 stream, the head and the end in streams of their own. Pages are repeated under new ids until the file has its
size. Each row is a whole `llama-corpus run` to the final documents of Wikipedia, start-up included; in one range the
second worker has nothing to do. The speed-up is against one worker over the same ranges. Where other programs share
the cores, only the second table holds: the CPU seconds of each range, read and cleaned by one process, and how soon the
last of them would end on so many free cores, each taking the next range when it is done.
"""

from __future__ import annotations

import argparse
import bz2
import heapq
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import yaml
from crawl_run import SHARED_DATA
from measure import Cost, cost_of
from result_table import Cell, ResultTable

from stages.document import Document
from stages.sources.wikipedia import Wikipedia
from stages.wikitext import CleanWikitext

HEAD_OF = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
DUMPS = (
    HEAD_OF,
    "enwiki-2014-testdata-pages-articles.xml.bz2",
    "enwiki-minidump-pages-articles.xml.bz2",
    "itwiki-small-dump-pages-articles.xml.bz2",
)
PAGES_PER_STREAM = 100  # https://en.wikipedia.org/wiki/Wikipedia:Database_download, "multistream"
PAGE = re.compile(rb"<page>.*?</page>\n?", re.DOTALL)
PAGE_ID = re.compile(rb"<id>(\d+)</id>")
COPY_STEP = 10**9  # added to the ids of each copy; over every id of a page
WHOLE = 1 << 40  # bytes of a range that no file reaches


def pages_of(data: Path) -> tuple[bytes, list[bytes]]:
    """The head of an export, and the pages of all dumps, each under an id of its own."""
    head, pages = b"", []
    for number, name in enumerate(DUMPS):
        xml = bz2.decompress((data / "wikipedia" / name).read_bytes())
        if name == HEAD_OF:
            head = xml[: xml.index(b"<page>")]
        for page in PAGE.findall(xml):
            pages.append(with_id(page, number * (COPY_STEP // 10)))
    return head, pages


def with_id(page: bytes, added: int) -> bytes:
    return PAGE_ID.sub(lambda match: b"<id>%d</id>" % (int(match[1]) + added), page, count=1)


def streams(head: bytes, pages: list[bytes]) -> Iterator[bytes]:
    """The bz2 streams of a dump without end: the head, then copies of the pages."""
    yield bz2.compress(head)
    copy = 0
    while True:
        renamed = [with_id(page, copy * COPY_STEP) for page in pages]
        for at in range(0, len(renamed), PAGES_PER_STREAM):
            yield bz2.compress(b"".join(renamed[at : at + PAGES_PER_STREAM]))
        copy += 1


def make_dump(data: Path, path: Path, size: int) -> None:
    """Writes a dump of at least `size` bytes; one that is there is taken as it is."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    written = 0
    with unfinished.open("wb") as target:
        for packed in streams(*pages_of(data)):
            target.write(packed)
            written += len(packed)
            if written >= size:
                break
        target.write(bz2.compress(b"</mediawiki>\n"))
    unfinished.rename(path)


def seconds_of_ranges(dump: Path, range_bytes: int) -> list[float]:
    """CPU seconds of reading and cleaning each range of a dump."""
    reader, clean = Wikipedia(), CleanWikitext()
    seconds = []
    with dump.open("rb") as stream:
        for start in range(0, dump.stat().st_size, range_bytes):
            begun = time.process_time()
            for outcome in reader.read_range(stream, dump.name, start, start + range_bytes):
                if isinstance(outcome, Document):
                    clean(outcome)
            seconds.append(time.process_time() - begun)
    return seconds


def ends_after(seconds: Sequence[float], workers: int) -> float:
    """When the last range ends, each worker taking the next one when it is free."""
    free = [0.0] * workers
    for cost in seconds:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def show_division(dump: Path, range_bytes: int, as_json: bool) -> None:
    whole, parts = seconds_of_ranges(dump, WHOLE), seconds_of_ranges(dump, range_bytes)
    table = ResultTable(
        f"Reading and cleaning {len(parts)} ranges, in CPU seconds", ("workers", "ends after", "speed-up")
    )
    for workers in (1, 2, 4, 8):
        table.rows.append([workers, ends_after(parts, workers), sum(parts) / ends_after(parts, workers)])
    table.notes.append(f"as one range {whole[0]:.1f} s; the longest range {max(parts):.2f} s")
    table.show(as_json)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for input and runs; never inside the repository")
    parser.add_argument("--megabytes", type=int, default=60, help="size of the packed dump")
    parser.add_argument("--range-megabytes", type=int, default=4, help="size of a range")
    parser.add_argument("--rounds", type=int, default=3, help="of whole runs; 0: the second table only")
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    dump = given.work / f"enwiki-joined-{given.megabytes}-pages-articles-multistream.xml.bz2"
    make_dump(given.data, dump, given.megabytes * 1_000_000)
    size = given.range_megabytes * 1_000_000
    rows = [("one range", WHOLE, 2), ("ranges", size, 1), ("ranges", size, 2)]
    costs: dict[tuple[str, int], list[Cost]] = {}
    for number in range(given.rounds):
        for name, range_bytes, workers in rows:
            config = given.work / f"{name.replace(' ', '-')}.yaml"
            steps = {"read": {"range_bytes": range_bytes}}
            sources = {"wikipedia": {"inputs": [str(dump)], "languages": ["en"], "steps": steps}}
            config.write_text(yaml.safe_dump({"sources": sources}), encoding="utf-8")
            run = given.work / "run"
            shutil.rmtree(run, ignore_errors=True)
            command = [
                str(Path(sys.executable).parent / "llama-corpus"),
                "run",
                str(config),
                "--out",
                str(run),
            ]
            command += ["--only", "documents/wikipedia", "--workers", str(workers), "--quiet"]
            costs.setdefault((name, workers), []).append(cost_of(command))
            print(f"round {number + 1}, {name}, {workers} workers: done", file=sys.stderr)
    table = ResultTable(
        f"One dump of {dump.stat().st_size / 1e6:.0f} MB in bz2 (medians of {given.rounds} rounds)",
        ("read in", "workers", "parts", "CPU s", "wall s", "peak MB", "speed-up"),
    )
    for name, range_bytes, workers in rows if given.rounds else ():
        alone = median(cost.wall_seconds for cost in costs["ranges", 1])
        found = costs[name, workers]
        wall = median(cost.wall_seconds for cost in found)
        row: list[Cell] = [name, workers, -(-dump.stat().st_size // range_bytes)]
        row += [median(cost.cpu_seconds for cost in found), wall]
        table.rows.append([*row, max(cost.peak_bytes for cost in found) / 1e6, alone / wall])
    table.notes.append("the peak is of the largest process")
    if given.rounds:
        table.show(given.json)
    show_division(dump, size, given.json)


if __name__ == "__main__":
    main()
