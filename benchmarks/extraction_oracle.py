"""Is the compiled extractor the same as the plain one? Every page of a folder of WARC files, through both.

    python benchmarks/extraction_oracle.py ../shared/data/commoncrawl/repacked --processes 2

The plain one is the same source run by Python itself (`NUMBA_DISABLE_JIT=1`), about 0.1 s a page. Prints how many pages
were compared and which differ in text, title, language, date, address, number of blocks or fallback.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from stages.extraction.extract import Extractor
from stages.extraction.weights import PROFILES, load_weights
from stages.html_text import UnreadablePageError, decode_page
from stages.warc import WarcRecord, read_records


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """(place, page) of each HTTP answer that can be decoded."""
    for path in sorted(folder.rglob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in read_records(stream, path.name):
                if isinstance(record, WarcRecord) and record.type == "response":
                    try:
                        html, _ = decode_page(record.block.partition(b"\r\n\r\n")[2], None)
                    except UnreadablePageError:
                        continue
                    yield f"{path.name}@{record.offset}", html


def digests(folder: Path, share: int, shares: int) -> Iterator[str]:
    """A line a page: place and digest of all that the extractors of both profiles say of it."""
    extractors = [Extractor(load_weights(profile)) for profile in PROFILES]
    for number, (place, html) in enumerate(pages(folder)):
        if number % shares == share:
            said = repr([extractor.extract(html) for extractor in extractors])
            yield f"{place} {hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()}"


def all_digests(folder: Path, processes: int, plain: bool) -> list[str]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"} if plain else dict(os.environ)
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), "--processes", str(processes), "--share", str(share)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in range(processes)
    ]
    lines: list[str] = []
    for process in started:
        said, _ = process.communicate()
        if process.returncode:
            raise ValueError("an extractor failed; its error is above")
        lines += said.splitlines()
    return sorted(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.share is not None:
        warnings.simplefilter("ignore", RuntimeWarning)  # hashes overflow on purpose
        for line in digests(given.folder, given.share, given.processes):
            print(line)
        return
    compiled = all_digests(given.folder, given.processes, plain=False)
    plain = all_digests(given.folder, given.processes, plain=True)
    different = sorted(set(compiled) ^ set(plain))
    print(f"{len(compiled):,} pages compared, {len(different) // 2:,} differ")
    print("\n".join(different))
    sys.exit(1 if different or not compiled else 0)


if __name__ == "__main__":
    main()
