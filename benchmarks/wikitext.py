"""Wikitext to text: rate, agreement with mwparserfromhell and losses on the shared dumps, time on hostile pages.

    python benchmarks/wikitext.py [--articles 100] [--rounds 3]

1. The big articles (20,000 characters of wikitext or more; every n-th of them): MB of UTF-8 wikitext per CPU second of
   `plain_text`, against mwparserfromhell's parse and `strip_code` in the same process, article by article in turn.
   Target: 10 MB/s.
2. Per dump: word 5-gram F1 with the text of the reference after the intended differences (`wikitext_reference`), and
   the words, numbers and holes that each lacks or leaves (`wikitext_losses`). Targets: 0.97, below the reference's.
3. Five MB of one mark, and marks nested 100,000 deep: CPU seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import mwparserfromhell
from result_table import ROOT, ResultTable
from wikitext_losses import holes, missing, seen_tokens
from wikitext_reference import f1, ours_as_the_reference, theirs_without_the_intended

from stages.document import Document
from stages.sources.wikipedia import Wikipedia
from stages.wikitext import page_text, plain_text

BIG_CHARACTERS = 20_000
HOSTILE_BYTES = 5_000_000
DEPTH = 100_000
MARKS = (
    "{{",
    "[[",
    "{|\n",
    "<ref",
    "<ref>",
    "'''''",
    "{{a|",
    "[[a|",
    "|}\n",
    "<!--",
    "<math>",
    "[[a [[b|{{c}}]] ",
)
NESTED = (("{{", "}}"), ("[[", "]]"), ("{|\n", "\n|}"), ("{{lang|fr|", "}}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--articles", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    dumps = read_dumps(given.data)
    rates(dumps, given.articles, given.rounds).show(given.json)
    agreement(dumps, read_golden(given.data)).show(given.json)
    hostile().show(given.json)


def read_dumps(data: Path) -> Mapping[str, Sequence[Document]]:
    dumps: dict[str, list[Document]] = defaultdict(list)
    for path in sorted((data / "wikipedia").glob("*.bz2")):
        with path.open("rb") as stream:
            dumps[path.name] += [d for d in Wikipedia().read(stream, str(path)) if isinstance(d, Document)]
    return dumps


def read_golden(data: Path) -> Mapping[tuple[str, str], str]:
    path = data / "goldens" / "wikipedia" / "mwparserfromhell.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {(row["dump"], row["id"]): row["text"] for row in map(json.loads, lines)}


def _seconds(text: str, language: str, title: str) -> float:
    begun = time.process_time()
    plain_text(text, language, title)
    return time.process_time() - begun


def _reference_seconds(text: str) -> float:
    begun = time.process_time()
    mwparserfromhell.parse(text).strip_code()
    return time.process_time() - begun


def rates(dumps: Mapping[str, Sequence[Document]], articles: int, rounds: int) -> ResultTable:
    """MB per CPU second: the median article, the slowest one, all together."""
    big = [d for documents in dumps.values() for d in documents if len(d.text) >= BIG_CHARACTERS]
    big = big[:: max(1, len(big) // articles)]
    sizes = [len(d.text.encode()) / 1e6 for d in big]
    plain_text(big[0].text, big[0].language or "en", big[0].title or "")
    times: list[tuple[float, float]] = []
    for document in big:
        text, language, title = document.text, document.language or "en", document.title or ""
        ours = median(_seconds(text, language, title) for _ in range(rounds))
        times.append((ours, _reference_seconds(text)))
    table = ResultTable(
        f"Wikitext to text, MB of wikitext per CPU second ({len(big)} articles, {sum(sizes):.1f} MB)",
        ("what", "ours", "mwparserfromhell strip_code", "ratio"),
    )
    ours, theirs = ([size / pair[side] for size, pair in zip(sizes, times, strict=True)] for side in (0, 1))
    rows = (
        ("median article", median(ours), median(theirs)),
        ("slowest article", min(ours), min(theirs)),
        ("all together", *(sum(sizes) / sum(pair[side] for pair in times) for side in (0, 1))),
    )
    table.rows += [(name, a, b, a / b) for name, a, b in rows]
    slowest = min(range(len(big)), key=ours.__getitem__)
    table.notes.append(f"slowest of ours: {big[slowest].id}, {sizes[slowest] * 1000:.0f} kB")
    table.notes.append(f"ours: median of {rounds} rounds an article; mwparserfromhell: one")
    return table


def agreement(dumps: Mapping[str, Sequence[Document]], golden: Mapping[tuple[str, str], str]) -> ResultTable:
    table = ResultTable(
        "Text beside that of mwparserfromhell",
        ("dump", "articles", "F1", "words", "lost, ours", "theirs", "numbers", "lost, ours", "theirs", "holes, ours",
         "theirs"),
    )  # fmt: skip
    totals = [0] * 8
    for name, documents in dumps.items():
        common = [0, 0, 0]
        counts = [0] * 8
        for document in documents:
            raw, language, title = document.text, document.language or "en", document.title or ""
            theirs = golden[name, document.id.partition(":")[2]]
            pair = f1(
                ours_as_the_reference(raw, language, title),
                theirs_without_the_intended(theirs, raw, language),
            )
            common = [a + b for a, b in zip(common, pair, strict=True)]
            ours, seen = plain_text(raw, language, title), seen_tokens(raw, language)
            a, b = missing(seen, ours), missing(seen, theirs)
            found = (
                a.words, a.missing_words, b.missing_words, a.numbers, a.missing_numbers, b.missing_numbers,
                holes(ours), holes(theirs),
            )  # fmt: skip
            counts = [x + y for x, y in zip(counts, found, strict=True)]
        totals = [x + y for x, y in zip(totals, counts, strict=True)]
        short = name.replace("-pages-articles", "").removesuffix(".xml.bz2")
        table.rows.append((short, len(documents), 2 * common[0] / (common[1] + common[2]), *counts))
    table.rows.append(("all", sum(map(len, dumps.values())), None, *totals))
    return table


def hostile() -> ResultTable:
    table = ResultTable("Hostile pages, CPU seconds", ("page", "MB", "seconds"))
    pages = [(f"{mark!r} over and over", mark * (HOSTILE_BYTES // len(mark))) for mark in MARKS]
    pages += [
        (f"{opening!r} nested {DEPTH:,} deep", f"{opening * DEPTH}x{closing * DEPTH}")
        for opening, closing in NESTED
    ]
    for name, text in pages:
        begun = time.process_time()
        page_text(text)
        table.rows.append((name.replace("|", "\\|"), len(text) / 1e6, time.process_time() - begun))
    return table


if __name__ == "__main__":
    main()
