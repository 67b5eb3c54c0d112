"""Which pages of the crawl the reference classifier may learn from: citations of Wikipedia, and the pages drawn.

In: the parts of Wikipedia with the URLs that each article cites, and the parts of the crawl. Out: one sorted file of
hashes of what is cited; how many pages of the crawl are; and for each part of the crawl the pages drawn by hash, so
that no more are kept than training can use, however large the crawl and however it is cut into parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from classifiers.references import candidate
from pipeline import files
from pipeline.parts import ROWS_PER_GROUP, read_documents
from pipeline.tasks import Result
from pipeline.train_models import TrainReferences, hash_order
from stages.citations import normalize_url, url_host
from stages.document import SCHEMA, from_batch, to_batch


@dataclass(frozen=True)
class FindCitations:
    """The URLs that one part of Wikipedia cites, as sorted hashes."""

    part: str
    match: Literal["url", "host"]
    output: str


def _cited_key(url: str, match: Literal["url", "host"]) -> int:
    return int(xxhash.xxh3_64_intdigest((url_host(url) if match == "host" else normalize_url(url)).encode()))


def find_citations(run: str, work: FindCitations) -> Result:
    keys = set()
    for batch in read_documents(files.join(run, work.part), ["metadata"]):
        for metadata in batch["metadata"].to_pylist():
            for url in dict(metadata).get("cited_urls", "").split("\n"):
                if url:
                    keys.add(_cited_key(url, work.match))
    with files.create(files.join(run, work.output)) as stream:
        stream.write(np.array(sorted(keys), dtype="<u8").tobytes())
    return Result({work.output: stream.written()}, {"cited": len(keys)})


@dataclass(frozen=True)
class MergeCitations:
    """The sorted hashes of all parts of Wikipedia as one file."""

    parts: tuple[str, ...]
    output: str


def merge_citations(run: str, work: MergeCitations) -> Result:
    parts = [_read_keys(files.join(run, path)) for path in work.parts]
    keys = np.unique(np.concatenate([np.zeros(1, "<u8"), *parts]))[1:]  # 0 stands for a page without a URL
    with files.create(files.join(run, work.output)) as stream:
        stream.write(keys.tobytes())
    return Result({work.output: stream.written()}, {"cited": len(keys)})


def _read_keys(path: str) -> npt.NDArray[np.uint64]:
    with files.open_binary(path) as stream:
        return np.frombuffer(stream.read(), dtype="<u8")


def _are_cited(
    batch: pa.RecordBatch, match: Literal["url", "host"], cited: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_]:
    """Which pages of a batch have a key among `cited`, which are sorted."""
    keys = np.array([_cited_key(url, match) if url else 0 for url in batch["url"].to_pylist()], dtype="<u8")
    return np.searchsorted(cited, keys, "right") > np.searchsorted(cited, keys, "left")


@dataclass(frozen=True)
class CountCited:
    """How many pages of one part of the crawl Wikipedia cites."""

    part: str
    match: Literal["url", "host"]
    citations: str


def count_cited(run: str, work: CountCited) -> Result:
    cited = _read_keys(files.join(run, work.citations))
    batches = read_documents(files.join(run, work.part), ["url"])
    return Result({}, {"cited": sum(int(_are_cited(batch, work.match, cited).sum()) for batch in batches)})


# Whole documents, since those of the sample pass the steps before the classifier. `order` is null for a page that is in
# the sample only, and must not train; `sample` for one that is not in the sample.
CANDIDATES = pa.schema(
    [
        *SCHEMA,
        ("order", pa.uint64()),
        ("digest", pa.uint64()),
        ("cited", pa.bool_()),
        ("host", pa.string()),
        ("characters", pa.int64()),
        ("sample", pa.uint64()),
    ]
)


@dataclass(frozen=True)
class FindCandidates:
    """Pages of one part of the crawl, by hash: of those that Wikipedia cites, of the others, and a sample of all.

    `cited_fraction` and `fraction` are the shares of the cited and of the other pages that are drawn, `sample_fraction`
    that of all pages for the sample, which has a hash of its own: were it among those drawn to be trained on, it would
    flatter the classifier.
    """

    step: TrainReferences
    part: str
    citations: str
    cited_fraction: float
    fraction: float
    sample_fraction: float
    output: str
    seed: int


def _drawn(hashes: npt.NDArray[np.uint64], fraction: float) -> npt.NDArray[np.bool_]:
    if fraction >= 1:
        return np.ones(len(hashes), np.bool_)
    return hashes < np.uint64(int(fraction * 2.0**64))


def find_candidates(run: str, work: FindCandidates) -> Result:
    cited = _read_keys(files.join(run, work.citations))
    found: list[pa.RecordBatch] = []
    positives = others = 0
    for batch in read_documents(files.join(run, work.part)):
        ids = batch["id"].to_pylist()
        order, sample = (
            np.array([hash_order(work.seed, purpose, id) for id in ids], dtype="<u8")
            for purpose in ("reference", "reference-sample")
        )
        is_cited = _are_cited(batch, work.step.match, cited)
        drawn = np.where(is_cited, _drawn(order, work.cited_fraction), _drawn(order, work.fraction))
        sampled = _drawn(sample, work.sample_fraction)
        rows = np.flatnonzero(drawn | sampled)
        documents = from_batch(batch.take(pa.array(rows)))
        pages = [
            candidate(
                int(order[row]), bool(is_cited[row]), url_host(document.url or document.id), document.text
            )
            for row, document in zip(rows, documents, strict=True)
        ]
        columns = [
            pa.array(order[rows], mask=~drawn[rows]),
            pa.array([page.digest for page in pages], pa.uint64()),
            pa.array(is_cited[rows]),
            pa.array([page.host for page in pages], pa.string()),
            pa.array([min(page.characters, work.step.max_characters) for page in pages], pa.int64()),
            pa.array(sample[rows], mask=~sampled[rows]),
        ]
        found.append(pa.RecordBatch.from_arrays([*to_batch(documents).columns, *columns], schema=CANDIDATES))
        positives += int((drawn & is_cited).sum())
        others += int((drawn & ~is_cited).sum())
    with files.create(files.join(run, work.output)) as stream:
        pq.write_table(
            pa.Table.from_batches(found, CANDIDATES),
            pa.PythonFile(stream, mode="w"),
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
        )
    return Result({work.output: stream.written()}, {"cited": positives, "others": others})
