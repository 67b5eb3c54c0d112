"""The real CommonCrawl pipeline against the bare floor, on the same pages with the same models.

    python benchmarks/floor_commoncrawl.py WORK --from wet --copies 4 --rounds 3

`llama-corpus run` (Beam included, one worker, to the final documents) and `floor_loop.py` run in turn, each in
processes of its own, on one copy of the shared pages and on several; that both keep the same documents is checked. The
difference of the two sizes is the cost of the pages themselves, without start-up. The target is 1.25 of a loop over the
libraries; `--language-id own` puts our language id into the floor too, so that nothing but the pipeline's own cost is
left.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import crawl_run
import floor_loop
import pyarrow.parquet as pq
import step_profile
from make_corpus import make_corpus
from measure import Cost, cost_of
from result_table import ResultTable

HERE = Path(__file__).resolve().parent
COMPARED = ("id", "url", "text")
# Step of the profile -> laps of the floor.
LAPS_OF_STEP = {
    step_profile.READ: (floor_loop.READ, floor_loop.TEXT),
    step_profile.KEYS: (floor_loop.KEYS,),
    step_profile.DUPLICATES: (floor_loop.SEARCH, floor_loop.DROP),
    step_profile.LANGUAGE: (floor_loop.LANGUAGE,),
    step_profile.PERPLEXITY: (floor_loop.PERPLEXITY,),
    step_profile.REFERENCE: (floor_loop.REFERENCE,),
    step_profile.PARTS: (floor_loop.WRITE,),
    step_profile.REST: (),
}


@dataclass
class Size:
    """One size of the input: its files, and what floor and pipeline cost on it in each round."""

    copies: int
    files: Sequence[Path]
    config: Path
    floor: list[Cost] = field(default_factory=list)
    pipeline: list[Cost] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.copies} {'copy' if self.copies == 1 else 'copies'}"

    @property
    def documents(self) -> int:
        return int(json.loads(self.floor[0].output)["documents"])

    def cpu_seconds(self) -> tuple[float, float]:
        """Medians of floor and pipeline."""
        return median(c.cpu_seconds for c in self.floor), median(c.cpu_seconds for c in self.pipeline)

    def laps(self, names: Sequence[str]) -> float:
        """Median of the CPU seconds of some of the floor's steps."""
        found: list[dict[str, float]] = [json.loads(cost.output)["seconds"] for cost in self.floor]
        return median(sum(seconds[name] for name in names) for seconds in found)


def measure_once(
    size: Size, models: crawl_run.Models, window_files: int, work: Path, language_id: str
) -> tuple[Cost, Cost]:
    """Floor and pipeline on one size, one after the other.

    ValueError when they have not kept the same documents in the same order.
    """
    out, run = work / "floor.parquet", work / "floor-run"
    floor = cost_of(
        [
            sys.executable, str(HERE / "floor_loop.py"), *map(str, size.files), "--lm", str(models.lm),
            "--reference", str(models.reference), "--window-files", str(window_files), "--out", str(out),
            "--language-id", language_id,
        ]
    )  # fmt: skip
    shutil.rmtree(run, ignore_errors=True)
    pipeline = cost_of(crawl_run.command(size.config, run))
    bare = pq.read_table(out, columns=list(COMPARED)).to_pylist()
    kept = crawl_run.documents(run, COMPARED).to_pylist()
    if kept != bare:
        raise ValueError(
            f"the pipeline kept {len(kept)} documents ({run}) and the floor {len(bare)} ({out}), not the same; "
            "mend floor_loop.py, it must follow the recipe"
        )
    return floor, pipeline


def profile_once(size: Size, work: Path) -> dict[str, float]:
    """CPU seconds of the pipeline by step, from one run in one process."""
    run = work / "floor-run"
    shutil.rmtree(run, ignore_errors=True)
    command = [sys.executable, str(HERE / "step_profile.py"), str(size.config), str(run)]
    profile: dict[str, float] = json.loads(cost_of(command).output)
    return profile


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "work", type=Path, help="folder for input, models and runs; never inside the repository"
    )
    parser.add_argument("--from", dest="kind", choices=("warc", "wet"), default="warc")
    parser.add_argument(
        "--language-id",
        choices=("fasttext", "own"),
        default="fasttext",
        help="the floor's: fastText's own call, or the pipeline's, four times as fast",
    )
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=crawl_run.SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.copies < 2:
        parser.error("--copies must be at least 2: start-up is taken off by the difference to one copy")
    models = crawl_run.prepare_models(given.data, given.work)
    crawl = given.data / "commoncrawl" / "repacked"
    files = make_corpus(crawl, given.work / given.kind, given.kind, given.copies)
    window = len(files) // given.copies
    sizes = []
    for copies in (1, given.copies):
        used = files[: copies * window]
        config = given.work / f"floor-{given.kind}-{copies}.yaml"
        sizes.append(Size(copies, used, crawl_run.write_config(config, used, models, window)))
    measure_once(
        sizes[0], models, window, given.work, given.language_id
    )  # not counted: compiles kernels, fills caches
    for number in range(given.rounds):
        for size in sizes:
            floor_cost, pipeline_cost = measure_once(size, models, window, given.work, given.language_id)
            size.floor.append(floor_cost)
            size.pipeline.append(pipeline_cost)
            print(f"round {number + 1}, {size.name}: done", file=sys.stderr)
    one, many = sizes
    profile = profile_once(many, given.work)
    table = ResultTable(
        f"Floor and pipeline from {given.kind.upper()}, CPU seconds (medians of {given.rounds} rounds)",
        ("what", "floor", "pipeline", "ratio"),
    )
    for size in sizes:
        floor, pipeline = size.cpu_seconds()
        table.rows.append(
            (f"{size.name}, {size.documents:,} pages, all included", floor, pipeline, pipeline / floor)
        )
    floor, pipeline = (big - small for small, big in zip(one.cpu_seconds(), many.cpu_seconds(), strict=True))
    pages = many.documents - one.documents
    table.rows.append((f"**{pages:,} pages more, without start-up**", floor, pipeline, pipeline / floor))
    table.rows.append(
        ("the same, documents per CPU second", pages / floor, pages / pipeline, floor / pipeline)
    )
    for step, laps in LAPS_OF_STEP.items():
        bare, real = many.laps(laps), profile.get(step, 0.0)
        table.rows.append(
            (f"{many.name}: {step}", bare if laps else None, real, real / bare if laps else None)
        )
    peaks = [max(cost.peak_bytes for cost in costs) / 1e6 for costs in (many.floor, many.pipeline)]
    table.rows.append((f"{many.name}: peak MB of the largest process", *peaks, peaks[1] / peaks[0]))
    table.notes.append(
        "steps of the pipeline: one run in one process without Beam, by sampling (step_profile.py)"
    )
    table.notes.append(f"language id of the floor: {given.language_id}")
    table.notes.append("both kept the same documents in every round")
    table.show(given.json)


if __name__ == "__main__":
    main()
