"""What the report shows of decontamination: a row a benchmark, and hits with both texts.

In: `DecontaminationData`. Out: rows for the templates and for the table of all benchmarks and sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mixtures.report_data import BenchmarkData, DecontaminationData, OverlapSample, Scalar


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """A benchmark with the documents that overlap with it, over all sources; the sources that have some; its hits."""

    name: str
    facts: BenchmarkData
    kept: int
    dropped: int
    sources: Sequence[str]
    samples: Sequence[OverlapSample]


def benchmark_rows(data: DecontaminationData | None) -> list[BenchmarkRow]:
    """One row a benchmark, by name."""
    if not data:
        return []
    return [
        BenchmarkRow(
            name=name,
            facts=facts,
            kept=sum(counts["kept"] for counts in facts["documents"].values()),
            dropped=sum(counts["dropped"] for counts in facts["documents"].values()),
            sources=sorted(facts["documents"]),
            samples=[sample for sample in data["samples"] if sample["benchmark"] == name],
        )
        for name, facts in sorted(data["benchmarks"].items())
    ]


def decontamination_table(data: DecontaminationData | None) -> Iterator[Sequence[Scalar]]:
    """(benchmark, source, items, searched, passage only, too short, found, passages found, documents kept, dropped): a
    row a benchmark over all sources (source empty), and one for each source with an overlap."""
    for row in benchmark_rows(data):
        facts = row.facts
        counts = [
            facts[key] for key in ("items", "searched", "passage_only", "skipped", "found", "passages_found")
        ]
        yield row.name, "", *counts, row.kept, row.dropped
        for source in row.sources:
            of_source = facts["documents"][source]
            yield row.name, source, *[None] * len(counts), of_source["kept"], of_source["dropped"]


DECONTAMINATION_COLUMNS = (
    "benchmark",
    "source",
    "items",
    "searched",
    "passage_only",
    "too_short",
    "found",
    "passages_found",
    "documents_kept",
    "documents_dropped",
)
