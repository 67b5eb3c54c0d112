"""How well the Wikipedia-reference classifier tells references, and what each of its settings is worth.

    python -m benchmarks.quality_references DATA

DATA is the folder of shared sample data. English pages of its WET files are positive when Wikipedia cites their host
(`commoncrawl/wikipedia-host-overlap.tsv.gz`; no page is cited by its very URL). Lines that two pages share are taken
out, as the pipeline does: they tell the owner of a site. Each setting is trained on five splits by host, chosen by the
seeds 0 to 4, with a third of the pages held out each time; means and standard deviations over the splits are printed as
a Markdown table. One thread, about three minutes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal

import xxhash

from classifiers.evaluation import area_under_curve
from classifiers.reference_pages import Candidate
from classifiers.references import ReferenceReport, TrainingSettings, candidate, train_references
from stages.citations import url_host
from stages.document import Document
from stages.language import KeepLanguage
from stages.length import KeepLength
from stages.sources.common_crawl import CommonCrawl

SEEDS = range(5)
BASE = TrainingSettings(max_pages_per_host=5)
MEASURES: tuple[Literal["auc", "auc_trained", "brier", "ece", "recall", "precision"], ...] = (
    "auc", "auc_trained", "brier", "ece", "recall", "precision",
)  # fmt: skip

Change = Callable[[str], str]
SETTINGS: tuple[tuple[str, TrainingSettings, Change], ...] = (
    ("as shipped, 5 pages a host", BASE, str),
    ("as shipped, 100 pages a host", TrainingSettings(), str),
    ("RedPajama v1: 5 epochs at 0.1", BASE._replace(epochs=5, rate=0.1), str),
    ("twice the epochs", BASE._replace(epochs=40), str),
    ("half the epochs", BASE._replace(epochs=10), str),
    ("10 dimensions", BASE._replace(dimension=10), str),
    ("word bigrams", BASE._replace(word_ngrams=2), str),
    ("words seen 5 times", BASE._replace(min_count=5), str),
    ("lower case", BASE, str.lower),
    ("first 2,000 characters", BASE, lambda text: text[:2000]),
)


Page = tuple[int, bool, str, str]  # order, whether cited, host, text


def read_pages(data: Path) -> list[Page]:
    """English pages of at least 300 characters, less the lines that two pages share."""
    crawl = data / "commoncrawl"
    with gzip.open(crawl / "wikipedia-host-overlap.tsv.gz", "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    cited = {url_host(row[0]) for row in rows if row[2].isdigit() and int(row[2])}
    long_enough, english = KeepLength(min_characters=300), KeepLanguage(("en",)).prepare()
    pages: list[Page] = []
    for path in sorted(crawl.glob("repacked/*/wet/*.wet.gz")):
        with path.open("rb") as stream_of_file:
            for document in CommonCrawl().read(stream_of_file, path.name):
                if isinstance(document, Document) and isinstance(long_enough(document), Document):
                    document = english(document)
                    if isinstance(document, Document):
                        host = url_host(document.url or "")
                        order = xxhash.xxh3_64_intdigest(document.id.encode())
                        pages.append((order, host in cited, host, document.text))
    seen = Counter(line for *_, text in pages for line in {line.strip() for line in text.split("\n")})

    def own_lines(text: str) -> str:
        return "\n".join(line for line in text.split("\n") if seen[line.strip()] == 1)

    return [(order, is_cited, host, own_lines(text)) for order, is_cited, host, text in pages]


def train(
    pages: list[tuple[int, bool, str, str]],
    settings: TrainingSettings,
    change: Change,
    seed: int,
    folder: str,
) -> ReferenceReport:
    texts: dict[int, str] = {}
    candidates: list[Candidate] = []
    for order, cited, host, text in pages:
        changed = change(text)
        candidates.append(candidate(order, cited, host, changed))
        texts[candidates[-1].digest] = changed

    def read(wanted: AbstractSet[int]) -> Iterator[tuple[int, str]]:
        return ((digest, text) for digest, text in texts.items() if digest in wanted)

    return train_references(candidates, read, Path(folder, "reference.bin"), seed, settings, list(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the shared sample data")
    pages = read_pages(parser.parse_args().data)
    lengths = [
        [len(text) for _, is_cited, _, text in pages if is_cited is wanted] for wanted in (True, False)
    ]
    print(f"{len(lengths[0])} references, {len(lengths[1])} others, {len({p[2] for p in pages})} hosts")
    print(
        f"AUC of length alone, before lengths are matched: {area_under_curve(*lengths):.3f}; after: 0.500\n"
    )
    print("| setting | pages trained | epochs |", " | ".join(MEASURES), "| kept at 0.25 |")
    print("| --- " + "| ---: " * (len(MEASURES) + 3) + "|")
    for name, settings, change in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            reports = [train(pages, settings, change, seed, folder) for seed in SEEDS]
        figures = {measure: [report[measure] for report in reports] for measure in MEASURES}
        kept = statistics.mean(report["curve"][25]["kept"] or 0.0 for report in reports)
        cells = [f"{statistics.mean(f):.3f} ± {statistics.stdev(f):.3f}" for f in figures.values()]
        print(
            f"| {name} | {reports[0]['trained']} | {reports[0]['epochs']} |", " | ".join(cells), f"| {kept:.2f} |",
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
