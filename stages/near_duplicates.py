"""Near-duplicate documents by MinHash bands: texts to band keys, keys to edges, edges to clusters, all pure.

A signature is cut into `bands` of `rows` values and each band is hashed to one 64-bit key, so that documents with a
key in common agree in a whole band. Sorting keys finds them, range of keys by range of keys: no index is held in
memory. The edges of all ranges are joined into clusters, of which one document stays. A document has a number,
(part << 32) | number in the part, so that the smallest is the first in the order of the inputs.

Source: FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4): word 5-grams, 112 hashes in 14 bands of 8, one
document kept of those that are linked directly or through others; here that is the first in the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.minhash import EMPTY, Signature, minhash
from stages.shingles import Keys, mixed, shingle_keys

Numbers = npt.NDArray[np.uint64]

BANDS, ROWS = 14, 8  # FineWeb
EDGES_AT_ONCE = 4_000_000  # ours: 64 MB


def signature(text: str, permutations: int = BANDS * ROWS) -> Signature:
    """MinHash of a text's word 5-grams, uint32[permutations]."""
    return minhash(shingle_keys(text), permutations)


@njit(cache=True)
def _band_keys(values: Signature, bands: int, rows: int) -> Keys:
    keys = np.empty(bands, dtype=np.uint64)
    for band in range(bands):
        key = mixed(np.uint64(band + 1))
        for row in range(rows):
            key = mixed(key ^ np.uint64(values[band * rows + row]))
        keys[band] = key
    return keys


def band_keys(values: Signature, bands: int = BANDS, rows: int = ROWS) -> Keys:
    """One 64-bit key for each band of a signature: uint64[bands], or uint64[0] for a text without words.

    The key is k = fmix64(band + 1), then k = fmix64(k ^ value) for each value of the band (fmix64: MurmurHash3's
    finaliser), so that keys of bands of different number never meet but by chance. Among n documents about
    (n * bands)**2 / 2**65 pairs meet by chance alone: 5 for a billion documents at 14 bands.
    """
    if bands < 1 or rows < 1 or bands * rows > len(values):
        raise ValueError(
            f"{bands} bands of {rows} rows do not fit {len(values)} hashes: bands x rows may be at most that many"
        )
    if np.all(values == EMPTY):
        return np.zeros(0, dtype=np.uint64)
    return _band_keys(values, bands, rows)


def edges(keys: Keys, documents: Numbers) -> Numbers:
    """Links each document that shares a key with the smallest number among the documents of that key.

    `keys` and `documents` are one band key each with the number of its document, in any order; all keys of a range must
    be there. The result is uint64[n, 2] of (smaller, larger), sorted and without repeats: k documents with one key give
    k - 1 edges. Working memory is about 20 bytes a key, and 45 more for each key that documents share.
    """
    if keys.shape != documents.shape:
        raise ValueError(f"one document number a key: {keys.size} keys but {documents.size} document numbers")
    order = np.argsort(keys)
    ordered = keys[order]
    repeated = np.zeros(keys.size + 1, dtype=np.bool_)  # has the key before it, in sorted order
    repeated[1:-1] = ordered[1:] == ordered[:-1]
    shared = repeated[:-1] | repeated[1:]
    owners = documents[order[shared]]
    starts = np.flatnonzero(~repeated[:-1][shared])
    if not starts.size:
        return np.zeros((0, 2), dtype=np.uint64)
    smallest = np.repeat(np.minimum.reduceat(owners, starts), np.diff(starts, append=owners.size))
    linked = owners != smallest
    pairs = np.stack([smallest[linked], owners[linked]], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    distinct = np.ones(len(pairs), dtype=np.bool_)
    distinct[1:] = np.any(pairs[1:] != pairs[:-1], axis=1)
    found: Numbers = pairs[distinct]
    return found


@njit(cache=True)
def _roots(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """The smallest member of each one's tree. The larger root always hangs below the smaller, so a parent is never
    larger than its child, and one pass upward from the smallest ends the search."""
    parents = np.arange(count)
    for edge in range(len(first)):
        a, b = first[edge], second[edge]
        while parents[a] != a:
            parents[a] = parents[parents[a]]
            a = parents[a]
        while parents[b] != b:
            parents[b] = parents[parents[b]]
            b = parents[b]
        parents[max(a, b)] = min(a, b)
    for member in range(count):
        parents[member] = parents[parents[member]]
    return parents


def clusters(links: Numbers) -> tuple[Numbers, Numbers]:
    """Joins edges into clusters: the documents they name, ascending, and the representative of each, the smallest.

    A representative represents itself, so `documents[documents != representatives]` are those that go. The result does
    not depend on the order of the edges. Peak memory, `links` included, is 34 bytes an edge and 24 a document.
    """
    documents = np.sort(links, axis=None)
    repeated = np.zeros(documents.size, dtype=np.bool_)
    repeated[1:] = documents[1:] == documents[:-1]
    documents = documents[~repeated]
    first, second = np.searchsorted(documents, links[:, 0]), np.searchsorted(documents, links[:, 1])
    return documents, documents[_roots(first, second, len(documents))]


def clusters_of_batches(batches: Iterable[Numbers]) -> tuple[Numbers, Numbers]:
    """`clusters` of all batches of edges together, the same for any split and order of them.

    The pairs (document, representative) found so far are edges that stand for all edges seen, so memory follows the
    documents and not the edges, of which there may be one a band: about 125 bytes a document, beside the batch at hand
    and 32 bytes for each of `EDGES_AT_ONCE`.
    """
    found = np.zeros((0, 2), dtype=np.uint64)
    waiting: list[Numbers] = []
    for batch in batches:
        waiting.append(batch)
        # As many as the documents found so far, so that these are sorted again but a few times.
        if sum(map(len, waiting)) > max(EDGES_AT_ONCE, len(found)):
            found = np.stack(clusters(np.concatenate([found, *waiting])), axis=1)
            waiting = []
    return clusters(np.concatenate([found, *waiting]))


def cluster_sizes(representatives: Numbers) -> dict[int, int]:
    """Number of clusters by size, in powers of two: the entry of 4 counts clusters of 4 to 7 documents."""
    _, sizes = np.unique(representatives, return_counts=True)
    histogram: dict[int, int] = {}
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        power = 1 << (int(size).bit_length() - 1)
        histogram[power] = histogram.get(power, 0) + int(count)
    return histogram
