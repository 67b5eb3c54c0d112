"""The main-content extractor on mutated and hostile pages: no crash, no hang, time linear in the page, valid text.

    python benchmarks/extraction_hostile.py --mutated 20000 [--seed 7] [--pages DIR_OR_WARC...]

Mutates pages (byte flips, cuts, copied and moved pieces, markup dropped in), and runs the shapes of `HOSTILE` at two
sizes. Prints counts, the slowest page per MB, and the ratio of the times at both sizes; fails (exit 1) on an invalid
text, on more than `MAX_SECONDS_PER_MB`, and on a shape whose time grows with more than `MAX_GROWTH` times its size.
Without --pages a page of its own is mutated.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from stages.extraction.extract import Extraction, Extractor  # noqa: E402
from stages.extraction.weights import load_weights  # noqa: E402
from stages.html_text import UnreadablePageError, decode_page  # noqa: E402
from stages.warc import WarcRecord, read_records  # noqa: E402

MAX_SECONDS_PER_MB = 0.25  # of a shape or of a mutated page, and never counted below 1 MB
MAX_GROWTH = (
    4.0  # time of ten times the bytes over ten times the time: caches raise it above 1, a square to 10
)

PAGE = (
    b"<!doctype html><html lang=en><head><title>A page &amp; more</title><meta property=og:title content='A page'>"
    b'<script type=\'application/ld+json\'>{"datePublished": "2020-01-02"}</script><style>p{color:red}</style></head>'
    b"<body class='home pageBody'><nav><ul><li><a href=/>Home</a><li><a href=/n>News</a></ul></nav><main><article>"
    b"<h1>A page</h1>"
    + b"<p>This is a <b>paragraph</b> of some words, with &nbsp; and caf&eacute;, long enough to be kept.</p>"
    * 12
    + b"<ul><li>One<li>Two<ul><li>Three</ul></ul><table><tr><th>a<th>b<tr><td>1<td>2</table><pre>\n x\n  y</pre>"
    b"</article></main><footer><p>&copy; 2020 <a href=x>Terms</a></footer><svg><path d='M0'/></svg></body></html>"
)

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "only <": lambda size: b"<" * size,
    "<b>": lambda size: b"<b>" * (size // 3),
    "<b>x": lambda size: b"<b>x" * (size // 4),
    "nested div": lambda size: b"<div>" * (size // 5),
    "nested div with text": lambda size: b"<div>word " * (size // 10),
    "nested ul li": lambda size: b"<ul><li>x" * (size // 9),
    "nested tables": lambda size: b"<table><tr><td>x" * (size // 16),
    "nested templates": lambda size: b"<template><p>x" * (size // 14),
    "nested svg": lambda size: b"<svg><g>x<p>" * (size // 12),
    "unmatched inline ends": lambda size: b"<b><div>" + b"<i>" * 2000 + b"</b></u>x" * (size // 9),
    "unmatched block ends": lambda size: b"<div><table><td>" + b"<p><i>" * 2000 + b"</div>x" * (size // 7),
    "custom tags": lambda size: b"".join(b"<x-%d>a" % n for n in range(size // 10)),
    "one attribute": lambda size: b"<div class='" + b"a " * (size // 2) + b"'>text",
    "one style": lambda size: b"<div style='" + b"d i s p l a y : " * (size // 16) + b"'>text",
    "attributes": lambda size: b"<div " + b"".join(b"a%d=1 " % n for n in range(size // 9)) + b">text",
    "class attributes": lambda size: b"<div " + b"class='ab cd ef' " * (size // 17) + b">text",
    "class words": lambda size: b"<p class='ab cd ef gh ij kl mn op'>x" * (size // 36),
    "unclosed quote": lambda size: b"<a href='" + b"x>" * (size // 2),
    "unclosed comment": lambda size: b"<!-- " + b"-- > <!--" * (size // 9),
    "declarations": lambda size: b"<!" * (size // 2),
    "processing instructions": lambda size: b"<?x" * (size // 3),
    "empty end tags": lambda size: b"</>" * (size // 3),
    "half end tags": lambda size: b"</" * (size // 2),
    "unclosed scripts": lambda size: b"<script>" * (size // 8),
    "escaped scripts": lambda size: b"<script><!--<script></script>" * (size // 29),
    "unclosed titles": lambda size: b"<title>x<textarea>y<iframe>z" * (size // 28),
    "ends that do not fit": lambda size: (
        b"<textarea>" + b"</textare</textare" * (size // 18) + b"</textarea>x"
    ),
    "JSON-LD": lambda size: (
        b'<script type="application/ld+json">' + b'"datePublished"' * (size // 15) + b"</script>x"
    ),
    "NUL": lambda size: b"<p>a\0b" + b"\0" * size,
    "broken UTF-8": lambda size: b"<p>" + bytes(range(128, 256)) * (size // 128),
    "references": lambda size: b"<p>" + b"&notit;&#x110000;&#0;&nbsp" * (size // 26),
    "ampersands": lambda size: b"<p>" + b"&" * size,
    "digits": lambda size: b"<p>&#" + b"1" * size,
    "line breaks": lambda size: b"<p>a" + b"<br>" * (size // 4),
    "words and breaks": lambda size: b"<p>" + b"a<br>" * (size // 5),
    "preformatted": lambda size: b"<pre>" + b"\n \n" * (size // 3),
    "preformatted in pieces": lambda size: b"<pre>" + b"\n<b> " * (size // 5) + b"x",
    "cells": lambda size: b"<table><tr>" + b"<td>1" * (size // 5),
    "rows": lambda size: b"<table>" + b"<tr><td>1<td>2" * (size // 14),
    "selects": lambda size: b"<select><option>x" * (size // 17),
    "open links": lambda size: b"<a href=x>y<p>" * (size // 14),
    "headings": lambda size: b"<h1><h2>x" * (size // 9),
    "one line": lambda size: b"word " * (size // 5),
    "same text": lambda size: b"<p>the same words here" * (size // 22),
    "Han": lambda size: "<p>漢字".encode() * (size // 9),
    "UTF-16": lambda size: "<p>wide ".encode("utf-16-le") * (size // 16),
}
_PIECES = (
    b"<", b">", b"</", b"<!--", b"-->", b"<!", b"<script>", b"</script>", b"<style>", b"<table>", b"<td>", b"</table>",
    b"<p>", b"</p>", b"<div>", b"</div>", b"<li>", b"</ul>", b"<svg>", b"<template>", b"<select>", b"<pre>", b"<br>",
    b'"', b"'", b"&", b"&#", b"&#x41;", b"&nbsp;", b"\0", b"\xff", b"\xe6\x97", b"=", b"/>", b"<a href=", b"</a>",
)  # fmt: skip


def mutated(page: bytes, source: random.Random) -> bytes:
    """The page with one to sixteen changes."""
    data = bytearray(page)
    for _ in range(source.randint(1, 16)):
        at = source.randrange(len(data) + 1)
        match source.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << source.randrange(8)
            case 1:
                del data[at : at + source.randrange(1, 2000)]
            case 2:
                start = source.randrange(len(data) + 1)
                data[at:at] = data[start : start + source.randrange(1, 2000)]
            case 3 if source.randrange(8) == 0:
                del data[at:]
            case 4:
                data[at:at] = source.choice(_PIECES) * source.choice((1, 1, 1, 50))
            case _:
                data[at:at] = source.choice(_PIECES)
    return bytes(data)


def fault(extraction: Extraction) -> str:
    """What is wrong with a result, or an empty string."""
    for text in (extraction.text, extraction.title, extraction.canonical_url or ""):
        try:
            text.encode()
        except UnicodeEncodeError:
            return "a lone surrogate"
        if "\0" in text or "\r" in text:
            return "a NUL or a carriage return"
    return ""


def pages_of(path: Path) -> Iterator[bytes]:
    """The HTML pages of a WARC file, or of all in a folder, as UTF-8."""
    for file in sorted(path.rglob("*.warc.gz")) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            for record in read_records(stream, str(file), 16 << 20):
                if isinstance(record, WarcRecord) and record.type == "response":
                    try:
                        yield decode_page(record.block.partition(b"\r\n\r\n")[2], None)[0].encode(
                            "utf-8", "replace"
                        )
                    except UnreadablePageError:
                        continue


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutated", type=int, default=20_000, help="number of mutated pages")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bytes", type=int, default=1 << 20, help="larger size of the hostile shapes")
    parser.add_argument(
        "--pages", type=Path, nargs="*", default=[], help="WARC files, or folders of them, to mutate"
    )
    arguments = parser.parse_args()
    extractor = Extractor(load_weights("article"))
    extractor.extract(PAGE)
    wrong: list[str] = []

    print(f"{'shape':28} {'ms per MB':>10} {'growth':>7}")
    for name, shape in HOSTILE.items():
        seconds = []
        for size in (arguments.bytes // 10, arguments.bytes):
            page = shape(size)
            best = float("inf")
            for _ in range(3):
                begin = time.process_time()
                found = fault(extractor.extract(page))
                best = min(best, time.process_time() - begin)
            if found:
                wrong.append(f"{name}: {found}")
            seconds.append(best)
        rate = seconds[1] / (arguments.bytes / 1e6)
        growth = seconds[1] / max(10 * seconds[0], 1e-3)
        print(f"{name:28} {1000 * rate:10.1f} {growth:7.2f}")
        if rate > MAX_SECONDS_PER_MB or growth > MAX_GROWTH:
            wrong.append(f"{name}: {rate:.3f} s per MB, growth {growth:.2f}")

    pages = [page for path in arguments.pages for page in pages_of(path)] or [PAGE]
    source = random.Random(arguments.seed)
    slowest, fallbacks = 0.0, 0
    begin_all = time.process_time()
    for number in range(arguments.mutated):
        page = mutated(source.choice(pages), source)
        begin = time.process_time()
        extraction = extractor.extract(page)
        rate = (time.process_time() - begin) / max(len(page) / 1e6, 1.0)
        slowest = max(slowest, rate)
        fallbacks += extraction.fallback != ""
        if found := fault(extraction):
            wrong.append(f"mutated page {number}: {found}")
        if rate > MAX_SECONDS_PER_MB:
            wrong.append(f"mutated page {number}: {rate:.3f} s per MB")
    print(
        f"{arguments.mutated} mutated pages of {len(pages)}: {time.process_time() - begin_all:.1f} s, slowest"
        f" {1000 * slowest:.1f} ms per MB, fallback on {fallbacks}, faults {len(wrong)}"
    )
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
