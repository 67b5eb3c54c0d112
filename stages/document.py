"""Document and Rejected: the two values that every reader and every filter deals in, and their Arrow schemas.

A document is immutable; a change is a new document. Its identity is (source, id), where the id comes from the source
itself (WARC record id, page id, arXiv id, repository path and blob) and never from a counter, so that it is stable
over versions of the code and over the number of workers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SOURCES = ("commoncrawl", "c4", "github", "wikipedia", "books", "arxiv", "stackexchange")


_as_utf8 = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
_as_utf8.argtypes = (ctypes.py_object, ctypes.POINTER(ctypes.c_ssize_t))
_as_utf8.restype = ctypes.c_void_p


def _utf8_length(text: str) -> int:
    """Length in UTF-8. Python keeps the bytes with the string, so that hashing it and writing it are copies: a page is
    encoded once in a pass, and not four times."""
    size = ctypes.c_ssize_t()
    _as_utf8(text, ctypes.byref(size))
    return size.value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the raw bytes are: file, byte offset and byte length in that file (0, 0 when it is the whole file)."""

    file: str
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One text with where it came from and everything that was learned about it.

    `text` is valid Unicode without lone surrogates, line ends are `\\n`. `created` is in UTC, whole seconds.
    `license` is an SPDX identifier or None; None means unknown, which is not permissive.
    `scores` holds every number that a step computed, whether the document was kept for it or not.
    """

    id: str
    source: str
    text: str
    origin: Origin
    url: str | None = None
    title: str | None = None
    license: str | None = None
    created: datetime | None = None
    language: str | None = None
    language_score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def text_bytes(self) -> int:
        """Length of the text in UTF-8 bytes."""
        text = self.text
        return len(text) if text.isascii() else _utf8_length(text)

    def with_text(self, text: str) -> Document:
        return replace(self, text=text)

    def with_scores(self, **scores: float) -> Document:
        return replace(self, scores={**self.scores, **scores})

    def with_metadata(self, **metadata: str) -> Document:
        return replace(self, metadata={**self.metadata, **metadata})


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that a step does not let through, with the reason in snake case and the number that decided, if any.

    A reader that meets a damaged record rejects a document with what is known of it: an id, the origin, and an empty
    text when there is none. `detail` is one line for people (an error message, a file name).
    """

    document: Document
    reason: str
    score: float | None = None
    detail: str = ""


ORIGIN_TYPE = pa.struct([("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("title", pa.string()),
        pa.field("license", pa.string()),
        pa.field("created", pa.timestamp("s", tz="UTC")),
        pa.field("language", pa.string()),
        pa.field("language_score", pa.float32()),
        pa.field("origin", ORIGIN_TYPE, nullable=False),
        pa.field("scores", pa.map_(pa.string(), pa.float32()), nullable=False),
        pa.field("metadata", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)

REMOVED_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("score", pa.float32()),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("language", pa.string()),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("origin", ORIGIN_TYPE, nullable=False),
    ]
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = (
    "id",
    "source",
    "text",
    "url",
    "title",
    "license",
    "language",
    "language_score",
    "scores",
    "metadata",
)


def _origin(origin: Origin) -> dict[str, Any]:
    return {"file": origin.file, "offset": origin.offset, "length": origin.length}


def to_batch(documents: Iterable[Document]) -> pa.RecordBatch:
    """Documents as one RecordBatch of `SCHEMA`; map entries are sorted by key, so equal documents give equal bytes."""
    rows = list(documents)
    columns: dict[str, list[Any]] = {
        "id": [d.id for d in rows],
        "source": [d.source for d in rows],
        "text": [d.text for d in rows],
        "url": [d.url for d in rows],
        "title": [d.title for d in rows],
        "license": [d.license for d in rows],
        "created": [d.created for d in rows],
        "language": [d.language for d in rows],
        "language_score": [d.language_score for d in rows],
        "origin": [_origin(d.origin) for d in rows],
        "scores": [sorted(d.scores.items()) for d in rows],
        "metadata": [sorted(d.metadata.items()) for d in rows],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[f.name], type=f.type) for f in SCHEMA],
        schema=SCHEMA,
    )


def from_batch(batch: pa.RecordBatch | pa.Table) -> list[Document]:
    """The documents of a batch or table that has the columns of `SCHEMA`."""
    columns = {name: batch.column(name).to_pylist() for name in _PLAIN}
    places = (pc.struct_field(batch.column("origin"), [n]).to_pylist() for n in ("file", "offset", "length"))
    origins = [Origin(file, offset, length) for file, offset, length in zip(*places, strict=True)]
    # Parquet has no seconds: what was read holds milliseconds.
    seconds = batch.column("created").cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_pylist()
    created = [None if at is None else _EPOCH + timedelta(seconds=at) for at in seconds]
    return [
        Document(
            id, source, text, origin, url, title, license, at, language, score, dict(scores), dict(facts)
        )
        for id, source, text, origin, url, title, license, at, language, score, scores, facts in zip(
            *(columns[name] for name in ("id", "source", "text")),
            origins,
            *(columns[name] for name in ("url", "title", "license")),
            created,
            *(columns[name] for name in ("language", "language_score", "scores", "metadata")),
            strict=True,
        )
    ]


def removed_to_batch(
    rejections: Iterable[tuple[str, Rejected, int]],
) -> pa.RecordBatch:
    """(step, rejection, bytes of the whole text) as a RecordBatch of `REMOVED_SCHEMA`; texts as they are given."""
    rows = list(rejections)
    columns: dict[str, list[Any]] = {
        "id": [r.document.id for _, r, _ in rows],
        "source": [r.document.source for _, r, _ in rows],
        "step": [step for step, _, _ in rows],
        "reason": [r.reason for _, r, _ in rows],
        "score": [r.score for _, r, _ in rows],
        "detail": [r.detail for _, r, _ in rows],
        "url": [r.document.url for _, r, _ in rows],
        "language": [r.document.language for _, r, _ in rows],
        "bytes": [text_bytes for _, _, text_bytes in rows],
        "text": [r.document.text for _, r, _ in rows],
        "origin": [_origin(r.document.origin) for _, r, _ in rows],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[f.name], type=f.type) for f in REMOVED_SCHEMA],
        schema=REMOVED_SCHEMA,
    )
