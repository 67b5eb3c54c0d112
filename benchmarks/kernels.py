"""Rates of the kernels of the CommonCrawl road alone, in one process: a table in which a regression shows.

    python benchmarks/kernels.py --rounds 5

Reading: the shared WARC and WET files as records (`read_records`) and as documents (`CommonCrawl.read`: for WARC with
charset and text extraction). The rest: over the texts of the shared WET files; perplexity over the English ones.
The kernels take turns; the first turn is not counted. CPU seconds of this process, median of the rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import crawl_run
import numpy as np
from floor_loop import identify_by_fasttext
from result_table import ResultTable

from classifiers.language_id import LanguageIdentifier, find_model
from classifiers.perplexity import PerplexityModel
from classifiers.references import ReferenceClassifier
from stages.duplicate_lines import duplicated_lines, keep_lines, line_hashes
from stages.sources.common_crawl import CommonCrawl
from stages.warc import read_records


@dataclass
class Kernel:
    """What is timed: `run` goes once over `units` of something and `megabytes` of it."""

    name: str
    unit: str
    units: int
    megabytes: float
    run: Callable[[], object]
    seconds: list[float] = field(default_factory=list)


def reading(name: str, paths: Sequence[Path]) -> list[Kernel]:
    """Records and documents of files; megabytes are of blocks."""

    def records() -> tuple[int, int]:
        count = size = 0
        for path in paths:
            with path.open("rb") as stream:
                for record in read_records(stream, path.name):
                    count += 1
                    size += len(getattr(record, "block", b""))
        return count, size

    def documents() -> None:
        for path in paths:
            with path.open("rb") as stream:
                for _ in CommonCrawl().read(stream, path.name):
                    pass

    count, size = records()
    return [
        Kernel(f"{name} records", "records", count, size / 1e6, records),
        Kernel(f"{name} to documents", "records", count, size / 1e6, documents),
    ]


def each(function: Callable[[str], object], texts: Sequence[str]) -> Callable[[], None]:
    def run() -> None:
        for text in texts:
            function(text)

    return run


def kernels(data: Path, models: crawl_run.Models) -> list[Kernel]:
    crawl = data / "commoncrawl" / "repacked"
    wet = sorted(crawl.rglob("*.warc.wet.gz"))
    warc = sorted(set(crawl.rglob("*.warc.gz")) - set(wet))
    pages = crawl_run.shared_pages(data)
    texts = [page.text for page in pages]
    identifier = LanguageIdentifier(find_model())
    english = [text for text in texts if identifier.predict(text)[0] == "en"]
    size, english_size = (sum(len(text.encode()) for text in some) / 1e6 for some in (texts, english))
    hashes = [line_hashes(text) for text in texts]
    counts = [len(found) for found in hashes]
    keys = np.concatenate(hashes)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), counts)
    starts = np.cumsum([0, *counts])
    dropped = duplicated_lines(keys, owners)

    def drop() -> None:
        for number, page in enumerate(pages):
            keep_lines(page, dropped[starts[number] : starts[number + 1]])

    perplexity = PerplexityModel(models.lm, crawl_run.LANGUAGE).perplexity
    score = ReferenceClassifier(str(models.reference)).score
    return [
        *reading("WARC", warc),
        *reading("WET", wet),
        Kernel("line keys", "lines", len(keys), size, each(line_hashes, texts)),
        Kernel(
            "duplicate search", "lines", len(keys), keys.nbytes / 1e6, lambda: duplicated_lines(keys, owners)
        ),
        Kernel("drop lines", "lines", len(keys), size, drop),
        Kernel("language id", "documents", len(texts), size, each(identifier.predict, texts)),
        Kernel("the same by fastText", "documents", len(texts), size, each(identify_by_fasttext, texts)),
        Kernel("perplexity", "documents", len(english), english_size, each(perplexity, english)),
        Kernel("reference classifier", "documents", len(english), english_size, each(score, english)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder for the models; default a temporary one")
    parser.add_argument("--data", type=Path, default=crawl_run.SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as folder:
        models = crawl_run.prepare_models(given.data, given.work or Path(folder))
        measured = kernels(given.data, models)
        for number in range(-1, given.rounds):
            for kernel in measured:
                begun = time.process_time()
                kernel.run()
                if number >= 0:
                    kernel.seconds.append(time.process_time() - begun)
    table = ResultTable(
        f"Kernels, one process (medians of {given.rounds} rounds)",
        (
            "kernel",
            "unit",
            "units",
            "CPU s",
            "units/CPU s",
            "us a unit",
            "MB/CPU s",
            "slowest / fastest round",
        ),
    )
    for kernel in measured:
        seconds = median(kernel.seconds)
        spread = max(kernel.seconds) / min(kernel.seconds)
        rate, each_one = kernel.units / seconds, 1e6 * seconds / kernel.units
        table.rows.append(
            (
                kernel.name,
                kernel.unit,
                kernel.units,
                seconds,
                rate,
                each_one,
                kernel.megabytes / seconds,
                spread,
            )
        )
    table.show(given.json)


if __name__ == "__main__":
    main()
