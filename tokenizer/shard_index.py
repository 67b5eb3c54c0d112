"""The index of a source's shards, `index.json` beside them: what a reader needs before it opens one.

It names the tokenizer and, split by split, each shard with its size and what its record batches hold: tokens,
documents, bytes of the file, and a checksum that stands for all of them. A loader therefore starts without opening a
shard, a shard that was cut, exchanged or taken from another run is refused when it is touched, and the SHA-256 of the
index stands for every token.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xxhash

from tokenizer.order import SPLITS
from tokenizer.shards import FORMAT_VERSION, ShardMetadata, TokenizerIdentity, one_line, shard_name

INDEX_NAME = "index.json"
CHECKSUMS = re.compile("[0-9a-f]{16}(?: [0-9a-f]{16})*")
MAX_INDEX_BYTES = 1 << 30  # of the index of 200 TB; more is no index


@dataclass(frozen=True, slots=True)
class BatchEntries:
    """What the record batches of a shard hold, in order, and where the file has them.

    `bytes` of the file are one record batch's after the other's, the first one's with the header of the file; behind
    them is the footer. `checksums` are those of the frames, and one more of the footer.
    """

    tokens: tuple[int, ...]
    documents: tuple[int, ...]
    bytes: tuple[int, ...]
    checksums: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard in the index."""

    name: str
    bytes: int
    batches: BatchEntries

    @property
    def tokens(self) -> int:
        return sum(self.batches.tokens)

    @property
    def documents(self) -> int:
        return sum(self.batches.documents)


@dataclass(frozen=True)
class ShardIndex:
    """The shards of one source, by split and in order."""

    source: str
    tokenizer: TokenizerIdentity
    splits: Mapping[str, tuple[ShardEntry, ...]]

    def metadata(self, split: str) -> ShardMetadata:
        """What every shard of the split must say of itself."""
        return ShardMetadata(self.tokenizer, self.source, split)

    def encoded(self) -> bytes:
        """The content of `index.json`; the same index gives the same bytes."""
        content = {
            "format_version": FORMAT_VERSION,
            "source": self.source,
            "tokenizer": {
                "sha256": self.tokenizer.sha256,
                "vocabulary_size": self.tokenizer.vocabulary_size,
                "bos_id": self.tokenizer.bos_id,
                "eos_id": self.tokenizer.eos_id,
            },
            "splits": {
                split: [
                    {
                        "name": shard.name,
                        "bytes": shard.bytes,
                        "tokens": shard.tokens,
                        "documents": shard.documents,
                        "batch_tokens": shard.batches.tokens,
                        "batch_documents": shard.batches.documents,
                        "batch_bytes": shard.batches.bytes,
                        "checksums": shard.batches.checksums,
                    }
                    for shard in self.splits.get(split, ())
                ]
                for split in SPLITS
            },
        }
        return (json.dumps(content, separators=(",", ":")) + "\n").encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the index in hexadecimal: another one when any token or any shard is another."""
        return hashlib.sha256(self.encoded()).hexdigest()


def read_index(folder: Path) -> ShardIndex:
    """The index of the shards in a source's folder; ValueError when it is missing, damaged or of another version."""
    path = folder / INDEX_NAME
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise ValueError(
                f"{path}: over {MAX_INDEX_BYTES} bytes, no index of shards: build the shards again"
            )
        content = json.loads(path.read_bytes())
        version = content.get("format_version")
    except FileNotFoundError as error:
        raise ValueError(
            f"{path}: missing: run the pipeline up to its shards, or copy the index too"
        ) from error
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: damaged ({one_line(error)}): copy it or build the shards again") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path}: token shard format {version!r}, this version reads {FORMAT_VERSION!r}: build the shards again"
        )
    try:
        return _parsed(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: damaged ({one_line(error)}): copy it or build the shards again") from error


def _parsed(content: Mapping[str, object]) -> ShardIndex:
    tokenizer, splits, source = content["tokenizer"], content["splits"], content["source"]
    if not (isinstance(tokenizer, dict) and isinstance(splits, dict) and isinstance(source, str)):
        raise ValueError("sections of another kind")
    identity = TokenizerIdentity(
        str(tokenizer["sha256"]), *(int(tokenizer[name]) for name in ("vocabulary_size", "bos_id", "eos_id"))
    )
    return ShardIndex(
        source,
        identity,
        {
            split: tuple(
                _entry(shard_name(split, n, len(splits[split])), s) for n, s in enumerate(splits[split])
            )
            for split in SPLITS
        },
    )


def _entry(name: str, shard: Mapping[str, object]) -> ShardEntry:
    """ValueError when the numbers of a shard do not fit together."""
    checksums = shard["checksums"]
    if shard["name"] != name:
        raise ValueError(f"{shard['name']!r} where {name} belongs")
    tokens, documents, sizes = (
        _counts(shard[f"batch_{what}"], f"batch_{what} of {name}")
        for what in ("tokens", "documents", "bytes")
    )
    if not isinstance(checksums, list) or not CHECKSUMS.fullmatch(" ".join(checksums)):
        raise ValueError(f"checksums of {name}")
    size = shard["bytes"]
    entry = ShardEntry(
        name,
        size if isinstance(size, int) else -1,
        BatchEntries(tokens, documents, sizes, tuple(checksums)),
    )
    if not (
        entry.bytes >= sum(sizes)
        and len(tokens) == len(documents) == len(sizes) == len(checksums) - 1
        and (entry.tokens, entry.documents) == (shard["tokens"], shard["documents"])
    ):
        raise ValueError(f"numbers of {name}")
    return entry


def _counts(values: object, where: str) -> tuple[int, ...]:
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise ValueError(where)
    if values and not 0 <= min(values) <= max(values) < 1 << 31:
        raise ValueError(where)
    return tuple(values)


def check_files(folder: Path, index: ShardIndex) -> None:
    """ValueError when a shard of the index is missing or has another size, or a shard lies there that is not in it.

    Only shards without documents are opened: nothing is ever read of them, so this is where damage is found.
    """
    expected = {shard.name: shard.bytes for split in SPLITS for shard in index.splits.get(split, ())}
    with os.scandir(folder) as listed:
        found = {file.name: file.stat().st_size for file in listed if file.name.endswith(".arrow")}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise ValueError(f"{folder / name}: missing: copy it again or build the shards again")
        if name not in expected:
            raise ValueError(f"{folder / name}: not in {INDEX_NAME}, left from another run: delete it")
        if found[name] != expected[name]:
            raise ValueError(
                f"{folder / name}: {found[name]} bytes, {expected[name]} in {INDEX_NAME}: "
                "truncated or exchanged, copy it again or build the shards again"
            )
    for split in SPLITS:
        for shard in index.splits.get(split, ()):
            check_without_documents(folder, shard)


def check_without_documents(folder: Path, entry: ShardEntry) -> None:
    """ValueError when a shard without record batches is not that of its entry: then all of its file is footer."""
    if entry.batches.bytes:
        return
    with (folder / entry.name).open("rb") as stream:
        found = hashlib.file_digest(stream, xxhash.xxh3_64).hexdigest()
    if found != entry.batches.checksums[-1]:
        raise ValueError(
            f"{folder / entry.name}: not that of {INDEX_NAME}: copy it again or build the shards again"
        )
