"""The nodes that train the reference classifier on a source's own pages.

Citations of each part of Wikipedia, merged into one file; how many pages are cited, where the crawl is larger than what
can be trained on; candidates of each part of the crawl; and the model, which waits for the language models too, as what
its thresholds keep is counted on pages that pass these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model_files import model_prefix, with_model_path
from pipeline.plan import Done, Node, documents_folder
from pipeline.recipes import DuplicateStep, SourceRecipe, TrainStep
from pipeline.reference_candidates import (
    CountCited,
    FindCandidates,
    FindCitations,
    MergeCitations,
    count_cited,
    find_candidates,
    find_citations,
    merge_citations,
)
from pipeline.tasks import Task
from pipeline.train_models import TrainClassifier, TrainPerplexity, TrainReferences, train_classifier
from stages.references import KeepReferences
from stages.stage import ModelStage, Stage


@dataclass(frozen=True)
class ReferenceTraining:
    """`name` is that of `step` in the recipe; nodes `pages` and `wikipedia` write the parts of the crawl to learn from
    and those of Wikipedia."""

    source: str
    name: str
    step: TrainReferences
    pages: str
    wikipedia: str
    recipe: SourceRecipe
    seed: int
    done: Done

    def nodes(self) -> list[Node]:
        """The last of them writes the model."""
        language_models = [n for n, s in self.recipe.named() if isinstance(s, TrainPerplexity)]
        return [
            Node(self._node("citations"), (self.wikipedia,), self._find_citations),
            Node(self._node("merge"), (self._node("citations"),), self._merge),
            Node(self._node("count"), (self._node("merge"), self.pages), self._count),
            Node(self._node("candidates"), (self._node("count"),), self._find_candidates),
            Node(
                self._node("train"),
                (self._node("candidates"), *(f"{self.source}/{n}" for n in language_models)),
                self._train,
            ),
        ]

    def _node(self, name: str) -> str:
        return f"{self.source}/{self.name}/{name}"

    @property
    def _citations(self) -> str:
        return f"work/{self._node('merge')}/citations.bin"

    @property
    def _wanted(self) -> int:
        """Candidates of each kind: twice as many as are trained on, as some have equal texts or too common a host."""
        return 2 * self.step.max_pages

    def _crawl(self) -> list[tuple[str, str]]:
        """(path, SHA-256) of the parts of the crawl."""
        return [next(iter(o.items())) for o in self.done.outputs(self.pages, f"work/{self.pages}/")]

    def _total(self) -> int:
        return sum(s["documents"] for s in self.done.statistics(self.pages))

    def _find_citations(self) -> list[Task]:
        node, made = self._node("citations"), []
        articles = self.done.all_outputs(self.wikipedia, documents_folder("wikipedia"))
        for number, (path, sha) in enumerate(articles.items()):
            work = FindCitations(path, self.step.match, f"work/{node}/{number:05d}.bin")
            made.append(Task(node, f"{number:05d}", find_citations, work, {path: sha}))
        return made

    def _merge(self) -> list[Task]:
        found = self.done.all_outputs(self._node("citations"))
        work = MergeCitations(tuple(found), self._citations)
        return [Task(self._node("merge"), "citations", merge_citations, work, found)]

    def _count(self) -> list[Task]:
        """None where all pages are candidates."""
        if self._total() <= self._wanted:
            return []
        node, citations, made = self._node("count"), self.done.all_outputs(self._node("merge")), []
        for number, (path, sha) in enumerate(self._crawl()):
            work = CountCited(path, self.step.match, self._citations)
            made.append(Task(node, f"{number:05d}", count_cited, work, {path: sha, **citations}))
        return made

    def _find_candidates(self) -> list[Task]:
        total = self._total()
        cited = sum(s["cited"] for s in self.done.statistics(self._node("count")))
        cited_fraction = min(1.0, self._wanted / max(cited, 1))
        fraction = min(1.0, self._wanted / max(total - cited, 1))
        # Twice as many as are counted on, so that these, the first by hash, are there.
        sample_fraction = min(1.0, 2 * self.step.sample_pages / max(total, 1))
        node, citations, made = self._node("candidates"), self.done.all_outputs(self._node("merge")), []
        for number, (path, sha) in enumerate(self._crawl()):
            work = FindCandidates(
                self.step,
                path,
                self._citations,
                cited_fraction,
                fraction,
                sample_fraction,
                f"work/{node}/{number:05d}.parquet",
                self.seed,
            )
            made.append(Task(node, f"{number:05d}", find_candidates, work, {path: sha, **citations}))
        return made

    def _train(self) -> list[Task]:
        before = _before_classifier(self.recipe, self.name)
        found = self.done.all_outputs(self._node("candidates"))
        models = {p: sha for stage in before for p, sha in self.done.models(model_prefix(stage)).items()}
        work = TrainClassifier(self.step, tuple(found), before, self.seed)
        return [Task(self._node("train"), "model", train_classifier, work, {**found, **models})]


def _before_classifier(recipe: SourceRecipe, name: str) -> tuple[Stage | ModelStage, ...]:
    """The steps that a page passes between a training step and the classifier, with the paths of their models."""
    named: Sequence[tuple[str, object]] = recipe.named()
    stages: list[Stage | ModelStage] = []
    for _, step in named[[known for known, _ in named].index(name) + 1 :]:
        if isinstance(step, KeepReferences):
            break
        assert not isinstance(step, DuplicateStep), (
            "no duplicate search can lie between training and classifier"
        )
        if not isinstance(step, TrainStep):
            assert isinstance(step, Stage | ModelStage)
            stages.append(with_model_path(step))
    return tuple(stages)
