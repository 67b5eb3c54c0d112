"""C4: JSON lines with text, url and timestamp, plain or gzip, as published by AllenAI; one outcome a line.

Source: Raffel et al. 2020, section 2.2; file layout of allenai/c4 (c4-train.00000-of-01024.json.gz), which is given
under ODC-BY (the pages belong to their authors).
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import PurePath
from typing import BinaryIO
from urllib.parse import urlsplit

from isal import igzip

from stages.document import Document, Origin, Rejected
from stages.html_text import clean_text
from stages.warc_bytes import GZIP_MAGIC, ISAL_ERROR

LICENSE = "ODC-By-1.0"  # SPDX; allenai/c4's own statement, of the collection
_SHARD = re.compile(r"(c4-[\w.-]+?)\.(\d{5})-of-(\d{5})\.json(?:\.gz)?$")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?")  # `T` and `Z` as published
_WARC = b"WARC/"
_ZSTD = (b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18")  # a frame, and the dictionary that a .warc.zst begins with


def missing_shards(names: Iterable[str]) -> list[str]:
    """One line for each set of shards that is not given whole, of how many are missing and which is the first of them.

    A part of C4 is a fair sample, as its rows were shuffled before they were cut; so this is a warning and no error.
    Names that are not those of shards count for nothing.
    """
    given: dict[tuple[str, str, str], set[int]] = {}
    for name in names:
        if shard := _SHARD.search(name):
            prefix = name[: shard.start()]
            given.setdefault((prefix, shard[1], shard[3]), set()).add(int(shard[2]))
    lines = []
    for (prefix, base, total), numbers in sorted(given.items()):
        count = int(total)
        if missing := count - len([n for n in numbers if n < count]):
            first = next(n for n in range(count) if n not in numbers)
            lines.append(
                f"{prefix}{base}: {missing} of {count} shards are not among the inputs "
                f"({base}.{first:05d}-of-{total}.json.gz for one)"
            )
    return lines


@dataclass(frozen=True)
class C4:
    """Reads C4's JSON lines. Reasons: `damaged_record`, `record_too_large`, `no_text`.

    A row has no id of its own, so its id is the SHA-1 (hex) of url, newline, timestamp, which name one version of one
    page (C4 keeps one page a URL) and do not change when rows are put in other files or another order. Offset and
    length of the origin are those of the line in the uncompressed file. The URL is as published, the licence that of
    the collection. Raises ValueError for a file that is no C4, is cut short or damaged, or is called as a shard that
    its own count of shards does not have.
    """

    max_line_bytes: int = 16 << 20  # C4 has no page over 190,000 characters, of up to 12 bytes each (escapes)

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        shard = _SHARD.search(origin)
        if shard and int(shard[2]) >= int(shard[3]):
            raise ValueError(
                f"{origin}: shard {shard[2]} of a set that ends before {shard[3]}; give it its published name"
            )
        stream.seek(0)
        magic = stream.read(4)
        stream.seek(0)
        if not magic:
            raise ValueError(f"{origin}: the file is empty; download it again")
        if magic in _ZSTD:
            raise ValueError(
                f"{origin}: packed by zstd, and C4 comes plain or gzip; unpack it, or set sources.c4.variant: crawl "
                "if it is a WARC file"
            )
        lines = stream
        if magic.startswith(GZIP_MAGIC):
            lines = io.BufferedReader(igzip.IGzipFile(fileobj=stream))  # type: ignore[no-untyped-call]
        offset = 0
        try:
            while line := lines.readline(self.max_line_bytes + 1):
                if not offset and line.startswith(_WARC):
                    raise ValueError(
                        f"{origin}: WARC or WET records and no JSON lines; set sources.c4.variant: crawl"
                    )
                length = len(line)
                too_large = length > self.max_line_bytes
                while too_large and line and not line.endswith(b"\n"):
                    line = lines.readline(1 << 20)
                    length += len(line)
                where = Origin(origin, offset, length)
                offset += length
                known = Document(f"{PurePath(origin).name}@{where.offset}", "c4", "", where)
                if too_large:
                    yield Rejected(known, "record_too_large", detail=f"a line of {length} bytes")
                else:
                    yield _row(line, known)
        except (EOFError, OSError, zlib.error, ISAL_ERROR) as error:
            raise ValueError(
                f"{origin}: damaged after {offset} bytes of text ({error}); download it again"
            ) from None


def _row(line: bytes, known: Document) -> Document | Rejected:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Rejected(known, "damaged_record", detail=f"no JSON: {error}")
    if not isinstance(row, dict):
        return Rejected(known, "damaged_record", detail="no JSON object")
    text, url, timestamp = row.get("text"), row.get("url"), row.get("timestamp")
    if not (isinstance(text, str) and isinstance(url, str) and url and isinstance(timestamp, str)):
        return Rejected(known, "damaged_record", detail="text, url or timestamp is missing or no string")
    try:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise ValueError("no date and time")
        created = datetime.fromisoformat(timestamp)
        created = created.replace(tzinfo=UTC) if created.tzinfo is None else created.astimezone(UTC)
    except (ValueError, OverflowError):
        return Rejected(known, "damaged_record", detail=f"timestamp is {timestamp[:40]!r}")
    url, text = clean_text(url), clean_text(text)
    try:
        host = urlsplit(url).hostname
    except ValueError:  # a broken IPv6 address
        host = None
    document = Document(
        sha1(f"{url}\n{clean_text(timestamp)}".encode()).hexdigest(),
        "c4",
        text,
        known.origin,
        url,
        license=LICENSE,
        created=created,
        metadata={"domain": host} if host else {},
    )
    return document if text.strip() else Rejected(document, "no_text")
