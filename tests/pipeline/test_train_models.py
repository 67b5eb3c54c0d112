"""The reference classifier out of its candidates: what is written, and what share a threshold keeps."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.reference_candidates import FindCandidates, FindCitations, find_candidates, find_citations
from pipeline.tasks import Result
from pipeline.train_models import REFERENCE_REPORT_PATH, TrainClassifier, TrainReferences, train_classifier
from stages.document import Document, Origin, Rejected, to_batch
from stages.references import KeepReferences
from stages.stage import Outcome

GOOD, BAD = ("study", "journal", "museum", "history"), ("casino", "cart", "offer", "click")
WRITTEN = ("models/reference.bin", REFERENCE_REPORT_PATH)


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


def candidates(run: Path, pages: list[Document], step: TrainReferences) -> str:
    urls = "\n".join(f"http://h{n}.example/a" for n in range(30))
    article = Document("en:1", "wikipedia", "x", Origin("w"), metadata={"cited_urls": urls})
    work = FindCitations(write(run, "wikipedia.parquet", [article]), step.match, "work/cited.bin")
    find_citations(str(run), work)
    part = write(run, "crawl.parquet", pages)
    found = "work/found.parquet"
    find_candidates(str(run), FindCandidates(step, part, "work/cited.bin", 1.0, 1.0, 1.0, found, 7))
    return found


@dataclass(frozen=True)
class KeepEvenPages:
    """Stands for perplexity: half of the pages never reach the classifier."""

    def prepare(self) -> Callable[[Document], Outcome]:
        def keep(document: Document) -> Outcome:
            return document if int(document.id.split("-")[1]) % 2 == 0 else Rejected(document, "odd")

        return keep


def train(run: Path, step: TrainReferences, *found: str, before: tuple[KeepEvenPages, ...] = ()) -> Result:
    return train_classifier(str(run), TrainClassifier(step, found, before, 7))


def kept(run: Path, documents: list[Document], fraction: float) -> int:
    keep = KeepReferences(str(run / "models/reference.bin"), keep_fraction=fraction).prepare()
    return sum(isinstance(keep(document), Document) for document in documents)


def test_model_and_report_are_written_and_the_share_to_keep_is_kept(tmp_path: Path) -> None:
    step = TrainReferences()
    result = train(tmp_path, step, candidates(tmp_path, crawl(), step))
    assert tuple(sorted(result.outputs)) == WRITTEN
    report = json.loads((tmp_path / REFERENCE_REPORT_PATH).read_bytes())
    assert result.statistics == {k: v for k, v in report.items() if not isinstance(v, list | dict)}
    assert result.statistics["auc"] == 1.0
    assert (result.statistics["positives"], result.statistics["negatives"]) == (30, 70)
    assert result.statistics["sample_pages"] == 100
    assert 20 <= kept(tmp_path, crawl(), 0.2) < 24  # and those that score the same as the last of a fifth


def test_the_share_is_of_the_pages_that_reach_the_classifier(tmp_path: Path) -> None:
    # Of the odd pages only bad ones are there, so that the share of the good differs before and after the step.
    pages = [d for n, d in enumerate(crawl()) if n >= 30 or n % 2 == 0]
    reaching = [d for d in pages if int(d.id.split("-")[1]) % 2 == 0]
    step = TrainReferences(min_positives=5)
    found = candidates(tmp_path, pages, step)
    result = train(tmp_path, step, found, before=(KeepEvenPages(),))
    model = (tmp_path / "models/reference.bin").read_bytes()
    assert (len(pages), len(reaching), result.statistics["sample_pages"]) == (85, 50, 50)
    assert 15 <= kept(tmp_path, reaching, 0.3) <= 17
    train(tmp_path, step, found)
    assert (tmp_path / "models/reference.bin").read_bytes() == model  # the step chooses no page that trains
    assert kept(tmp_path, reaching, 0.3) > 18


def test_the_sample_is_scored_whole_as_pages_are_when_the_model_is_applied(tmp_path: Path) -> None:
    # What is cut off turns the first pages into bad ones, and the last into good ones.
    turned = [
        d.with_text(f"{d.text} {' '.join((BAD if n < 30 else GOOD) * 40)}") for n, d in enumerate(crawl())
    ]
    step = TrainReferences(max_characters=150)
    train(tmp_path, step, candidates(tmp_path, turned, step))
    assert 60 <= kept(tmp_path, turned, 0.6) <= 64
    report = json.loads((tmp_path / REFERENCE_REPORT_PATH).read_bytes())
    assert report["auc"] == 1.0  # of the first 150 characters
    keep = KeepReferences(str(tmp_path / "models/reference.bin"), min_probability=0.5).prepare()
    share = np.mean([isinstance(keep(document), Document) for document in turned])
    assert report["curve"][50]["kept"] == pytest.approx(share)


def test_no_more_pages_than_asked_for_are_sampled(tmp_path: Path) -> None:
    step = TrainReferences(sample_pages=40)
    found = candidates(tmp_path, crawl(), step)
    assert train(tmp_path, step, found).statistics["sample_pages"] == 40


def test_the_model_does_not_depend_on_the_cut_into_parts(tmp_path: Path) -> None:
    step, before = TrainReferences(sample_pages=60), (KeepEvenPages(),)
    whole = candidates(tmp_path, crawl(), step)
    train(tmp_path, step, whole, before=before)
    of_whole = [(tmp_path / path).read_bytes() for path in WRITTEN]
    found = pq.read_table(tmp_path / whole)
    for name, rows in (("b", found.slice(0, 33)), ("a", found.slice(33))):
        pq.write_table(rows, tmp_path / f"work/{name}.parquet")
    train(tmp_path, step, "work/a.parquet", "work/b.parquet", before=before)
    assert of_whole == [(tmp_path / path).read_bytes() for path in WRITTEN]


@pytest.mark.parametrize(
    "wrong", [{"max_pages_per_host": 0}, {"sample_pages": 0}, {"held_out_fraction": 0.0}]
)
def test_parameters_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TrainReferences(**wrong)  # type: ignore[arg-type]
