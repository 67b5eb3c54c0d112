"""All nodes of a run: models, the sources, the models trained on them, tokenizer, encoding and shards."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from classifiers.language_id import find_model
from mixtures.mixture import Mixture
from pipeline import files
from pipeline.decontamination import benchmark_paths, gather_task, hits_node
from pipeline.given_models import check_models
from pipeline.inputs import Input
from pipeline.model_files import (
    BAD_WORDS_PATH,
    EXTRACTION_PATH,
    LANGUAGE_ID_PATH,
    LM_FOLDER,
    MODELS_NODE,
    REFERENCE_PATH,
    CopyModel,
    copy_model,
)
from pipeline.plan import Done, Node, documents_folder
from pipeline.plan_references import ReferenceTraining
from pipeline.plan_shards import ShardMaking
from pipeline.plan_source import SourcePlan, plan_source
from pipeline.plan_tokenizer import TokenizerMaking
from pipeline.recipes import SourceRecipe, Step
from pipeline.settings import NONE, TRAIN, Settings, UsageError
from pipeline.tasks import Task
from pipeline.train_models import (
    TrainLanguageModel,
    TrainPerplexity,
    TrainReferences,
    train_one_language,
)
from stages.decontamination import Decontaminate
from stages.extraction.weights import PROFILES
from stages.language import KeepLanguage

DOCUMENTS = "documents"


@dataclass(frozen=True)
class RunPlan:
    nodes: tuple[Node, ...]
    sources: Mapping[str, SourcePlan]

    def needed_for(self, only: str | None) -> list[Node]:
        """All nodes, or those of one source or step and everything that they wait for; `documents` and
        `documents/<source>` are the last passes, so everything before tokenizer and shards.

        Raises UsageError for a name that is no node.
        """
        if only is None:
            return list(self.nodes)
        by_name = {node.name: node for node in self.nodes}
        finals = {f"{DOCUMENTS}/{source}": plan.final for source, plan in self.sources.items()}
        if only == DOCUMENTS:
            waiting = list(finals.values())
        elif only in finals:
            waiting = [finals[only]]
        else:
            waiting = [n for n in by_name if n == only or n.startswith(f"{only}/")]
        if not waiting:
            names = [DOCUMENTS, *finals, *by_name]
            wholes = sorted({name.partition("/")[0] for name in names})
            close = difflib.get_close_matches(only, [*wholes, *names], n=3)
            near = (
                f"did you mean {' or '.join(close)}?"
                if close
                else f"known: {', '.join(wholes)}, and their steps as llama-corpus status lists them"
            )
            raise UsageError(f"--only {only}: no such step; {near}")
        needed: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(by_name[name].after)
        return [node for node in self.nodes if node.name in needed]


class RunPlanner:
    def __init__(
        self,
        settings: Settings,
        recipes: Mapping[str, SourceRecipe],
        inputs: Mapping[str, Sequence[Input]],
        mixture: Mixture,
        done: Done,
    ) -> None:
        self._settings, self._recipes, self._inputs = settings, recipes, inputs
        self._mixture, self._done = mixture, done
        self._sources: dict[str, SourcePlan] = {}

    def plan(self) -> RunPlan:
        for source in sorted(
            self._recipes, key=lambda s: s != "wikipedia"
        ):  # others learn from its last pass
            self._sources[source] = plan_source(
                source,
                self._recipes[source],
                self._inputs[source],
                self._settings.removed_characters,
                self._done,
                partial(self._train_nodes, source),
            )
        sources = {source: self._sources[source] for source in self._recipes}
        finals = {source: plan.final for source, plan in sources.items()}
        nodes = [self._models_node()]
        nodes += [node for plan in sources.values() for node in plan.nodes]
        nodes += [hits_node(source, finals[source], self._done) for source in self._searched()]
        nodes += TokenizerMaking(self._settings, self._mixture, finals, self._done, self._final_parts).nodes()
        nodes += ShardMaking(self._settings, finals, self._done, self._final_parts).nodes()
        return RunPlan(tuple(nodes), sources)

    def _models_node(self) -> Node:
        """Copies the models that the configuration names, and lid.176 where a step identifies languages."""
        models, copies = self._settings.models, []
        if any(isinstance(s, KeepLanguage) for recipe in self._recipes.values() for s in recipe.steps):
            given = models.language_id
            try:
                found_model = find_model(None if given is None else self._settings.path(given))
            except ValueError as error:
                raise UsageError(str(error)) from error
            copies.append((found_model, LANGUAGE_ID_PATH))
        if models.lm not in (TRAIN, NONE):
            folder = self._settings.path(models.lm)
            found = files.match(folder, "*")
            if not found:
                raise UsageError(f"models.lm: {folder} is not a folder with language models")
            copies += [(path, f"{LM_FOLDER}/{os.path.basename(path)}") for path in found]
        if models.reference not in (TRAIN, NONE):
            path = self._settings.path(models.reference)
            if not files.exists(path):
                raise UsageError(
                    f"models.reference: {path} is not there; name a fastText model file or `train`"
                )
            copies.append((path, REFERENCE_PATH))
        if models.bad_words != NONE:
            path = self._settings.path(models.bad_words)
            if not files.exists(path):
                raise UsageError(f"models.bad_words: {path} is not there; name a list, one word a line")
            copies.append((path, BAD_WORDS_PATH))
        if models.extraction not in PROFILES:
            path = self._settings.path(models.extraction)
            if not files.exists(path):
                raise UsageError(
                    f"models.extraction: {path} is not there; name a file, {' or '.join(PROFILES)}"
                )
            copies.append((path, EXTRACTION_PATH))
        check_models(self._recipes, {output: path for path, output in copies})
        benchmarks = benchmark_paths(self._settings) if self._searched() else []

        def make() -> list[Task]:
            return [
                Task(
                    MODELS_NODE,
                    os.path.basename(output),
                    copy_model,
                    CopyModel(path, output),
                    {os.path.basename(path): files.sha256_of(path).sha256},
                )
                for path, output in copies
            ] + ([gather_task(benchmarks)] if benchmarks else [])

        return Node(MODELS_NODE, (), make, owns=LM_FOLDER if models.lm not in (TRAIN, NONE) else "")

    def _searched(self) -> list[str]:
        """The sources that are searched for benchmarks."""
        return [
            source
            for source, recipe in self._recipes.items()
            if any(isinstance(step, Decontaminate) for step in recipe.steps)
        ]

    def _final_parts(self, source: str, node: str) -> list[tuple[str, str]]:
        """(path, SHA-256) of the final parts of a source, in order."""
        parts: list[tuple[str, str]] = []
        for outputs in self._done.outputs(node, documents_folder(source)):
            parts.extend(outputs.items())
        return parts

    def _train_nodes(self, source: str, name: str, step: Step, pages: str) -> list[Node]:
        if isinstance(step, TrainPerplexity):
            return [self._language_models_node(source, name, step, pages)]
        assert isinstance(step, TrainReferences)
        training = ReferenceTraining(
            source,
            name,
            step,
            pages,
            self._wikipedia_node(),
            self._recipes[source],
            self._settings.seed,
            self._done,
        )
        return training.nodes()

    def _wikipedia_node(self) -> str:
        """The last pass over Wikipedia, which both trained models need."""
        if "wikipedia" not in self._recipes:
            raise UsageError(
                "models: `train` learns from Wikipedia, which is not among the sources; "
                "add sources.wikipedia, name a model, or write `none` to leave the step out"
            )
        return self._sources["wikipedia"].final

    def _language_models_node(self, source: str, name: str, step: TrainPerplexity, pages: str) -> Node:
        node, wikipedia = f"{source}/{name}", self._wikipedia_node()
        wanted = next(s.languages for s in self._recipes[source].steps if isinstance(s, KeepLanguage))

        def make() -> list[Task]:
            articles = self._final_parts("wikipedia", wikipedia)
            by_part = [s["languages"] for s in self._done.statistics(wikipedia)]
            page_parts = [next(iter(o.items())) for o in self._done.outputs(pages, f"work/{pages}/")]
            page_languages = [s["languages"] for s in self._done.statistics(pages)]
            languages = sorted({language for found in by_part for language in found})
            made = []
            for language in languages:
                if wanted is not None and language not in wanted:
                    continue
                own = [part for part, found in zip(articles, by_part, strict=True) if language in found]
                crawled = [
                    p for p, found in zip(page_parts, page_languages, strict=True) if language in found
                ]
                if not crawled:
                    continue
                work = TrainLanguageModel(
                    step,
                    language,
                    tuple(p for p, _ in own),
                    tuple(p for p, _ in crawled),
                    self._settings.seed,
                )
                made.append(Task(node, language, train_one_language, work, dict(own + crawled)))
            return made

        return Node(node, (wikipedia, pages), make, owns=LM_FOLDER)
