"""C4: JSON lines with text, url and timestamp, plain or gzip, as published by AllenAI; one outcome a line.

Source: Raffel et al. 2020, section 2.2; file layout of allenai/c4 (c4-train.00000-of-01024.json.gz).
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
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

_WARC = b"WARC/"
_ZSTD = (b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18")  # a frame, and the dictionary that a .warc.zst begins with


@dataclass(frozen=True)
class C4:
    """Reads C4's JSON lines. Reasons: `damaged_record`, `record_too_large`, `no_text`.

    A row has no id of its own, so its id is the SHA-1 (hex) of url, newline, timestamp, which name one version of one
    page (C4 keeps one page a URL) and do not change when rows are put in other files or another order. Offset and
    length of the origin are those of the line in the uncompressed file.
    """

    max_line_bytes: int = 16 << 20  # C4 has no page over 190,000 characters, of up to 12 bytes each (escapes)

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
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
        created=created.replace(microsecond=0),
        metadata={"domain": host} if host else {},
    )
    return document if text.strip() else Rejected(document, "no_text")
