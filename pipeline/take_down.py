"""A take-down in the documents: lists to one table of keys, parts without what is listed.

1. `read_lists` makes the table of keys of all lists.
2. `find_documents` looks up the documents of one part and lists those that go, with their place, what they count for,
   and 16 bytes that stand for the beginning of their text. `join_texts` brings these together.
3. `take_down_part` writes the files of one input anew, or links those that hold nothing that goes. Of what steps
   removed (texts are kept for inspection) it erases the listed pages, and copies, letter for letter, of texts that go.

The shards follow in `pipeline.take_down_shards`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline import files
from pipeline.derived_run import carry, read_gone, write_gone
from pipeline.files import Written
from pipeline.parts import (
    DICTIONARIES,
    ZSTD_LEVEL,
    PartWriter,
    documents_of,
    read_documents,
)
from pipeline.take_down_lists import KeyTable, entries, keys_of
from pipeline.tasks import OUTSIDE, Result
from stages.document import REMOVED_SCHEMA

STEP, REASON = "take_down", "taken_down"
COPY = "copy"  # in place of a list: the row has the text of a document that goes


@dataclass(frozen=True)
class ReadLists:
    """kind -> path of its list."""

    lists: Mapping[str, str] = field(metadata=OUTSIDE)
    output: str


def read_lists(run: str, work: ReadLists) -> Result:
    """Writes the keys of all entries, ascending, and counts the lines."""
    digests, counts = bytearray(), {}
    for kind, path in work.lists.items():
        before = len(digests)
        lines = 0
        with files.open_binary(path) as stream:
            for _, _, key in entries(kind, stream, path):
                digests += key
                lines += 1
        counts[kind] = {
            "lines": lines,
            "entries": KeyTable.of(bytes(digests[before:])).keys.size,
        }
    table = KeyTable.of(bytes(digests))
    with files.create(files.join(run, work.output)) as target:
        target.write(table.keys.tobytes())
    return Result({work.output: target.written()}, {"lists": counts, "keys": table.keys.size})


def load_table(run: str, path: str) -> KeyTable:
    with files.open_binary(files.join(run, path)) as stream:
        return KeyTable.of(stream.read())


@dataclass(frozen=True)
class FindDocuments:
    """One part of a source's documents. `removed_characters`: how much of a text `removed/` keeps (None: all)."""

    base: str = field(metadata=OUTSIDE)
    source: str
    table: str
    path: str
    removed_characters: int | None
    gone: str


def find_documents(run: str, work: FindDocuments) -> Result:
    """Lists the documents that go."""
    old = files.join(work.base, work.path)
    rows = _listed(old, work.path, work.source, load_table(run, work.table))
    if rows:
        by_number = {row["row"]: row for row in rows}
        for number, document in enumerate(documents_of(old)):
            if number in by_number:
                by_number[number]["bytes"] = document.text_bytes
                by_number[number]["text"] = _text_key(document.text[: work.removed_characters])
    return Result({work.gone: write_gone(run, work.gone, rows)}, {"gone": len(rows)})


def _text_key(beginning: str) -> bytes | None:
    """Stands for a text as far as `removed/` keeps it; none for an empty one."""
    return xxhash.xxh3_128_digest(beginning.encode()) if beginning else None


@dataclass(frozen=True)
class JoinTexts:
    """The lists of the documents that go, of all sources."""

    gone: tuple[str, ...]
    output: str


def join_texts(run: str, work: JoinTexts) -> Result:
    """Writes what stands for the texts that go, ascending, 16 bytes each."""
    table = KeyTable.of(b"".join(row["text"] for row in read_gone(run, work.gone) if row["text"] is not None))
    with files.create(files.join(run, work.output)) as stream:
        stream.write(table.keys.tobytes())
    return Result({work.output: stream.written()}, {"texts": table.keys.size})


@dataclass(frozen=True)
class TakeDownPart:
    """The files of one input of a source: the part of its documents, of which `found` lists those that go, and what
    each step removed, of which listed pages and copies of the `texts` that go are erased."""

    base: str = field(metadata=OUTSIDE)
    source: str
    table: str
    texts: str
    found: str
    expected: Mapping[str, Written]
    gone: str


def take_down_part(run: str, work: TakeDownPart) -> Result:
    """The files without what goes; `gone` lists the rows that were erased of what steps removed."""
    table, texts = load_table(run, work.table), load_table(run, work.texts)
    documents = {row["row"] for row in read_gone(run, [work.found])}
    outputs: dict[str, Written] = {}
    erased: list[dict[str, Any]] = []
    for path, expected in work.expected.items():
        old = files.join(work.base, path)
        if path.startswith("documents/"):
            if documents:
                outputs.update(_part_without(run, work.source, old, path, documents))
                continue
        elif found := _listed(old, path, work.source, table, texts):
            outputs[path] = _removed_without(files.join(run, path), old, {row["row"] for row in found})
            erased += found
            continue
        outputs[path] = carry(work.base, run, path, expected)
    outputs[work.gone] = write_gone(run, work.gone, erased)
    return Result(outputs, {"documents": len(documents), "erased": len(erased)})


def _listed(
    old: str, path: str, source: str, table: KeyTable, texts: KeyTable | None = None
) -> list[dict[str, Any]]:
    """The rows of a file that a list names, or whose text is one of `texts`. Of documents the bytes are yet unknown."""
    is_part = path.startswith("documents/")
    columns = ["id", "url", "origin", "language"]
    columns += ["license", "metadata"] if is_part else ["bytes", "step", "reason"]
    columns += ["text"] if texts is not None else []
    listed, first = [], 0
    for batch in read_documents(old, columns):
        ids, urls = (batch[name].to_pylist() for name in ("id", "url"))
        sites = [_site(dict(m)) for m in batch["metadata"].to_pylist()] if is_part else [None] * len(ids)
        keys, owners = [], []
        for number, (id, url, site) in enumerate(zip(ids, urls, sites, strict=True)):
            for kind, key in keys_of(source, id, url, site):
                keys.append(key)
                owners.append((number, kind))
        places = table.places(keys)
        hits: dict[int, list[tuple[str, int]]] = {}
        for at in np.flatnonzero(places >= 0).tolist():
            number, kind = owners[at]
            hits.setdefault(number, []).append((kind, int(places[at])))
        if texts is not None:
            beginnings = [(n, _text_key(text)) for n, text in enumerate(batch["text"].to_pylist())]
            known = [(n, beginning) for n, beginning in beginnings if beginning is not None]
            for at in np.flatnonzero(texts.places([beginning for _, beginning in known]) >= 0).tolist():
                hits.setdefault(known[at][0], [])
        for number, entries_of in sorted(hits.items()):
            (row,) = batch.slice(number, 1).to_pylist()
            listed.append(
                {
                    "id": row["id"],
                    "path": path,
                    "row": first + number,
                    "step": STEP if is_part else row["step"],
                    "reason": REASON if is_part else row["reason"],
                    "bytes": 0 if is_part else row["bytes"],
                    "language": row["language"],
                    "license": row.get("license"),
                    "domain": sites[number],
                    "file": row["origin"]["file"],
                    "lists": sorted({kind for kind, _ in entries_of}) or [COPY],
                    "keys": sorted({place for _, place in entries_of}),
                    "text": None,
                }
            )
        first += batch.num_rows
    return listed


def _site(metadata: Mapping[str, str]) -> str | None:
    """What the part's statistics count a document under (`PartWriter`)."""
    return metadata.get("domain") or metadata.get("site")


def _part_without(run: str, source: str, old: str, path: str, gone: set[int]) -> dict[str, Written]:
    """Writes a part without these rows."""
    folder, _, name = path.rpartition("/")
    writer = PartWriter(run, source, folder, name.removesuffix(".parquet"), None)
    try:
        for number, document in enumerate(documents_of(old)):
            if number not in gone:
                writer.keep(document, document.text_bytes)
        return writer.close()
    except BaseException as error:
        writer.abandon(error)
        raise


def _removed_without(new: str, old: str, rows: set[int]) -> Written:
    """Writes what a step removed without these rows, row group by row group."""
    first = 0
    with (
        files.create(new) as stream,
        pq.ParquetWriter(
            pa.PythonFile(stream, mode="w"),
            REMOVED_SCHEMA,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=DICTIONARIES,
        ) as writer,
    ):
        for batch in read_documents(old):
            kept = [n for n in range(batch.num_rows) if first + n not in rows]
            first += batch.num_rows
            if kept:
                columns = batch.take(pa.array(kept)).select(REMOVED_SCHEMA.names).columns
                writer.write_table(
                    pa.table(
                        [c.cast(f.type) for c, f in zip(columns, REMOVED_SCHEMA, strict=True)], REMOVED_SCHEMA
                    )
                )
    return stream.written()
