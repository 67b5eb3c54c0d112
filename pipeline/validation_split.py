"""Which documents are held out for validation: those whose id hashes below the fraction, but for near copies of
training documents.

A candidate that is the same text as a training document of any source, or shares a MinHash band with one (FineWeb's 14
bands of 8 hashes of word 5-grams, as the recipe's own search), goes to training, and so do the candidates that are near
copies of it: nothing is lost, and what is held out was not seen. The verdict depends on the documents alone.

1. `collect_candidates` takes the keys of the candidates of one part: a thousandth of the documents, as a rule.
2. `join_candidates` links candidates that share a key and sorts the keys of all.
3. `search_training` looks up the keys of each training document of one part: no key of theirs is kept.
4. `decide_validation` writes, for each source, which candidates go to training.

Memory is that of the candidates: 16 keys each, 130 MB for a million of them, which is a billion documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import files
from pipeline.files import Written
from pipeline.key_files import Uint64s
from pipeline.parts import read_documents
from pipeline.tasks import Result
from stages.duplicate_documents import content_key
from stages.near_duplicates import band_keys, clusters, edges, signature
from tokenizer.order import keyed_hash, split_of

CANDIDATES = pa.schema([("document", pa.uint64()), ("keys", pa.list_(pa.uint64()))])
CLUSTERS = pa.schema([("document", pa.uint64()), ("cluster", pa.uint64())])
KEYS = pa.schema([("key", pa.uint64()), ("cluster", pa.uint64())])


def document_hash(source: str, id: str) -> int:
    """64 bits that stand for a document where candidates are listed."""
    return keyed_hash("document", 0, source, id)


def near_copy_keys(text: str) -> Uint64s:
    """Two texts that share one of these keys are near copies: the whole text, and its MinHash bands."""
    exact = np.array([content_key(text)], dtype=np.uint64)
    return np.concatenate([exact, band_keys(signature(text))])


@dataclass(frozen=True)
class CollectCandidates:
    """One part, of whose documents those below the fraction are candidates."""

    source: str
    part: str
    output: str
    validation_fraction: float


def collect_candidates(run: str, work: CollectCandidates) -> Result:
    """Writes hash and keys of each candidate of a part."""
    documents: list[int] = []
    keys: list[Uint64s] = []
    for batch in read_documents(files.join(run, work.part), ["id", "text"]):
        texts = batch["text"]
        for number, id in enumerate(batch["id"].to_pylist()):
            if split_of(work.source, id, work.validation_fraction) == "validation":
                documents.append(document_hash(work.source, id))
                keys.append(near_copy_keys(texts[number].as_py()))
    table = pa.table(
        [pa.array(documents, pa.uint64()), pa.array(keys, CANDIDATES.field("keys").type)], CANDIDATES
    )
    return Result({work.output: _write(run, work.output, table)}, {"candidates": len(documents)})


@dataclass(frozen=True)
class JoinCandidates:
    """The candidates of all parts, source by source."""

    candidates: Mapping[str, tuple[str, ...]]
    keys: str
    clusters: Mapping[str, str]


def join_candidates(run: str, work: JoinCandidates) -> Result:
    """Writes the keys of all candidates, sorted, each with the cluster of near copies that it leads to, and for each
    source the cluster of each of its candidates. A cluster is named by its first candidate."""
    tables = {
        source: pa.concat_tables([_read(run, path) for path in paths]).combine_chunks()
        for source, paths in sorted(work.candidates.items())
    }
    joined = pa.concat_tables(tables.values())
    keys = joined["keys"].combine_chunks()
    numbers = np.arange(len(joined), dtype=np.uint64)
    owners = np.repeat(numbers, keys.value_lengths().to_numpy(zero_copy_only=False))
    flat: Uint64s = keys.flatten().to_numpy()
    cluster_of = numbers.copy()
    linked, representatives = clusters(edges(flat, owners))
    cluster_of[linked.astype(np.int64)] = representatives
    distinct, first = np.unique(flat, return_index=True)
    sorted_keys = pa.table([distinct, cluster_of[owners[first].astype(np.int64)]], KEYS)
    outputs, at = {work.keys: _write(run, work.keys, sorted_keys)}, 0
    for source, table in tables.items():
        path = work.clusters[source]
        found = pa.table([table["document"], cluster_of[at : at + len(table)]], CLUSTERS)
        outputs[path] = _write(run, path, found)
        at += len(table)
    return Result(outputs, {"candidates": len(joined), "keys": len(distinct)})


@dataclass(frozen=True)
class SearchTraining:
    """One part, whose training documents are held against the candidates."""

    source: str
    part: str
    keys: str
    output: str
    validation_fraction: float


def search_training(run: str, work: SearchTraining) -> Result:
    """Writes the clusters of candidates that have a near copy among the training documents of a part."""
    table = CandidateKeys.of(_read(run, work.keys))
    found = [np.zeros(0, np.uint64)]
    documents = 0
    for keys in _training_keys(files.join(run, work.part), work.source, work.validation_fraction):
        documents += len(keys)
        found.append(table.clusters_of(np.concatenate(keys)))
    hit = np.unique(np.concatenate(found))
    with files.create(files.join(run, work.output)) as stream:
        stream.write(hit.astype("<u8").tobytes())
    return Result({work.output: stream.written()}, {"documents": documents, "clusters": len(hit)})


def _training_keys(path: str, source: str, fraction: float) -> Iterator[list[Uint64s]]:
    """Keys of the training documents of a part, a row group at a time."""
    for batch in read_documents(path, ["id", "text"]):
        texts = batch["text"]
        keys = [
            near_copy_keys(texts[number].as_py())
            for number, id in enumerate(batch["id"].to_pylist())
            if split_of(source, id, fraction) == "train"
        ]
        if keys:
            yield keys


@dataclass(frozen=True)
class CandidateKeys:
    """Keys of candidates, ascending, and the cluster that each leads to."""

    keys: Uint64s
    clusters: Uint64s

    @classmethod
    def of(cls, table: pa.Table) -> CandidateKeys:
        return cls(table["key"].to_numpy(), table["cluster"].to_numpy())

    def clusters_of(self, keys: Uint64s) -> Uint64s:
        """The clusters that some of these keys lead to, ascending."""
        if not len(self.keys):
            return self.clusters
        asked = np.unique(keys)
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.unique(self.clusters[places[self.keys[places] == asked]])


@dataclass(frozen=True)
class DecideValidation:
    """The clusters of each source's candidates, and the clusters that the searches found."""

    clusters: Mapping[str, str]
    found: tuple[str, ...]
    moved: Mapping[str, str]


def decide_validation(run: str, work: DecideValidation) -> Result:
    """Writes for each source the hashes of the candidates that go to training, ascending."""
    hit = np.zeros(0, np.uint64)
    for path in work.found:
        with files.open_binary(files.join(run, path)) as stream:
            hit = np.union1d(hit, np.frombuffer(stream.read(), "<u8"))
    outputs, sources = {}, {}
    for source, path in sorted(work.clusters.items()):
        table = _read(run, path)
        gone = np.isin(table["cluster"].to_numpy(), hit)
        moved = np.unique(table["document"].to_numpy()[gone])
        with files.create(files.join(run, work.moved[source])) as target:
            target.write(moved.astype("<u8").tobytes())
        outputs[work.moved[source]] = target.written()
        sources[source] = {"candidates": len(table), "near_copies_of_training": int(gone.sum())}
    return Result(outputs, {"sources": sources})


class Splitter:
    """Says of each document of a source in which split it is."""

    def __init__(self, run: str, source: str, moved: str, validation_fraction: float) -> None:
        """`moved` is the file of `decide_validation`."""
        self._source, self._fraction = source, validation_fraction
        with files.open_binary(files.join(run, moved)) as stream:
            self._moved = frozenset(np.frombuffer(stream.read(), "<u8").tolist())

    def split_of(self, id: str) -> str:
        split = split_of(self._source, id, self._fraction)
        if split == "validation" and document_hash(self._source, id) in self._moved:
            return "train"
        return split


def _write(run: str, path: str, table: pa.Table) -> Written:
    with (
        files.create(files.join(run, path)) as stream,
        pa.ipc.new_file(pa.PythonFile(stream, mode="w"), table.schema) as writer,
    ):
        writer.write_table(table)
    return stream.written()


def _read(run: str, path: str) -> pa.Table:
    with files.open_binary(files.join(run, path)) as stream:
        return pa.ipc.open_file(pa.py_buffer(stream.read())).read_all()
