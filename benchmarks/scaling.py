"""Does the cost grow straight, and do two workers halve the time? The real pipeline on 1, 4 and 16 copies of the pages.

    python benchmarks/scaling.py WORK --from wet --copies 1,4,16
    python benchmarks/scaling.py WORK --from wet --copies 4 --workers 1,2

Each row is one `llama-corpus run` to the final documents (median of the rounds). Documents per CPU second are also
given without start-up, which is what a run on a few pages costs: at 1x it is most of a run. The line-dedup
window is one copy, as a crawl's is some shards: its memory is bounded by that setting and not by the input. Targets:
documents per second within 10 %, peak memory within 20 %; 2 workers at least 1.8 times as fast on a minute of work.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from statistics import median

import crawl_run
from make_corpus import make_corpus
from measure import Cost, cost_of
from result_table import Cell, ResultTable

STARTUP_PAGES = 40  # few, but enough that a page is kept: a run that keeps nothing is an error


def counts(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "work", type=Path, help="folder for input, models and runs; never inside the repository"
    )
    parser.add_argument("--from", dest="kind", choices=("warc", "wet"), default="wet")
    parser.add_argument("--copies", type=counts, default=[1, 4, 16])
    parser.add_argument("--workers", type=counts, default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=crawl_run.SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    crawl = given.data / "commoncrawl" / "repacked"
    models = crawl_run.prepare_models(given.data, given.work)
    few = make_corpus(crawl, given.work / f"{given.kind}-few", given.kind, 1, pages=STARTUP_PAGES)
    files = make_corpus(crawl, given.work / given.kind, given.kind, max(given.copies))
    window = len(files) // max(given.copies)
    pages = len(crawl_run.shared_pages(given.data))
    startup_config = crawl_run.write_config(given.work / "scaling-few.yaml", few, models, window)
    configs = {
        copies: crawl_run.write_config(
            given.work / f"scaling-{copies}.yaml", files[: copies * window], models, window
        )
        for copies in given.copies
    }
    run = given.work / "scaling-run"
    startup: dict[int, list[Cost]] = {workers: [] for workers in given.workers}
    costs: dict[tuple[int, int], list[Cost]] = {}
    for number in range(-1, given.rounds):  # the first is not counted: it compiles and fills caches
        for workers in given.workers:
            shutil.rmtree(run, ignore_errors=True)
            begun = cost_of(crawl_run.command(startup_config, run, workers))
            if number < 0:
                continue
            startup[workers].append(begun)
            for copies, config in configs.items():
                shutil.rmtree(run, ignore_errors=True)
                cost = cost_of(crawl_run.command(config, run, workers))
                costs.setdefault((copies, workers), []).append(cost)
                print(f"round {number + 1}, {copies} copies, {workers} workers: done", file=sys.stderr)
    table = ResultTable(
        f"Scaling from {given.kind.upper()} (medians of {given.rounds} rounds)",
        (
            "input", "workers", "pages", "CPU s", "wall s", "pages/CPU s", "without start-up", "to the first",
            "peak MB", "to the first", "speed-up",
        ),
    )  # fmt: skip
    first: tuple[float, float] | None = None
    for (copies, workers), found in costs.items():
        cpu, wall = (
            median(getattr(cost, name) for cost in found) for name in ("cpu_seconds", "wall_seconds")
        )
        begun_cpu = median(cost.cpu_seconds for cost in startup[workers])
        rate, peak = copies * pages / (cpu - begun_cpu), max(cost.peak_bytes for cost in found) / 1e6
        first = first or (rate, peak)
        alone = costs.get((copies, given.workers[0]))
        faster = median(cost.wall_seconds for cost in alone) / wall if alone else None
        row: list[Cell] = [f"{copies}x", workers, copies * pages, cpu, wall, copies * pages / cpu]
        table.rows.append([*row, rate, rate / first[0], peak, peak / first[1], faster])
    seconds = ", ".join(f"{median(c.cpu_seconds for c in found):.1f}" for found in startup.values())
    table.notes.append(
        f"start-up (a run on {STARTUP_PAGES} pages): {seconds} CPU s; peak is of the largest process"
    )
    table.show(given.json)


if __name__ == "__main__":
    main()
