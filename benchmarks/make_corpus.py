"""Makes crawl files of any size from a folder of WARC or WET files: copies whose records are all distinct.

    python benchmarks/make_corpus.py FOLDER TARGET --kind warc --copies 4

In each copy every record has an id of its own, and each page of a copy but the first has one line that no other page
has. The other lines repeat from copy to copy, as those of a page that is crawled again: to leave line deduplication
the same work in each copy, give it a window of as many files as one copy has (files are named so that the
windows are the copies). Responses get what Common Crawl's have and the samples may lack: the payload type that was
found, and the charset in the HTTP header where the page is valid UTF-8. Equal input gives equal records.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator
from warcio.recordloader import ArcWarcRecord
from warcio.warcwriter import WARCWriter

SUFFIXES = {"warc": (".warc.gz", ".warc"), "wet": (".warc.wet.gz", ".wet.gz")}
HTML = re.compile(r"text/html|application/xhtml\+xml", re.IGNORECASE)
BODY_END = re.compile(rb"</body\s*>", re.IGNORECASE)
RECOMPUTED = ("WARC-Payload-Digest", "WARC-Block-Digest", "Content-Length")


def make_corpus(folder: Path, target: Path, kind: str, copies: int, pages: int | None = None) -> list[Path]:
    """Writes `copies` copies of the files of a kind (`warc` or `wet`) under `folder`; their paths, in order.

    `pages` limits a copy to its first pages, all in one file. A target that is there is taken as it is.
    ValueError when the folder holds no file of that kind.
    """
    sources = [path for path in sorted(folder.rglob("*.gz")) if _is(kind, path)]
    if not sources:
        raise ValueError(f"{folder} holds no {' or '.join(SUFFIXES[kind])} file; name a folder with some")
    if pages is not None:
        sources = sources[:1]
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for copy in range(copies):
        for number, source in enumerate(sources):
            path = target / f"copy-{copy:03d}-{number:03d}{SUFFIXES[kind][0]}"
            if not path.is_file():
                unfinished = path.with_name(path.name + ".tmp")
                _write_copy(source, unfinished, copy, pages)
                unfinished.rename(path)
            written.append(path)
    return written


def _is(kind: str, path: Path) -> bool:
    is_wet = path.name.endswith(SUFFIXES["wet"])
    return is_wet if kind == "wet" else path.name.endswith(SUFFIXES["warc"]) and not is_wet


def _write_copy(source: Path, target: Path, copy: int, pages: int | None) -> None:
    with source.open("rb") as given, target.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for number, record in enumerate(_records(given, pages)):
            content = record.content_stream().read()
            identity = uuid.UUID(
                bytes=hashlib.sha256(f"{source.name} {copy} {number}".encode()).digest()[:16]
            )
            headers = record.rec_headers
            for name in RECOMPUTED:
                headers.remove_header(name)
            headers.replace_header("WARC-Record-ID", f"<urn:uuid:{identity}>")
            line = f"This page is {_word(identity.bytes)}.".encode() if copy else b""
            if record.rec_type == "response" and record.http_headers is not None:
                content = _changed_page(record, content, line)
            elif record.rec_type == "conversion" and line:
                content = content.rstrip(b"\n") + b"\n" + line + b"\n"
            changed = writer.create_warc_record(
                headers.get_header("WARC-Target-URI"),
                record.rec_type,
                payload=io.BytesIO(content),
                length=len(content),
                http_headers=record.http_headers,
                warc_headers=headers,
            )
            writer.write_record(changed)
            changed.raw_stream.close()


def _records(stream: io.BufferedReader, pages: int | None) -> Iterator[ArcWarcRecord]:
    """The records of a file as far as its first `pages` pages."""
    seen = 0
    for record in ArchiveIterator(stream):
        yield record
        seen += record.rec_type in ("response", "conversion")
        if pages is not None and seen >= pages:
            return


def _word(identity: bytes) -> str:
    """Sixteen letters: in the key of a line all digits are alike."""
    return "".join(chr(ord("a") + byte % 26) for byte in identity)


def _changed_page(record: ArcWarcRecord, page: bytes, line: bytes) -> bytes:
    """The page with the line at the end of its body, and HTTP headers that fit it (the page is decoded here)."""
    http = record.http_headers
    content_type = http.get_header("Content-Type") or ""
    if HTML.match(content_type):
        ends = list(BODY_END.finditer(page))
        at = ends[-1].start() if ends else len(page)
        page = page[:at] + (b"<p>" + line + b"</p>" if line else b"") + page[at:]
        if not record.rec_headers.get_header("WARC-Identified-Payload-Type"):
            record.rec_headers.add_header("WARC-Identified-Payload-Type", "text/html")
        if "charset" not in content_type.lower() and _is_utf8(page):
            http.replace_header("Content-Type", f"{content_type}; charset=UTF-8")
    for name in ("Transfer-Encoding", "Content-Encoding"):
        http.remove_header(name)
    http.replace_header("Content-Length", str(len(page)))
    return page


def _is_utf8(page: bytes) -> bool:
    try:
        page.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="folder with .warc.gz or .warc.wet.gz files, searched deeply"
    )
    parser.add_argument("target", type=Path, help="folder to write to; never inside the repository")
    parser.add_argument("--kind", choices=list(SUFFIXES), default="warc")
    parser.add_argument("--copies", type=int, default=1)
    given = parser.parse_args()
    written = make_corpus(given.folder, given.target, given.kind, given.copies)
    print(f"{len(written)} files, {sum(path.stat().st_size for path in written):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
