"""MinHash signatures: a set of 64-bit keys in, `permutations` minima of 32 bits out (Broder 1997).

Two sets agree in a value of their signatures with a probability of their Jaccard similarity, |A n B| / |A u B|. The
values are those of datasketch 2 (scheme `affine32`, seed 1, the lower 32 bits of each key as its hash), so that its
tools can read them; here a compiled loop finds them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

Signature = npt.NDArray[np.uint32]

SEED = 1  # datasketch's default
EMPTY = np.uint32(0xFFFFFFFF)  # datasketch's value of a set without members


@njit(cache=True)
def _minima(keys: npt.NDArray[np.uint64], multipliers: Signature, addends: Signature) -> Signature:
    """min over keys of fmix32(key) * multiplier + addend mod 2**32, for each permutation."""
    minima = np.full(len(multipliers), EMPTY)
    for position in range(len(keys)):
        mixed = np.uint32(keys[position])  # MurmurHash3's 32-bit finaliser
        mixed = np.uint32((mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        mixed = np.uint32((mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        mixed = np.uint32(mixed ^ (mixed >> np.uint32(16)))
        for index in range(len(multipliers)):
            value = np.uint32(np.uint32(mixed * multipliers[index]) + addends[index])
            minima[index] = min(minima[index], value)
    return minima


@cache
def _permutations(count: int) -> tuple[Signature, Signature]:
    """Multipliers and addends as datasketch draws them."""
    from datasketch import MinHash  # half a second, only for those who need it

    multipliers, addends = MinHash(num_perm=count, seed=SEED, scheme="affine32").permutations
    return np.ascontiguousarray(multipliers), np.ascontiguousarray(addends)


def minhash(keys: npt.NDArray[np.uint64], permutations: int) -> Signature:
    """uint32[permutations] of a set of keys; repeats change nothing, and no key at all gives `EMPTY` everywhere."""
    return _minima(keys, *_permutations(permutations))
