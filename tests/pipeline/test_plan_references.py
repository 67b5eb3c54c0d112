"""The plan of the reference classifier: what each task reads, and how many pages are drawn."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model_files import LM_FOLDER
from pipeline.plan import Done, Node
from pipeline.plan_references import ReferenceTraining
from pipeline.recipes import RECIPES, SourceRecipe
from pipeline.train_models import TrainPerplexity, TrainReferences
from stages.perplexity import KeepPerplexity

NODE = "commoncrawl/train_references"
PAGES = "commoncrawl/drop_duplicate_lines"
LANGUAGE_MODEL = f"{LM_FOLDER}/en.arpa.bin"


def marker(statistics: dict[str, int], *outputs: str) -> dict[str, Any]:
    return {"outputs": {path: {"sha256": f"sha of {path}"} for path in outputs}, "statistics": statistics}


def nodes(
    parts: int = 3, pages: int = 100, cited: int = 20, recipe: SourceRecipe | None = None
) -> dict[str, Node]:
    """The nodes, in a run whose crawl has so many parts of so many pages, so many of them cited."""
    done = Done("run")
    done.markers = {
        "wikipedia/final": [marker({}, f"documents/wikipedia/{n}.parquet") for n in range(5)],
        PAGES: [marker({"documents": pages}, f"work/{PAGES}/{n}.parquet") for n in range(parts)],
        f"{NODE}/citations": [marker({}, f"work/{NODE}/citations/{n}.bin") for n in range(5)],
        f"{NODE}/merge": [marker({}, f"work/{NODE}/merge/citations.bin")],
        f"{NODE}/count": [marker({"cited": cited}) for _ in range(parts)],
        f"{NODE}/candidates": [marker({}, f"work/{NODE}/candidates/{n}.parquet") for n in range(parts)],
        "commoncrawl/train_perplexity": [marker({}, LANGUAGE_MODEL)],
    }
    training = ReferenceTraining(
        source="commoncrawl",
        name="train_references",
        step=TrainReferences(max_pages=15, sample_pages=6),
        pages=PAGES,
        wikipedia="wikipedia/final",
        recipe=recipe or RECIPES["llama1"]["commoncrawl"],
        seed=7,
        done=done,
    )
    return {node.name.removeprefix(f"{NODE}/"): node for node in training.nodes()}


def test_each_task_over_the_crawl_reads_its_part_and_one_file_of_citations() -> None:
    found = nodes()
    for name in ("count", "candidates"):
        for number, task in enumerate(found[name].make()):
            assert list(task.reads) == [f"work/{PAGES}/{number}.parquet", f"work/{NODE}/merge/citations.bin"]
            assert (task.descriptor.part, task.descriptor.citations) == tuple(task.reads)
    (merge,) = found["merge"].make()
    assert merge.descriptor.parts == tuple(merge.reads) and len(merge.reads) == 5


@pytest.mark.parametrize(
    ("pages", "cited", "shares"),
    [
        (100, 20, (0.5, 0.125, 0.04)),  # 30 of 60 cited, 30 of 240 others, 12 of 300 for the sample
        (100, 0, (1.0, 0.1, 0.04)),
        (100, 100, (0.1, 1.0, 0.04)),  # no other page is there to be drawn
        (2, 1, (1.0, 1.0, 1.0)),
    ],
)
def test_of_each_kind_twice_as_many_pages_are_drawn_as_can_be_used(
    pages: int, cited: int, shares: tuple[float, float, float]
) -> None:
    for task in nodes(pages=pages, cited=cited)["candidates"].make():
        work = task.descriptor
        assert (work.cited_fraction, work.fraction, work.sample_fraction) == shares


def test_cited_pages_are_counted_only_where_the_crawl_is_too_large_to_be_taken_whole() -> None:
    assert len(nodes(pages=10)["count"].make()) == 0
    assert len(nodes(pages=11)["count"].make()) == 3


def test_the_classifier_waits_for_the_language_models_that_its_pages_pass() -> None:
    train = nodes()["train"]
    assert train.after == (f"{NODE}/candidates", "commoncrawl/train_perplexity")
    (task,) = train.make()
    (step,) = task.descriptor.before
    assert isinstance(step, KeepPerplexity) and step.models == LM_FOLDER
    assert LANGUAGE_MODEL in task.reads and len(task.reads) == 4


def test_without_language_models_pages_reach_the_classifier_at_once() -> None:
    recipe = RECIPES["llama1"]["commoncrawl"]
    steps = [s for s in recipe.steps if not isinstance(s, TrainPerplexity | KeepPerplexity)]
    train = nodes(recipe=SourceRecipe(recipe.reader, tuple(steps)))["train"]
    assert train.after == (f"{NODE}/candidates",)
    (task,) = train.make()
    assert task.descriptor.before == () and len(task.reads) == 3
