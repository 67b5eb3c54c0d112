"""Line deduplication through files, as the pipeline does it, against plain NumPy in one piece, and against cc_net.

    python benchmarks/line_dedup.py --lines 2000000 --rounds 3

1. The documents of the shared WET files, repeated until there are enough lines, every second line of a repetition made
   its own; a repetition is a part. `pipeline`: keys of each part to a file, search, verdicts to a file, drops; the
   documents are made anew for each of its two readings. `reference`: all texts in memory, the same line keys in one
   array, one stable sort, one mask. The making of the documents is not counted. Both keep the same text, which is
   checked. Targets: at most 1.5 times the CPU of the reference, at most 0.5 GB for the whole process.
2. The shared WET files themselves: read, keys, search, read again, drop, nothing written, in one process, as in the
   figure for cc_net (121,000 lines per CPU second with import and reading, goldens/ccnet/README.md). Target: 5 times.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from statistics import median

import crawl_run
import numpy as np
from measure import Cost, cost_of
from result_table import ResultTable

from pipeline import files
from pipeline.duplicates import (
    DropDuplicateLines,
    DropFiles,
    KeyWindow,
    SearchBuckets,
    key_path,
    search_buckets,
)
from pipeline.key_files import BUCKETS
from stages.document import Document
from stages.duplicate_lines import line_hashes
from stages.length import KeepLength
from stages.sources.common_crawl import CommonCrawl

CC_NET_LINES = 121_000  # goldens/ccnet/README.md: dedup, hash + remove, all included
CC_NET_LINES_WITHOUT_IMPORT = 516_405 / (4.26 - 2 * 0.34)  # the same less two imports

TIMES = 6  # the WET files over and over in one process, so that its start is a small part

Part = Callable[[], Iterable[Document]]


def through_files(run: str, parts: Sequence[Part]) -> Iterator[str]:
    """The texts that are left, by the functions that a run's tasks call; files of keys and verdicts under `run`."""
    rule = DropDuplicateLines(window_files=len(parts))
    for number, part in enumerate(parts):
        collector = rule.collector()
        for document in part():
            collector.add(document)
        with files.create(files.join(run, key_path("keys", number))) as stream:
            collector.write(stream)
        del collector
    window = KeyWindow("keys", 0, len(parts))
    search_buckets(run, SearchBuckets(rule, window, 0, BUCKETS, "drops.bin"))
    for number, part in enumerate(parts):
        drop = rule.transform(run, DropFiles(rule, ("drops.bin",), number))
        for document in part():
            outcome = drop(document)
            if isinstance(outcome, Document):
                yield outcome.text


def in_one_piece(texts: Sequence[str]) -> Iterator[str]:
    """The same with NumPy over all lines at once, and no file."""
    keys = [line_hashes(text) for text in texts]
    counts = [len(found) for found in keys]
    owners = np.repeat(np.arange(len(texts)), counts)
    joined = np.concatenate(keys)
    order = np.argsort(joined, kind="stable")
    first = np.concatenate([[True], joined[order][1:] != joined[order][:-1]])
    starts, owned = np.flatnonzero(first), owners[order]
    shared = np.minimum.reduceat(owned, starts) != np.maximum.reduceat(owned, starts)
    stays = np.empty(len(joined), dtype=np.bool_)
    stays[order] = first & ~np.repeat(shared, np.diff([*starts, len(joined)]))
    at = 0
    for text, count in zip(texts, counts, strict=True):
        mask = stays[at : at + count]
        at += count
        left = "\n".join(compress(text.split("\n"), mask.tolist()))
        if left and not left.isspace():
            yield left


def repetition(pages: Sequence[Document], number: int) -> Iterator[Document]:
    """The pages once more, with every second line made the repetition's own; the first as they are."""
    word = " " + "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")  # digits are all one key
    for page in pages:
        lines = page.text.split("\n")
        if number:
            lines[::2] = [line + word for line in lines[::2]]
        yield replace(page, text="\n".join(lines))


class Outside:
    """CPU seconds that go into making documents, to be taken off."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, documents: Iterator[Document]) -> Iterator[Document]:
        while True:
            begun = time.process_time()
            document = next(documents, None)
            self.seconds += time.process_time() - begun
            if document is None:
                return
            yield document


def measure_in_memory(role: str, data: Path, lines: int, check: bool) -> dict[str, object]:
    """One of the two over documents that are made on the way: CPU seconds without the making, and what is left.

    `check` adds a digest of the text that is left, which costs time.
    """
    pages = crawl_run.shared_pages(data)
    lines_of_pages = sum(page.text.count("\n") + 1 for page in pages)
    repetitions = -(-lines // lines_of_pages)
    making, digest, left = Outside(), hashlib.sha256(), 0
    list(in_one_piece(["compiles\nwhat is compiled"]))
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as run:
        begun = time.process_time()
        if role == "pipeline":
            parts = [partial(lambda n: making(repetition(pages, n)), number) for number in range(repetitions)]
            texts = through_files(run, parts)
        else:
            made = (making(repetition(pages, number)) for number in range(repetitions))
            texts = in_one_piece([document.text for documents in made for document in documents])
        for text in texts:
            left += len(text)
            if check:
                digest.update(text.encode() + b"\0")
        seconds = time.process_time() - begun - making.seconds
    found: dict[str, object] = {"seconds": seconds, "lines": repetitions * lines_of_pages, "left": left}
    return {**found, "sha256": digest.hexdigest()} if check else found


def deduplicate_wet_files(data: Path, times: int) -> dict[str, object]:
    """Reads, searches, reads again and drops, so many times; counts the lines of documents that are long enough, as
    cc_net does."""
    keep, lines = KeepLength(), 0

    def pages_of(path: Path) -> Iterator[Document]:
        with path.open("rb") as stream:
            for page in CommonCrawl().read(stream, path.name):
                if isinstance(page, Document) and isinstance(keep(page), Document):
                    yield page

    paths = sorted((data / "commoncrawl" / "repacked").rglob("*.warc.wet.gz"))
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as run:
        for _ in range(times):
            left = sum(len(text) for text in through_files(run, [partial(pages_of, path) for path in paths]))
        for number in range(len(paths)):
            with files.open_binary(files.join(run, key_path("keys", number))) as stream:
                lines += int.from_bytes(stream.read(16)[8:], "little")
    return {"lines": lines, "left": left}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=crawl_run.SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", choices=("pipeline", "reference", "wet", "import"), help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role in ("pipeline", "reference"):
        print(json.dumps(measure_in_memory(given.role, given.data, given.lines, given.check)))
    elif given.role == "wet":
        print(json.dumps(deduplicate_wet_files(given.data, given.times)))
    elif given.role is None:
        compare(given).show(given.json)


def compare(given: argparse.Namespace) -> ResultTable:
    """The rounds, each role in a process of its own. ValueError when the two roads do not leave the same text."""

    def run(role: str, *more: str) -> Cost:
        command = [sys.executable, __file__, "--role", role, "--data", str(given.data)]
        return cost_of([*command, "--lines", str(given.lines), *more])

    checks = [json.loads(run(role, "--check").output) for role in ("pipeline", "reference")]
    if checks[0]["sha256"] != checks[1]["sha256"]:
        raise ValueError(
            "the pipeline's road and the reference do not leave the same text; one of them is wrong"
        )
    costs: dict[str, list[Cost]] = {role: [] for role in ("pipeline", "reference", "wet", "import", "more")}
    for _ in range(given.rounds):
        for role, found in costs.items():
            found.append(run("wet", "--times", str(TIMES)) if role == "more" else run(role))
    said = {role: [json.loads(cost.output) for cost in found if cost.output] for role, found in costs.items()}
    pipeline, reference = (median(one["seconds"] for one in said[role]) for role in ("pipeline", "reference"))
    lines, wet_lines = said["pipeline"][0]["lines"], said["wet"][0]["lines"]
    wet, imported, more = (
        median(cost.cpu_seconds for cost in costs[role]) for role in ("wet", "import", "more")
    )
    peaks = [max(cost.peak_bytes for cost in costs[role]) / 1e6 for role in ("pipeline", "reference")]
    table = ResultTable(
        f"Line deduplication (medians of {given.rounds} rounds)",
        ("what", "pipeline", "compared with", "", "ratio"),
    )
    table.rows += [
        (f"{lines:,} lines, CPU s", pipeline, "NumPy reference", reference, pipeline / reference),
        (
            "the same, lines per CPU s",
            lines / pipeline,
            "NumPy reference",
            lines / reference,
            reference / pipeline,
        ),
        ("the same, peak MB of the process", peaks[0], "NumPy reference", peaks[1], peaks[0] / peaks[1]),
    ]
    for name, seconds, theirs in (
        ("all included", wet, float(CC_NET_LINES)),
        ("without imports", wet - imported, CC_NET_LINES_WITHOUT_IMPORT),
        ("without start-up (kernels loaded)", (more - wet) / (TIMES - 1), CC_NET_LINES_WITHOUT_IMPORT),
        ("the same against cc_net all included", (more - wet) / (TIMES - 1), float(CC_NET_LINES)),
    ):
        rate = wet_lines / seconds
        table.rows.append(
            (f"{wet_lines:,} lines of the WET files per CPU s, {name}", rate, "cc_net", theirs, rate / theirs)
        )
    table.notes.append(
        "cc_net was measured on another day (goldens/ccnet/README.md); its import was 0.34 CPU s"
    )
    table.notes.append(f"our imports (NumPy, Beam's file systems, numba): {imported:.2f} CPU s of {wet:.2f}")
    return table


if __name__ == "__main__":
    main()
