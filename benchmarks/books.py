"""Books on one core: reading and cleaning, EPUBs, sketches, the measured overlap, and the whole search.

    python benchmarks/books.py --rounds 3

Each row is CPU time of this process over the shared books, beside the nearest thing that does less or the same:
decoding the bytes, lxml's text of the pages, datasketch's MinHash of the same 5-grams, Python's sets of 5-grams. The
EPUBs are made of the books before the clock starts, a page every 20,000 characters.
"""

from __future__ import annotations

import argparse
import html
import io
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from datasketch import MinHash
from lxml import etree
from result_table import ROOT, ResultTable

from stages.book_overlap import book_shingles, book_sketch, overlap_fraction, overlapping_books
from stages.book_text import CleanGutenberg
from stages.document import Document
from stages.sources.books import Books

SHARED_DATA = ROOT.parent / "shared" / "data"
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PAGE_CHARACTERS = 20_000
PEER_BOOKS = 6  # the peers are too slow for all of them


def read(contents: Sequence[bytes]) -> list[Document]:
    clean, found = CleanGutenberg(), []
    for content in contents:
        for book in Books().read(io.BytesIO(content), "book"):
            outcome = clean(book) if isinstance(book, Document) else book
            assert isinstance(outcome, Document)
            found.append(outcome)
    return found


def decode(contents: Sequence[bytes]) -> None:
    for content in contents:
        content.decode("utf-8", "replace").replace("\r\n", "\n")


def pages_of(text: str) -> list[str]:
    """XHTML pages of a text, a paragraph a blank line."""
    pages = []
    for start in range(0, len(text), PAGE_CHARACTERS):
        paragraphs = html.escape(text[start : start + PAGE_CHARACTERS]).split("\n\n")
        body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
        pages.append(f"<html><head><title/></head><body>{body}</body></html>")
    return pages


def epub(pages: Sequence[str]) -> bytes:
    stream = io.BytesIO()
    items = "".join(
        f'<item id="p{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(pages))
    )
    spine = "".join(f'<itemref idref="p{n}"/>' for n in range(len(pages)))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("book.opf", f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>")
        for number, page in enumerate(pages):
            archive.writestr(f"{number}.xhtml", page)
    return stream.getvalue()


def text_contents(archives: Sequence[bytes]) -> None:
    for content in archives:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".xhtml"):
                    root = etree.fromstring(archive.read(name), etree.HTMLParser(encoding="utf-8"))
                    "".join(map(str, root.itertext()))


def grams(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return list(zip(words, words[1:], words[2:], words[3:], words[4:], strict=False))


def datasketch_signatures(books: Sequence[Document]) -> None:
    for book in books:
        MinHash(num_perm=128).update_batch([" ".join(gram).encode() for gram in grams(book.text)])


def set_overlap(one: Document, other: Document) -> float:
    sets = [set(grams(book.text)) for book in (one, other)]
    return len(sets[0] & sets[1]) / min(map(len, sets))


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return median(taken)


def compare(data: Path, rounds: int) -> ResultTable:
    contents = [path.read_bytes() for path in sorted((data / "books").glob("*/*.txt"))]
    megabytes = sum(map(len, contents)) / 1e6
    books = read(contents)
    some = books[:PEER_BOOKS]
    some_megabytes = sum(book.text_bytes for book in some) / 1e6
    markup = [pages_of(book.text) for book in books]
    markup_megabytes = sum(len(page.encode()) for pages in markup for page in pages) / 1e6
    archives = [epub(pages) for pages in markup]
    one, other = (next(b for b in books if b.text.startswith(begin)) for begin in ("JANE EYRE", " Jane Eyre"))
    pair_megabytes = (one.text_bytes + other.text_bytes) / 1e6
    book_sketch(one)  # compiles
    sketches = [book_sketch(book) for book in books]

    def search() -> None:
        overlapping_books(sketches, lambda index: book_shingles(books[index].text), 0.9)

    rows = (
        (
            "read and clean, text",
            megabytes,
            lambda: read(contents),
            "decode only",
            megabytes,
            lambda: decode(contents),
        ),
        (
            "read and clean, EPUB (of markup)",
            markup_megabytes,
            lambda: read(archives),
            "unzip, lxml itertext",
            markup_megabytes,
            lambda: text_contents(archives),
        ),
        (
            "sketch",
            megabytes,
            lambda: [book_sketch(book) for book in books],
            f"datasketch, {PEER_BOOKS} books",
            some_megabytes,
            lambda: datasketch_signatures(some),
        ),
        (
            "overlap of two books",
            pair_megabytes,
            lambda: overlap_fraction(book_shingles(one.text), book_shingles(other.text)),
            "Python's sets",
            pair_megabytes,
            lambda: set_overlap(one, other),
        ),
    )
    table = ResultTable(
        f"Books, MB per CPU second (medians of {rounds} rounds, {len(books)} books, {megabytes:.1f} MB)",
        ("what", "MB/s", "compared with", "MB/s", "ratio"),
    )
    for what, size, work, peer, peer_size, peer_work in rows:
        ours, theirs = size / seconds(work, rounds), peer_size / seconds(peer_work, rounds)
        table.rows.append((what, ours, peer, theirs, ours / theirs))
    table.notes.append(
        f"candidates and measured overlaps of all {len(books)} books: {seconds(search, rounds):.2f} CPU s, "
        f"sketches {sum(sketch.index.nbytes for sketch in sketches) / 1e6:.2f} MB"
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    compare(given.data, given.rounds).show(given.json)


if __name__ == "__main__":
    main()
