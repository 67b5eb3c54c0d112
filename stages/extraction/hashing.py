"""Hash tables of names for compiled code: FNV-1a hashes of lower-case ASCII names, found by linear probing.

A table is two arrays, the hashes (0 is an empty slot) and their values. The hash is FNV-1a with 64 bits, of which
each step is one exclusive or and one multiplication (draft-eastlake-fnv, section 2 and 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

FIRST_HASH = np.uint64(0xCBF29CE484222325)  # FNV offset basis
PRIME = np.uint64(0x100000001B3)  # FNV prime
NOT_FOUND = -1

_MASK = 0xFFFFFFFFFFFFFFFF


def name_hash(name: str) -> int:
    """The hash of a name's UTF-8 bytes, as the scanner computes it over lower-case letters."""
    value = int(FIRST_HASH)
    for byte in name.encode():
        value = ((value ^ byte) * int(PRIME)) & _MASK
    return value


def hash_table(values: Mapping[str, int]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Hashes and values of a table at most one half full; values are 0 or more."""
    size = 16
    while size < 2 * len(values):
        size *= 2
    hashes = np.zeros(size, dtype=np.uint64)
    found = np.full(size, NOT_FOUND, dtype=np.int32)
    for name, value in values.items():
        hashed = name_hash(name)
        slot = hashed & (size - 1)
        while hashes[slot]:
            assert int(hashes[slot]) != hashed, f"{name} hashes like another name"
            slot = (slot + 1) & (size - 1)
        hashes[slot], found[slot] = hashed, value
    return hashes, found


@njit(cache=True)
def look_up(hashes: NDArray[np.uint64], values: NDArray[np.int32], hashed: np.uint64) -> int:
    """The value of a name by its hash, or NOT_FOUND."""
    mask = np.uint64(len(hashes) - 1)
    slot = hashed & mask
    while True:
        if hashes[slot] == hashed:
            return int(values[slot])
        if hashes[slot] == np.uint64(0):
            return NOT_FOUND
        slot = (slot + np.uint64(1)) & mask
