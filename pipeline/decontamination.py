"""Decontamination in a run: the benchmarks that it searches for, and the record of what was found.

The files that the configuration names become one file of texts in the run, `models/benchmarks.jsonl`, which the step
`decontaminate` of every source loads. What it finds travels with the documents; when a source is done, each of its
parts is looked through and the hits are written as RUN/decontamination/<source>/<part>.jsonl, one line a hit with both
texts; a part without hits has no file.
"""

from __future__ import annotations

import glob
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline import files
from pipeline.files import Written
from pipeline.model_files import BENCHMARKS_PATH, MODELS_NODE
from pipeline.parts import read_documents
from pipeline.plan import Done, Node, documents_folder
from pipeline.settings import Settings, UsageError
from pipeline.tasks import OUTSIDE, Result, Task
from stages.benchmark_items import (
    PASSAGE,
    BenchmarkText,
    benchmark_name,
    read_benchmark,
    read_texts,
    write_text,
)
from stages.decontamination import HITS, Decontaminate, Hit, known_texts, read_hits
from stages.ngram_search import NgramIndex
from stages.stage import step_name

FOLDER = "decontamination"
STEP = step_name(Decontaminate())


def benchmark_paths(settings: Settings) -> list[str]:
    """The benchmark files of a configuration, by name, each looked through.

    UsageError when one is not there or no benchmark, or two are of one name."""
    named: dict[str, str] = {}
    for pattern in settings.benchmarks:
        if "://" in pattern or files.exists(settings.path(pattern)):
            found = [settings.path(pattern)]
        else:
            relative = glob.glob(os.path.expanduser(pattern), root_dir=settings.folder, recursive=True)
            found = [settings.path(path) for path in relative]
        if not found or not all(map(files.exists, found)):
            raise UsageError(f"benchmarks: {pattern} is not there; name files of JSON lines, or leave it out")
        for path in found:
            try:
                name = benchmark_name(path)
                with files.open_binary(path) as stream:
                    for _ in read_benchmark(stream, path):
                        pass
            except ValueError as error:
                raise UsageError(f"benchmarks: {error}") from error
            if named.setdefault(name, path) != path:
                raise UsageError(f"benchmarks: {named[name]} and {path} have one name; rename one")
    return [named[name] for name in sorted(named)]


@dataclass(frozen=True)
class GatherBenchmarks:
    """Benchmark files, to be written as one file of texts."""

    paths: tuple[str, ...] = field(metadata=OUTSIDE)


def gather_benchmarks(run: str, work: GatherBenchmarks) -> Result:
    """Statistics: of each benchmark its items, those that can be found by more than a quoted passage, by that alone,
    and not at all, being too short; and n-grams that are too common.

    Raises ValueError for a file that is no benchmark.
    """
    texts: list[BenchmarkText] = []
    with files.create(files.join(run, BENCHMARKS_PATH)) as target:
        for path in work.paths:
            with files.open_binary(path) as stream:
                for text in read_benchmark(stream, path):
                    texts.append(text)
                    target.write(write_text(text))
    known = known_texts(texts)
    found_by: dict[tuple[str, int], str] = {}
    for text, words in zip(texts, known, strict=True):
        item = (text.benchmark, text.item)
        by = "skipped" if not words.searched else "passage_only" if text.part == PASSAGE else "searched"
        found_by[item] = max(
            by, found_by.get(item, ""), key=("", "skipped", "passage_only", "searched").index
        )
    benchmarks: dict[str, dict[str, int]] = {}
    for (benchmark, _), by in found_by.items():
        counts = benchmarks.setdefault(
            benchmark, {"items": 0, "searched": 0, "passage_only": 0, "skipped": 0}
        )
        counts["items"] += 1
        counts[by] += 1
    statistics = {"benchmarks": benchmarks, "common_ngrams": NgramIndex(known).common}
    return Result({BENCHMARKS_PATH: target.written()}, statistics)


def gather_task(paths: Sequence[str]) -> Task:
    """The task that writes `models/benchmarks.jsonl`."""
    reads = {os.path.basename(path): files.sha256_of(path).sha256 for path in paths}
    return Task(
        MODELS_NODE,
        os.path.basename(BENCHMARKS_PATH),
        gather_benchmarks,
        GatherBenchmarks(tuple(paths)),
        reads,
    )


@dataclass(frozen=True)
class RecordHits:
    """`kept` and `dropped` are paths of a part and of what the step removed of it (empty: nothing)."""

    kept: str
    dropped: str
    output: str


def record_hits(run: str, work: RecordHits) -> Result:
    """Writes the hits of a part, those of kept documents first.

    Statistics: documents with a hit and documents dropped; of each benchmark the documents, and the items by number,
    of hits in questions and answers (`items`) and in quoted passages alone (`passage_items`).
    """
    texts = _texts(run)
    documents: Counter[str] = Counter()
    of_benchmark: dict[str, dict[str, Any]] = {}
    lines = []
    for row, verdict, hits in _found(run, work):
        documents[verdict] += 1
        for benchmark in sorted({hit.benchmark for hit in hits}):
            seen = of_benchmark.setdefault(
                benchmark, {"kept": 0, "dropped": 0, "items": set(), "passage_items": set()}
            )
            seen[verdict] += 1
        for hit in hits:
            kind = "passage_items" if hit.part == PASSAGE else "items"
            of_benchmark[hit.benchmark][kind].add(hit.item)
            text = texts[hit.benchmark, hit.item, hit.part]
            lines.append(
                {
                    **row,
                    "verdict": verdict,
                    "benchmark": hit.benchmark,
                    "item": hit.item,
                    "part": hit.part,
                    "covered": hit.covered,
                    "passage": hit.passage,
                    "benchmark_text": f"{text.lead} {text.text}".strip(),
                }
            )
    outputs: dict[str, Written] = {}
    if lines:
        with files.create(files.join(run, work.output)) as stream:
            for line in lines:
                stream.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
        outputs[work.output] = stream.written()
    for seen in of_benchmark.values():
        seen["items"], seen["passage_items"] = sorted(seen["items"]), sorted(seen["passage_items"])
    return Result(
        outputs, {"kept": documents["kept"], "dropped": documents["dropped"], "benchmarks": of_benchmark}
    )


@lru_cache(maxsize=1)
def _texts(run: str) -> Mapping[tuple[str, int, str], BenchmarkText]:
    with files.local_copy(files.join(run, BENCHMARKS_PATH)) as path:
        return {(text.benchmark, text.item, text.part): text for text in read_texts(path)}


def _found(run: str, work: RecordHits) -> Iterator[tuple[dict[str, Any], str, list[Hit]]]:
    """(source, id, url), verdict and hits of each document that has some."""
    for batch in read_documents(files.join(run, work.kept), ["id", "source", "url", "metadata"]):
        for row in batch.to_pylist():
            if hits := dict(row.pop("metadata")).get(HITS):
                yield _named(row), "kept", read_hits(hits)
    if work.dropped:
        for batch in read_documents(files.join(run, work.dropped), ["id", "source", "url", "detail"]):
            for row in batch.to_pylist():
                yield _named(row), "dropped", read_hits(row["detail"])


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "id", "url")}


def hits_node(source: str, final: str, done: Done) -> Node:
    """The node that records the hits of a source when its last pass `final` is done."""
    name = f"{source}/{FOLDER}"

    def make() -> list[Task]:
        benchmarks, made = done.models(BENCHMARKS_PATH), []
        for outputs in done.outputs(final):
            ((kept, sha),) = ((p, s) for p, s in outputs.items() if p.startswith(documents_folder(source)))
            dropped = {p: s for p, s in outputs.items() if p.startswith(f"removed/{source}/{STEP}/")}
            part = os.path.basename(kept).removesuffix(".parquet")
            work = RecordHits(kept, next(iter(dropped), ""), f"{FOLDER}/{source}/{part}.jsonl")
            made.append(Task(name, part, record_hits, work, {kept: sha, **dropped, **benchmarks}))
        return made

    return Node(name, (final,), make)
