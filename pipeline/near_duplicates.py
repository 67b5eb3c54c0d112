"""Near-duplicate documents: MinHash bands meet in buckets, and what they link is made into clusters.

1. The pass before writes the band keys of each document in a key file.
2. A search task reads one range of keys of all parts of the window and links each document with the first one that
   shares a key: edges.
3. One task joins all edges of the window into clusters; the first document of each, in the order of the inputs, stays.
4. The pass after drops the others.

There is no index in memory: a task of step 2 holds its range of keys, and step 3 holds the edges, which only documents
with a near copy have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import files
from pipeline.duplicates import Collector, DropFiles, DropNumbered, SearchBuckets, keys_of_search
from pipeline.key_files import KeyCollector, Uint64s, write_drops
from pipeline.tasks import Result
from stages.duplicate_documents import content_key
from stages.near_duplicates import (
    BANDS,
    ROWS,
    band_keys,
    cluster_sizes,
    clusters_of_batches,
    edges,
    signature,
)
from stages.stage import Transform


@dataclass(frozen=True)
class DropNearDuplicates:
    """Documents that are the same as an earlier one, or share a MinHash band with one, directly or through others; the
    first stays.

    The defaults are FineWeb's (arXiv 2406.17557 section 3.4): word 5-grams, 14 bands of 8 rows, so that a pair with
    Jaccard similarity 0.75 is found with probability 0.77, 0.8 with 0.92, 0.5 with 0.05.
    """

    bands: int = BANDS  # FineWeb: 14
    rows: int = ROWS  # FineWeb: 8
    window_files: int | None = None

    def __post_init__(self) -> None:
        if self.bands < 1 or self.rows < 1 or self.bands * self.rows > 1024:
            raise ValueError("bands and rows must be at least 1, and their product at most 1,024")

    def collector(self) -> Collector:
        return KeyCollector(lambda document: self._keys(document.text))

    def _keys(self, text: str) -> Uint64s:
        exact = np.array([content_key(text)], dtype=np.uint64)  # copies of a text without words too
        return np.concatenate(
            [exact, band_keys(signature(text, self.bands * self.rows), self.bands, self.rows)]
        )

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumbered(found.drops(run), "near_duplicate")


def search_edges(run: str, work: SearchBuckets) -> Result:
    """Writes the links that these buckets give: pairs of document numbers, (part << 32) | number in the part."""
    keys = keys_of_search(run, work)
    found = edges(keys.keys, (keys.parts.astype(np.uint64) << np.uint64(32)) | keys.tags)
    with files.create(files.join(run, work.output)) as stream:
        stream.write(found.astype("<u8").tobytes())
    return Result({work.output: stream.written()}, {"units": len(keys.keys), "links": len(found)})


@dataclass(frozen=True)
class JoinClusters:
    """All edges of a window of `part_count` parts."""

    edge_files: tuple[str, ...]
    part_count: int
    output: str


def join_clusters(run: str, work: JoinClusters) -> Result:
    """Joins edges into clusters and writes who goes: all but the first document of each cluster."""
    documents, representatives = clusters_of_batches(
        _read_edges(files.join(run, path)) for path in work.edge_files
    )
    gone = documents[documents != representatives]
    parts, numbers = gone >> np.uint64(32), gone & np.uint64(0xFFFFFFFF)
    written = write_drops(
        files.join(run, work.output), parts.astype(np.uint32), numbers.astype(np.uint32), work.part_count
    )
    sizes = cluster_sizes(representatives)
    statistics = {
        "dropped": len(gone),
        "clusters": sum(sizes.values()),
        "cluster_sizes": {str(size): count for size, count in sizes.items()},
    }
    return Result({work.output: written}, statistics)


def _read_edges(path: str) -> Uint64s:
    with files.open_binary(path) as stream:
        return np.frombuffer(stream.read(), dtype="<u8").reshape(-1, 2).astype(np.uint64)
