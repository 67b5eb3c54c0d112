"""How well perplexity under a model of Wikipedia tells clean text from other text.

    python -m benchmarks.quality_perplexity DATA

DATA is the folder of shared sample data. The English model is trained on the articles of `wikipedia/enwiki*`, all but
every tenth by a hash of its id. Clean text, none of it seen in training: the main text of annotated web articles
(`extraction/wcxb-dev-third.jsonl.zst`), C4, and the articles held out. Against them:

* their own words in another order;
* boilerplate: the lines of the same web pages that are not in the annotated main text;
* pages of the crawl in other languages.

Prints, as a Markdown table, medians of perplexity and the area under the curve (the chance that a random clean text has
the lower perplexity), for this model and for the small one of the CCNet goldens; 95 % intervals are over documents.
One thread, about a minute.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import xxhash
import zstandard

from classifiers.evaluation import area_interval, area_under_curve
from classifiers.language_id import LanguageIdentifier, find_model
from classifiers.perplexity import PerplexityModel, train_language_model
from stages.document import Document
from stages.html_text import UnreadablePageError, decode_page, page_text
from stages.sources.common_crawl import CommonCrawl
from stages.sources.wikipedia import Wikipedia
from stages.wikitext import CleanWikitext

SEED = 0
MIN_CHARACTERS = 300  # as for pages of the crawl (cc_net)
MIN_LANGUAGE_SCORE = 0.5  # cc_net
MOST_DOCUMENTS = 400  # of each kind


def articles(data: Path, held_out: bool) -> Iterator[str]:
    for path in sorted((data / "wikipedia").glob("enwiki*.bz2")):
        with path.open("rb") as stream:
            for document in Wikipedia().read(stream, path.name):
                if isinstance(document, Document):
                    document = CleanWikitext()(document)
                if isinstance(document, Document):
                    tenth = xxhash.xxh3_64_intdigest(document.id.encode()) % 10 == 0
                    if tenth is held_out and len(document.text) >= MIN_CHARACTERS:
                        yield document.text


def letters(text: str) -> str:
    """Letters and digits alone: annotations differ from the pages in blanks, quotes and bullets."""
    return re.sub(r"\W+", "", text)


def annotated_pages(data: Path) -> Iterator[tuple[str, str]]:
    """(main text, all other lines) of web articles."""
    path = data / "extraction" / "wcxb-dev-third.jsonl.zst"
    with path.open("rb") as stream:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(stream), encoding="utf-8")
        for row in map(json.loads, lines):
            if row["page_type"] != "article":
                continue
            raw = row["html"].encode("utf-8" if row["html_encoding"] == "utf-8" else "latin-1")
            try:
                whole = page_text(decode_page(raw, None)[0]).text
            except UnreadablePageError:
                continue
            main = letters(row["text"])
            yield row["text"], "\n".join(line for line in whole.split("\n") if letters(line) not in main)


def c4(data: Path) -> Iterator[str]:
    for path in sorted((data / "c4" / "en").glob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                yield json.loads(line)["text"]


def crawled(data: Path) -> Iterator[str]:
    for path in sorted((data / "commoncrawl").glob("repacked/*/wet/*.wet.gz")):
        with path.open("rb") as stream:
            for document in CommonCrawl().read(stream, path.name):
                if isinstance(document, Document):
                    yield document.text


def chosen(texts: Iterator[str], wanted: Callable[[str], bool]) -> list[str]:
    """The texts that are long enough and wanted; when they are too many, those with the smallest hashes."""
    fit = [text for text in texts if len(text) >= MIN_CHARACTERS and wanted(text)]
    return sorted(fit, key=lambda text: xxhash.xxh3_64_intdigest(text.encode()))[:MOST_DOCUMENTS]


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(SEED).shuffle(words)
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the shared sample data")
    data = parser.parse_args().data
    identifier = LanguageIdentifier(find_model())

    def is_english(text: str) -> bool:
        language, score = identifier.predict(text)
        return language == "en" and score >= MIN_LANGUAGE_SCORE

    def is_foreign(text: str) -> bool:
        language, score = identifier.predict(text)
        return language != "en" and score >= MIN_LANGUAGE_SCORE

    pages = list(annotated_pages(data))
    main_texts = chosen((main for main, _ in pages), is_english)
    clean = {
        "main text of web articles": main_texts,
        "C4": chosen(c4(data), is_english),
        "Wikipedia, held out": chosen(articles(data, held_out=True), is_english),
    }
    other = {
        "boilerplate of web articles": chosen((rest for _, rest in pages), lambda text: True),
        "pages in other languages": chosen(crawled(data), is_foreign),
    }
    with tempfile.TemporaryDirectory() as folder:
        report = train_language_model(articles(data, held_out=False), folder, "en")
        size, lines, pieces = report["bytes"] / 1e6, report["lines"], report["vocabulary"]
        print(f"Trained on {size:.1f} MB in {lines:,} lines; {pieces:,} pieces.\n")
        models = (
            PerplexityModel(folder, "en"),
            PerplexityModel(data / "goldens" / "ccnet" / "models", "en"),
        )

    def perplexities(texts: list[str]) -> list[list[float]]:
        return [[p for text in texts if (p := model.perplexity(text)) is not None] for model in models]

    scored_other = {name: perplexities(texts) for name, texts in other.items()}
    print("| clean text | against | documents | median perplexity | AUC, this model | AUC, golden model |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, texts in clean.items():
        good = perplexities(texts)
        against = {
            "its words in another order": perplexities([shuffled(text) for text in texts]),
            **scored_other,
        }
        for kind, bad in against.items():
            areas = [
                f"{area_under_curve(b, g):.3f} ({low:.3f} to {high:.3f})"
                for g, b in zip(good, bad, strict=True)
                for low, high in [
                    area_interval(
                        b, g, [f"b{i}" for i in range(len(b))], [f"g{i}" for i in range(len(g))], SEED
                    )
                ]
            ]
            counts = f"{len(good[0])} / {len(bad[0])}"
            medians = f"{statistics.median(good[0]):.0f} / {statistics.median(bad[0]):.0f}"
            print(f"| {name} | {kind} | {counts} | {medians} | {areas[0]} | {areas[1]} |", flush=True)


if __name__ == "__main__":
    main()
