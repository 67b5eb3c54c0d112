"""The floor: crawl files to kept documents in one bare loop over the pipeline's kernels. Run by floor_commoncrawl.py.

One process, no Beam, no Document, no account, nothing of what is removed, no marker, no second reading: gzip members
inflated by isal with no thought of damage, all texts of a window in memory, one Parquet file of what stays. Steps,
order and thresholds are those of the recipe `llama1`, so the kept documents are the same. Language id is fastText's own
call, as in the loop of libraries that the target was set by, or the pipeline's (`--language-id own`), which is four
times as fast. Prints as JSON the CPU seconds of each step and the counts.
"""

from __future__ import annotations

import argparse
import json
import mmap
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from isal import isal_zlib

from classifiers.language_id import LanguageIdentifier, find_model
from classifiers.perplexity import PerplexityModel, read_cutoffs
from classifiers.references import ReferenceClassifier
from pipeline.recipes import LLAMA1
from stages.duplicate_lines import duplicated_lines, line_hashes
from stages.html_text import UnreadablePageError, clean_text, decode_page, page_text
from stages.language import KeepLanguage
from stages.length import KeepLength
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences

READ, TEXT, KEYS, SEARCH, DROP = "read", "text", "line keys", "duplicate search", "drop lines"
LANGUAGE, PERPLEXITY, REFERENCE, WRITE = "language id", "perplexity", "reference classifier", "write"
STEPS = (READ, TEXT, KEYS, SEARCH, DROP, LANGUAGE, PERPLEXITY, REFERENCE, WRITE)

INFLATE_BYTES = 64 << 10
ZSTD_LEVEL = 3
HEADER = re.compile(rb"^([A-Za-z-]+): *([^\r\n]*)", re.MULTILINE)
CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.IGNORECASE)

Step = TypeVar("Step")
Page = tuple[str, str, str]  # record id, URL, text
Row = tuple[str, str, str, float, float | None, float]  # and language score, perplexity, reference score


class Laps:
    """CPU seconds of this process by step: each lap ends where the next begins."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self._last = time.process_time()

    def end(self, step: str) -> None:
        now = time.process_time()
        self.seconds[step] += now - self._last
        self._last = now


def members(path: Path) -> Iterator[bytes]:
    """The gzip members of a file, inflated."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        at = 0
        while at < len(view):
            inflated, chunks = isal_zlib.decompressobj(31), []
            while at < len(view) and not inflated.eof:
                chunks.append(inflated.decompress(view[at : at + INFLATE_BYTES]))
                at = min(at + INFLATE_BYTES, len(view))
            at -= len(inflated.unused_data)
            yield chunks[0] if len(chunks) == 1 else b"".join(chunks)
        view.release()


def headers(block: bytes) -> dict[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in HEADER.findall(block)}


def pages(path: Path, laps: Laps) -> Iterator[Page]:
    for member in members(path):
        head, _, block = member.partition(b"\r\n\r\n")
        known = headers(head)
        block = block[: int(known.get("content-length", 0))]
        text = ""
        laps.end(READ)
        if known.get("warc-type") == "response":
            text = html_page(block)
        elif known.get("warc-type") == "conversion":
            text = wet_page(block)
        laps.end(TEXT)
        if text:
            identity = known["warc-record-id"].strip("<>").removeprefix("urn:uuid:")
            yield identity, known["warc-target-uri"], text


def html_page(block: bytes) -> str:
    """Text of an answer with status 200 and HTML; empty for any other."""
    head, _, page = block.partition(b"\r\n\r\n")
    content_type = headers(head).get("content-type", "")
    if b" 200 " not in head[:16] or not content_type.startswith("text/html"):
        return ""
    charset = CHARSET.search(content_type)
    try:
        html, _ = decode_page(page, charset[1] if charset else None)
        return page_text(html).text
    except UnreadablePageError:
        return ""


def wet_page(block: bytes) -> str:
    """Stripped lines of a WET record without the first, its title."""
    text = clean_text(block.decode("utf-8", "replace")).removesuffix("\n")
    return "\n".join([line.strip() for line in text.split("\n")][1:])


Identify = Callable[[str], tuple[str, float]]


def identify_by_fasttext(text: str) -> tuple[str, float]:
    """Language and score of a text that is not blank."""
    ((score, label),) = _fasttext_predict()(text.replace("\n", "") + "\n", 1, 0.0, "strict")
    return label.removeprefix("__label__"), min(1.0, score)


@lru_cache(maxsize=1)
def _fasttext_predict() -> Callable[[str, int, float, str], list[tuple[float, str]]]:
    predict: Callable[[str, int, float, str], list[tuple[float, str]]]
    predict = fasttext.load_model(find_model()).f.predict
    return predict


def curate(
    paths: Sequence[Path], lm: str, reference: str, window_files: int, out: Path, identify: Identify
) -> dict[str, object]:
    """Runs the loop; the kept documents stand in `out`."""
    recipe = {type(step): step for step in LLAMA1["commoncrawl"].steps}
    min_characters = _step(recipe, KeepLength).min_characters
    min_score, wanted = _step(recipe, KeepLanguage).min_score, "en"
    kept_buckets = _step(recipe, KeepPerplexity).keep
    min_probability = _step(recipe, KeepReferences).min_probability
    model, cutoffs = PerplexityModel(lm, wanted), read_cutoffs(lm, wanted)
    classifier = ReferenceClassifier(reference)
    rows: list[Row] = []
    laps, documents, lines = Laps(), 0, 0
    for first in range(0, len(paths), window_files):
        window: list[Page] = []
        keys = []
        for path in paths[first : first + window_files]:
            for page in pages(path, laps):
                documents += 1
                if len(page[2]) < min_characters:
                    continue
                window.append(page)
                keys.append(line_hashes(page[2]))
                laps.end(KEYS)
        counts = [len(found) for found in keys]
        owners = np.repeat(np.arange(len(keys), dtype=np.uint64), counts)
        stays = ~duplicated_lines(np.concatenate(keys), owners)
        lines += len(stays)
        laps.end(SEARCH)
        starts = np.cumsum([0, *counts])
        for number, (identity, url, text) in enumerate(window):
            mask = stays[starts[number] : starts[number + 1]]
            if not mask.all():
                text = "\n".join(compress(text.split("\n"), mask.tolist()))
            laps.end(DROP)
            if not text or text.isspace():
                continue
            language, raw = identify(text)
            score = round(raw, 2)
            laps.end(LANGUAGE)
            if language != wanted or score < min_score:
                continue
            exact = model.perplexity(text)
            perplexity = None if exact is None else round(exact, 1)
            laps.end(PERPLEXITY)
            if perplexity is not None:
                bucket = (
                    "head" if perplexity < cutoffs[0] else "middle" if perplexity < cutoffs[1] else "tail"
                )
                if bucket not in kept_buckets:
                    continue
            probability = classifier.score(text)
            laps.end(REFERENCE)
            if probability >= min_probability:
                rows.append((identity, url, text, score, perplexity, probability))
    names = ("id", "url", "text", "language_score", "perplexity", "reference")
    table = pa.table({name: [row[column] for row in rows] for column, name in enumerate(names)})
    pq.write_table(table, out, compression="zstd", compression_level=ZSTD_LEVEL)
    laps.end(WRITE)
    return {"seconds": laps.seconds, "documents": documents, "lines": lines, "kept": len(rows)}


def _step(recipe: dict[type, Any], kind: type[Step]) -> Step:
    step: Step = recipe[kind]
    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--lm", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--window-files", type=int, required=True)
    parser.add_argument("--language-id", choices=("fasttext", "own"), default="fasttext")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    own = given.language_id == "own"
    identify = LanguageIdentifier(find_model()).predict if own else identify_by_fasttext
    found = curate(given.files, given.lm, given.reference, given.window_files, given.out, identify)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
