"""The search for benchmarks in documents: MB/s on one core, beside a plain Python search and beside a word count.

    PYTHONPATH=. python benchmarks/decontamination.py --rounds 5 [--items 20000] [--json]

Documents are those of the shared WET files, all in memory, each as a Python string, as the step gets them. `step` is
`Decontaminate` on them, conversion to code points and comparison of what the hash finds included. `words`: the same
documents, `str.split` and nothing else, a floor. `plain`: the usual way of harnesses, every run of 13 normalised words
as a string looked up in a set, on every 20th document. The benchmarks are the shared excerpts; with `--items` so many
made items of 60 words beside them, for an index of the size of whole benchmarks. Target: 100 MB/s (UTF-8).
"""

from __future__ import annotations

import argparse
import gzip
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from result_table import ResultTable

from stages.benchmark_items import BenchmarkText, read_benchmark, write_text
from stages.decontamination import Decontaminate, known_texts
from stages.document import Document, Origin
from stages.ngram_kernels import WORDS
from stages.ngram_search import NgramIndex, words_of

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PLAIN_EVERY = 20


def documents() -> list[Document]:
    """The records of the shared WET files."""
    texts: list[str] = []
    for path in sorted((SHARED / "commoncrawl/repacked").glob("*/wet/*.gz")):
        records = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace").split("WARC/1.0\r\n")
        texts += [record.partition("\r\n\r\n")[2] for record in records[2:]]
    return [Document(str(n), "commoncrawl", text, Origin("wet")) for n, text in enumerate(texts)]


def benchmark_texts(made: int) -> list[BenchmarkText]:
    """The shared benchmarks, and made items of words in Zipf's proportions."""
    texts: list[BenchmarkText] = []
    for path in sorted((SHARED / "benchmarks").glob("*.jsonl")):
        with path.open("rb") as stream:
            texts += read_benchmark(stream, str(path))
    generator = random.Random(3)
    vocabulary = [f"w{n}" for n in range(30_000)]
    weights = [1 / (n + 1) for n in range(30_000)]
    for item in range(1, made + 1):
        text = " ".join(generator.choices(vocabulary, weights, k=60))
        texts.append(BenchmarkText("made", item, "question", text))
    return texts


def seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def plain_search(ngrams: frozenset[str], given: Sequence[Document]) -> int:
    """Documents with a known n-gram, by strings."""
    found = 0
    for document in given:
        words = words_of(document.text)
        grams = (" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1))
        found += any([gram in ngrams for gram in grams])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    crawled, texts = documents(), benchmark_texts(given.items)
    few = crawled[::PLAIN_EVERY]
    known = known_texts(texts)
    ngrams = frozenset(
        " ".join(text.words[i : i + WORDS]) for text in known for i in range(len(text.words) - WORDS + 1)
    )
    index_seconds = seconds(lambda: NgramIndex(known))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "benchmarks.jsonl")
        path.write_bytes(b"".join(map(write_text, texts)))
        check = Decontaminate(mode="flag", benchmarks=str(path)).prepare()
        for document in few:  # compiled, and tables made
            check(document)
        runs: dict[str, tuple[list[Document], Callable[[list[Document]], object]]] = {
            "step": (crawled, lambda found: [check(d) for d in found]),
            "words": (crawled, lambda found: [d.text.split() for d in found]),
            "plain": (few, lambda found: plain_search(ngrams, found)),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, (which, run) in runs.items():
                times[name].append(seconds(lambda run=run, which=which: run(which)))  # type: ignore[misc]
    table = ResultTable(
        "Search for benchmark n-grams, one core", ["way", "MB", "MB/s", "lowest", "highest", "x plain"]
    )
    rates: dict[str, list[float]] = {}
    for name, (which, _) in runs.items():
        megabytes = sum(d.text_bytes for d in which) / 1e6
        rates[name] = [megabytes / t for t in times[name]]
    for name, (which, _) in runs.items():
        found = rates[name]
        ratio = median(found) / median(rates["plain"])
        megabytes = sum(d.text_bytes for d in which) / 1e6
        table.rows.append([name, megabytes, median(found), min(found), max(found), ratio])
    items = len({(text.benchmark, text.item) for text in texts})
    table.notes.append(
        f"{items:,} items, {len(ngrams):,} n-grams; index made in {index_seconds:.1f} s CPU, with its compilation"
    )
    table.show(given.json)


if __name__ == "__main__":
    main()
