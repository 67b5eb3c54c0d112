"""The reference classifier out of parts of documents: who is a candidate, who is in the sample, what is written."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.train_models import (
    REFERENCE_REPORT_PATH,
    FindCandidates,
    FindCitations,
    TrainClassifier,
    TrainReferences,
    find_candidates,
    find_citations,
    train_classifier,
)
from stages.document import Document, Origin, to_batch
from stages.references import KeepReferences

GOOD, BAD = ("study", "journal", "museum", "history"), ("casino", "cart", "offer", "click")


def crawl() -> list[Document]:
    """30 cited pages of good words and 70 others of bad words, each on a host of its own."""
    choose = random.Random(1)
    return [
        Document(
            f"page-{n}",
            "commoncrawl",
            " ".join(choose.choices(GOOD if n < 30 else BAD, k=40)),
            Origin("f"),
            url=f"https://www.h{n}.example/a?utm_source=x",
        )
        for n in range(100)
    ]


def write(run: Path, name: str, documents: list[Document]) -> str:
    path = run / "documents" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = to_batch(documents)
    with pq.ParquetWriter(path, batch.schema) as writer:
        writer.write_batch(batch)
    return f"documents/{name}"


def candidates(run: Path, step: TrainReferences, fraction: float = 1.0) -> list[dict[str, object]]:
    urls = "\n".join(f"http://h{n}.example/a" for n in range(30))
    article = Document("en:1", "wikipedia", "x", Origin("w"), metadata={"cited_urls": urls})
    find_citations(
        str(run), FindCitations(write(run, "wikipedia.parquet", [article]), step.match, "work/cited.bin")
    )
    work = FindCandidates(
        step, write(run, "crawl.parquet", crawl()), ("work/cited.bin",), fraction, "work/found.parquet", 7
    )
    find_candidates(str(run), work)
    rows: list[dict[str, object]] = pq.read_table(run / "work/found.parquet").to_pylist()
    return rows


def test_every_cited_page_is_a_candidate_and_a_small_crawl_is_taken_whole(tmp_path: Path) -> None:
    rows = candidates(tmp_path, TrainReferences())
    assert len(rows) == 100
    assert sum(bool(row["cited"]) for row in rows) == 30
    assert all(row["order"] is not None and row["sample"] is not None for row in rows)
    assert {row["characters"] for row in rows} == {len(str(row["text"])) for row in rows}


def test_by_host_any_page_of_a_cited_host_is_positive(tmp_path: Path) -> None:
    moved = [Document(d.id, d.source, d.text, d.origin, url=f"{d.url}&other=1") for d in crawl()]
    for match, positives in (("url", 0), ("host", 30)):
        step = TrainReferences(match="host" if match == "host" else "url")
        candidates(tmp_path, step)
        work = FindCandidates(
            step, write(tmp_path, "moved.parquet", moved), ("work/cited.bin",), 1.0, "work/moved.parquet", 7
        )
        assert find_candidates(str(tmp_path), work).statistics == {
            "cited": positives,
            "others": 100 - positives,
        }


def test_the_sample_of_a_large_crawl_is_drawn_apart_from_the_pages_that_train(tmp_path: Path) -> None:
    rows = candidates(tmp_path, TrainReferences(max_pages=10, sample_pages=10), fraction=0.4)
    drawn = {row["digest"] for row in rows if row["order"] is not None and not row["cited"]}
    sample = {row["digest"] for row in rows if row["sample"] is not None}
    assert 15 < len(drawn) < 41  # 0.4 of 70
    assert 10 < len(sample) < 31  # 0.4 * 10 / 20 of 100
    assert len(sample - drawn) > 5  # and not a part of those that were drawn
    assert sum(bool(row["cited"]) for row in rows) == 30


def test_model_and_report_are_written_and_the_share_to_keep_is_kept(tmp_path: Path) -> None:
    candidates(tmp_path, TrainReferences())
    result = train_classifier(str(tmp_path), TrainClassifier(TrainReferences(), ("work/found.parquet",), 7))
    assert sorted(result.outputs) == ["models/reference.bin", "models/reference.json"]
    report = json.loads((tmp_path / REFERENCE_REPORT_PATH).read_bytes())
    assert result.statistics == {k: v for k, v in report.items() if not isinstance(v, list | dict)}
    assert result.statistics["auc"] == 1.0
    assert (result.statistics["positives"], result.statistics["negatives"]) == (30, 70)
    assert result.statistics["sample_pages"] == 100
    keep = KeepReferences(str(tmp_path / "models/reference.bin"), keep_fraction=0.2).prepare()
    kept = sum(isinstance(keep(document), Document) for document in crawl())
    assert 20 <= kept < 24  # a fifth, and those that score the same as the last of it


def test_the_model_does_not_depend_on_the_cut_into_parts(tmp_path: Path) -> None:
    candidates(tmp_path, TrainReferences())
    train_classifier(str(tmp_path), TrainClassifier(TrainReferences(), ("work/found.parquet",), 7))
    whole = [(tmp_path / path).read_bytes() for path in ("models/reference.bin", REFERENCE_REPORT_PATH)]
    found = pq.read_table(tmp_path / "work/found.parquet")
    for name, rows in (("b", found.slice(0, 33)), ("a", found.slice(33))):
        pq.write_table(rows, tmp_path / f"work/{name}.parquet")
    train_classifier(
        str(tmp_path), TrainClassifier(TrainReferences(), ("work/a.parquet", "work/b.parquet"), 7)
    )
    assert whole == [(tmp_path / p).read_bytes() for p in ("models/reference.bin", REFERENCE_REPORT_PATH)]


@pytest.mark.parametrize("wrong", [{"max_pages_per_host": 0}, {"held_out_fraction": 0.0}])
def test_parameters_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TrainReferences(**wrong)  # type: ignore[arg-type]
