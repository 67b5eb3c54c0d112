"""How well language identification names the language, by four independent judges, and what 2,000 characters cost.

    python -m benchmarks.quality_language DATA

DATA is the folder of shared sample data. The judges: CLD2 (the language in the WET headers, the first of several), the
publisher (`lang` of the page's `<html>`), the C4 corpus (English), and the Wikipedias (each in its own language).
Crawled pages are those of at least 300 characters, as the pipeline asks. Printed as Markdown: accuracy, precision and
recall of English at 0.5, accuracy by language, and how often the first 2,000 characters give the verdict of the whole.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from classifiers.language_id import LanguageIdentifier, find_model
from stages.document import Document
from stages.length import KeepLength
from stages.sources.common_crawl import CommonCrawl
from stages.sources.wikipedia import Wikipedia
from stages.warc import WarcRecord, read_records
from stages.wikitext import CleanWikitext

MAX_RECORD_BYTES = 16 << 20
FIRST_CHARACTERS = 2000
MIN_SCORE = 0.5
# ISO 639-3 of the WET headers to the codes of lid.176 (ISO 639-1), for the languages of these pages.
_CODE_PAIRS = """
eng:en deu:de pol:pl zho:zh rus:ru ell:el spa:es fra:fr por:pt jpn:ja ita:it nld:nl nor:no hun:hu ces:cs swe:sv slk:sk
hin:hi ind:id dan:da ara:ar kor:ko fin:fi cat:ca bul:bg tha:th srp:sr lit:lt lat:la tur:tr ukr:uk ron:ro hrv:hr slv:sl
heb:he vie:vi
"""
CODES = dict(pair.split(":") for pair in _CODE_PAIRS.split())
_LANG = re.compile(rb"<html\b[^>]{0,500}?\s(?:xml:)?lang\s*=\s*[\"']?\s*([A-Za-z]{2,3})", re.IGNORECASE)
# The two written forms of Norwegian, which CLD2 and publishers call `no` too.
_SAME = {"nb": "no", "nn": "no"}


class Judged(NamedTuple):
    judge: str
    language: str
    text: str


def records(path: Path) -> Iterator[WarcRecord]:
    with path.open("rb") as stream:
        for record in read_records(stream, path.name, MAX_RECORD_BYTES):
            if isinstance(record, WarcRecord):
                yield record


def crawled(data: Path) -> Iterator[Judged]:
    """Pages of the WET files with CLD2's word for them, and again with the publisher's where the page has one."""
    long_enough = KeepLength(min_characters=300)
    for wet in sorted(data.glob("commoncrawl/repacked/*/wet/*.wet.gz")):
        warc = wet.parents[1] / "warc" / wet.name.replace(".warc.wet.gz", ".warc.gz")
        declared = {}
        for record in records(warc):
            found = _LANG.search(record.block, 0, 65536)
            if found:
                language = found[1].decode().lower()
                declared[record.headers["warc-record-id"]] = CODES.get(
                    language, _SAME.get(language, language)
                )
        headers = {
            r.headers["warc-record-id"].strip("<>").removeprefix("urn:uuid:"): r.headers for r in records(wet)
        }
        with wet.open("rb") as stream:
            for document in CommonCrawl().read(stream, wet.name):
                if not isinstance(document, Document) or not isinstance(long_enough(document), Document):
                    continue
                known = headers[document.id]
                first = known.get("warc-identified-content-language", "").partition(",")[0]
                if first in CODES:
                    yield Judged("CLD2 (WET header)", CODES[first], document.text)
                publisher = declared.get(known["warc-refers-to"])
                if publisher is not None:
                    yield Judged("publisher (html lang)", publisher, document.text)
                if publisher is not None and publisher == CODES.get(first):
                    yield Judged("publisher and CLD2 agree", publisher, document.text)


def c4(data: Path) -> Iterator[Judged]:
    for path in sorted(data.glob("c4/en/*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                yield Judged("C4", "en", json.loads(line)["text"])


def wikipedia(data: Path) -> Iterator[Judged]:
    """Articles of at least 300 characters, at most 100 of a dump."""
    long_enough, clean = KeepLength(min_characters=300), CleanWikitext()
    for path in sorted(data.glob("wikipedia/*.bz2")):
        taken = 0
        with path.open("rb") as stream:
            for page in Wikipedia().read(stream, path.name):
                cleaned = clean(page) if isinstance(page, Document) else page
                if isinstance(cleaned, Document) and isinstance(long_enough(cleaned), Document):
                    yield Judged("Wikipedia", cleaned.language or "", cleaned.text)
                    taken += 1
                    if taken == 100:
                        break


def ratio(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


Verdict = tuple[str, float]


def quality(name: str, truth: Iterable[str], verdicts: Iterable[Verdict]) -> str:
    pairs = [
        (language, _SAME.get(found, found), score)
        for language, (found, score) in zip(truth, verdicts, strict=True)
    ]
    right = sum(language == found for language, found, _ in pairs)
    english = [language == "en" for language, found, score in pairs if found == "en" and score >= MIN_SCORE]
    wanted = sum(language == "en" for language, _, _ in pairs)
    cells = (
        name,
        f"{len(pairs):,}",
        ratio(right, len(pairs)),
        ratio(sum(english), len(english)),
        ratio(sum(english), wanted),
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the shared sample data")
    data = parser.parse_args().data
    sets = [*crawled(data), *c4(data), *wikipedia(data)]
    judged: dict[int | None, list[Verdict]] = {}
    seconds: dict[int | None, float] = {}
    for limit in (None, FIRST_CHARACTERS):
        identifier = LanguageIdentifier(find_model(), limit)
        start = time.process_time()
        verdicts = [identifier.predict(page.text) for page in sets]
        seconds[limit] = time.process_time() - start
        judged[limit] = [(language, round(score, 2)) for language, score in verdicts]
    for limit, title in ((None, "whole text"), (FIRST_CHARACTERS, f"first {FIRST_CHARACTERS:,} characters")):
        print(f"\n{title}: {len(sets) / seconds[limit]:,.0f} texts a CPU second\n")
        print(
            "| judge | texts | accuracy | precision of en >= 0.5 | recall of en >= 0.5 |\n| --- "
            + "| ---: " * 4
            + "|"
        )
        for judge in dict.fromkeys(page.judge for page in sets):
            chosen = [i for i, page in enumerate(sets) if page.judge == judge]
            print(quality(judge, (sets[i].language for i in chosen), (judged[limit][i] for i in chosen)))
    pages = [i for i, page in enumerate(sets) if page.judge.startswith("CLD2")]
    labels = sum(judged[None][i][0] == judged[FIRST_CHARACTERS][i][0] for i in pages)

    def is_english(limit: int | None, index: int) -> bool:
        language, score = judged[limit][index]
        return language == "en" and score >= MIN_SCORE

    decisions = sum(is_english(None, i) == is_english(FIRST_CHARACTERS, i) for i in pages)
    print(
        f"\nThe label of the whole text on {ratio(labels, len(pages))} of the pages, its verdict on English on",
        end=" ",
    )
    print(ratio(decisions, len(pages)))
    print(
        "\n| language | texts | accuracy, whole | accuracy, first characters | most taken for |\n| --- "
        + "| ---: " * 3
        + "| --- |"
    )
    # Publishers alone are left out: themes say `en` on pages in any language.
    kept = [i for i, page in enumerate(sets) if page.judge != "publisher (html lang)"]
    counts = Counter(sets[i].language for i in kept)
    for language, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < 5:
            continue
        chosen = [i for i in kept if sets[i].language == language]
        right = [sum(_SAME.get(v[i][0], v[i][0]) == language for i in chosen) for v in judged.values()]
        wrong = Counter(
            judged[None][i][0]
            for i in chosen
            if _SAME.get(judged[None][i][0], judged[None][i][0]) != language
        )
        taken_for = ", ".join(f"{code} {n}" for code, n in wrong.most_common(3)) or "–"
        print(f"| {language} | {count} | {ratio(right[0], count)} | {ratio(right[1], count)} | {taken_for} |")


if __name__ == "__main__":
    main()
