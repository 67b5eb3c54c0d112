"""Where a document goes: its split, its place in the global shuffle and its shard, by hashes of its name.

Nothing here depends on how many documents there are, in which order they come or how many workers there are.
The hash is xxh3_64 over a purpose, the source and the id, so the three uses are independent of one another.
"""

from __future__ import annotations

import xxhash

SPLITS = ("train", "validation")


def keyed_hash(purpose: str, seed: int, source: str, id: str) -> int:
    """A 64-bit hash of a document for one purpose; `seed` is 0 to 2^64 - 1."""
    return xxhash.xxh3_64_intdigest("\0".join((purpose, source, id)).encode("utf-8"), seed)


def split_of(source: str, id: str, validation_fraction: float) -> str:
    """The split of a document, "train" or "validation": for ever the same, whatever the seed of the run.

    A larger `validation_fraction` (0 <= fraction < 1) only adds documents to validation.
    """
    if not 0.0 <= validation_fraction < 1.0:
        raise ValueError(
            f"validation fraction {validation_fraction}: must be at least 0 and below 1, 0.001 for example"
        )
    return (
        "validation" if keyed_hash("split", 0, source, id) < int(validation_fraction * 2.0**64) else "train"
    )


def shuffle_key(seed: int, source: str, id: str) -> int:
    """The 64-bit key of a document in the global shuffle of a source; documents are ordered by (key, id)."""
    return keyed_hash("shuffle", seed, source, id)


def shard_of(key: int, shards: int) -> int:
    """The shard of a shuffle key: shard n of N holds the n-th of N equal ranges of keys.

    So the shards one after the other are in key order, and hold the same sequence for every N.
    """
    return key * shards >> 64
