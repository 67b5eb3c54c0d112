"""Which pages of the crawl are candidates, and which are in the sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.reference_candidates import (
    CANDIDATES,
    CountCited,
    FindCandidates,
    FindCitations,
    MergeCitations,
    count_cited,
    find_candidates,
    find_citations,
    merge_citations,
)
from pipeline.train_models import TrainReferences
from stages.document import Document, Origin, from_batch, to_batch

CITED = 30


def page(number: int, text: str = "some words", **changed: str | None) -> Document:
    url = changed.get("url", f"https://www.h{number}.example/a?utm_source=x")
    return Document(f"page-{number}", "commoncrawl", f"{text} {number}", Origin("f"), url=url)


def write(run: Path, name: str, documents: list[Document]) -> str:
    path = run / "documents" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = to_batch(documents)
    with pq.ParquetWriter(path, batch.schema) as writer:
        if documents:
            writer.write_batch(batch)
    return f"documents/{name}"


def cite(run: Path, match: Literal["url", "host"] = "url") -> str:
    """Two parts of Wikipedia that cite pages 0 to 29 of the crawl, some of them both."""
    parts = []
    for part, numbers in (("a", range(20)), ("b", range(10, CITED))):
        urls = "\n".join(f"http://h{n}.example/a" for n in numbers)
        article = Document(f"en:{part}", "wikipedia", "x", Origin("w"), metadata={"cited_urls": urls})
        work = FindCitations(write(run, f"{part}.parquet", [article]), match, f"work/{part}.bin")
        find_citations(str(run), work)
        parts.append(work.output)
    result = merge_citations(str(run), MergeCitations(tuple(parts), "work/cited.bin"))
    assert result.statistics == {"cited": CITED}
    return "work/cited.bin"


def find(
    run: Path,
    pages: list[Document],
    step: TrainReferences | None = None,
    cited_fraction: float = 1.0,
    fraction: float = 1.0,
    sample_fraction: float = 1.0,
) -> list[dict[str, Any]]:
    step = step or TrainReferences()
    work = FindCandidates(
        step,
        write(run, "crawl.parquet", pages),
        cite(run, step.match),
        cited_fraction,
        fraction,
        sample_fraction,
        "work/found.parquet",
        7,
    )
    statistics = find_candidates(str(run), work).statistics
    rows: list[dict[str, Any]] = pq.read_table(run / "work/found.parquet").to_pylist()
    drawn = [row["cited"] for row in rows if row["order"] is not None]
    assert statistics == {"cited": sum(drawn), "others": len(drawn) - sum(drawn)}
    return rows


def test_citations_of_all_parts_are_one_sorted_file_of_distinct_keys(tmp_path: Path) -> None:
    keys = np.fromfile(tmp_path / cite(tmp_path), dtype="<u8")
    assert len(keys) == CITED and (keys[1:] > keys[:-1]).all()


def test_wikipedia_without_a_citation_makes_no_page_cited(tmp_path: Path) -> None:
    write(tmp_path, "crawl.parquet", [page(1), page(2, url=None)])
    (tmp_path / "work").mkdir()
    assert merge_citations(str(tmp_path), MergeCitations((), "work/none.bin")).statistics == {"cited": 0}
    work = CountCited("documents/crawl.parquet", "url", "work/none.bin")
    assert count_cited(str(tmp_path), work).statistics == {"cited": 0}


@pytest.mark.parametrize(("match", "cited"), [("url", 1), ("host", 3)])
def test_cited_pages_are_counted_by_url_or_host(
    tmp_path: Path, match: Literal["url", "host"], cited: int
) -> None:
    pages = [
        page(0),
        page(1, url="https://h1.example/a?other=1"),
        page(2, url="https://h2.example/b"),
        page(3, url=None),
        page(50),
    ]
    work = CountCited(write(tmp_path, "crawl.parquet", pages), match, cite(tmp_path, match))
    assert count_cited(str(tmp_path), work).statistics == {"cited": cited}
    rows = find(tmp_path, pages, TrainReferences(match=match))
    assert [row["cited"] for row in rows] == ([True] * cited + [False] * 5)[:5]


def test_a_small_crawl_is_taken_whole(tmp_path: Path) -> None:
    pages = [page(n) for n in range(100)]
    rows = find(tmp_path, pages)
    assert sum(row["cited"] for row in rows) == CITED
    assert all(row["order"] is not None and row["sample"] is not None for row in rows)
    table = pq.read_table(tmp_path / "work/found.parquet")
    assert table.schema.names == CANDIDATES.names and from_batch(table) == pages


def test_a_long_text_is_stored_whole_and_trained_on_in_part(tmp_path: Path) -> None:
    (row,) = find(tmp_path, [page(1, "word " * 100)], TrainReferences(max_characters=20))
    assert (len(row["text"]), row["characters"]) == (502, 20)


def test_cited_pages_of_a_large_crawl_are_drawn_by_hash_whatever_its_parts(tmp_path: Path) -> None:
    pages = [page(n, url=f"https://h{n % 60}.example/{n}") for n in range(2000)]  # half on cited hosts
    shares = {"cited_fraction": 0.4, "fraction": 0.2, "sample_fraction": 0.1}
    by_host = TrainReferences(match="host")
    rows = find(tmp_path, pages, by_host, **shares)
    cited, others = (
        [row for row in rows if row["cited"] is wanted and row["order"] is not None]
        for wanted in (True, False)
    )
    assert 340 < len(cited) < 460  # 0.4 of 1,000
    assert 150 < len(others) < 250  # 0.2 of 1,000
    assert max(row["order"] for row in cited) < 0.4 * 2**64
    assert max(row["order"] for row in others) < 0.2 * 2**64
    sample = [row for row in rows if row["sample"] is not None]
    assert 150 < len(sample) < 250  # 0.1 of 2,000
    assert 30 < sum(row["order"] is not None for row in sample) < 90  # 0.3 of these: not those that are drawn
    parts = [find(tmp_path, pages[start : start + 700], by_host, **shares) for start in (0, 700, 1400)]
    assert [row for part in parts for row in part] == rows


def test_a_part_without_pages_has_no_candidates(tmp_path: Path) -> None:
    assert find(tmp_path, []) == []
    assert pq.read_schema(tmp_path / "work/found.parquet").names == CANDIDATES.names
