"""Small folders of shards for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, TokenizerIdentity, shard_name

TOKENIZER = TokenizerIdentity("ab" * 32, 300, 1, 2)
METADATA = ShardMetadata(TOKENIZER, "books", "train")
DOCUMENTS = [[1, 10, 11, 2], [1, 2], [1, 20, 21, 22, 23, 2], [1, 30, 2], [1, 40, 41, 2]]
FLAT = [token for document in DOCUMENTS for token in document]
Documents = list[list[int]]


def batch(documents: Documents, first: int = 0, part: int = 7) -> pa.RecordBatch:
    numbers = range(first, first + len(documents))
    tokens = [np.array(document, np.uint16) for document in documents]
    return token_batch(tokens, [f"d{n}" for n in numbers], [part] * len(tokens), list(numbers), 300)


def write(path: Path, documents: Documents, first: int = 0, metadata: ShardMetadata = METADATA) -> ShardEntry:
    with path.open("wb") as stream:
        batches = write_shard(stream, [batch(documents, first)], metadata)
    return ShardEntry(path.name, path.stat().st_size, batches)


def make_folder(
    folder: Path, train: Sequence[Documents], validation: Sequence[Documents] = ((),), source: str = "books"
) -> ShardIndex:
    """Writes the shards of a source, documents numbered d0, d1, ... through all of them, and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    splits, number = {}, 0
    for split, shards in (("train", train), ("validation", validation)):
        entries = []
        for n, documents in enumerate(shards):
            path = folder / shard_name(split, n, len(shards))
            entries.append(write(path, list(documents), number, ShardMetadata(TOKENIZER, source, split)))
            number += len(documents)
        splits[split] = tuple(entries)
    index = ShardIndex(source, TOKENIZER, splits)
    (folder / INDEX_NAME).write_bytes(index.encoded())
    return index
