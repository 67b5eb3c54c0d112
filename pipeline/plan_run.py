"""All nodes of a run: models, the sources, the models trained on them, tokenizer, encoding and shards."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from classifiers.language_id import find_model
from mixtures.mixture import Mixture
from pipeline import files
from pipeline.encode import (
    TOKENIZER_PATH,
    EncodePart,
    GatherShard,
    SampleTexts,
    TrainTokenizer,
    encode_part,
    gather_shard,
    sample_texts,
    train_tokenizer_on_samples,
)
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
from pipeline.parts import part_name
from pipeline.plan import Done, Node, documents_folder
from pipeline.plan_references import ReferenceTraining
from pipeline.plan_source import SourcePlan, plan_source
from pipeline.recipes import SourceRecipe, Step
from pipeline.settings import NONE, TRAIN, Settings, UsageError
from pipeline.tasks import Task
from pipeline.train_models import (
    TrainLanguageModel,
    TrainPerplexity,
    TrainReferences,
    train_one_language,
)
from stages.extraction.weights import PROFILES
from stages.language import KeepLanguage
from tokenizer.order import SPLITS
from tokenizer.shards import shard_name

TOKENIZER_SAMPLE, TOKENIZER = "tokenizer/sample", "tokenizer/train"
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
            raise UsageError(
                f"--only {only}: no such step; known: {', '.join([DOCUMENTS, *finals, *by_name])}"
            )
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
        nodes += self._tokenizer_nodes(finals)
        for source, final in finals.items():
            nodes += self._shard_nodes(source, final)
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
            ]

        return Node(MODELS_NODE, (), make, owns=LM_FOLDER if models.lm not in (TRAIN, NONE) else "")

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

    def _tokenizer_nodes(self, finals: Mapping[str, str]) -> list[Node]:
        settings = self._settings.tokenizer
        if settings.model is not None:
            path = self._settings.path(settings.model)
            if not files.exists(path):
                raise UsageError(f"tokenizer.model: {path} is not there; leave it out to train one")

            def copy() -> list[Task]:
                reads = {os.path.basename(path): files.sha256_of(path).sha256}
                return [Task(TOKENIZER, "model", copy_model, CopyModel(path, TOKENIZER_PATH), reads)]

            return [Node(TOKENIZER, (), copy)]

        def sample() -> list[Task]:
            sizes = {s: sum(x["bytes"] for x in self._done.statistics(node)) for s, node in finals.items()}
            weights = self._mixture.present(sizes)
            made = []
            for source, node in finals.items():
                fraction = min(1.0, weights[source] * settings.sample_bytes / max(sizes[source], 1))
                for number, (path, sha) in enumerate(self._final_parts(source, node)):
                    output = f"work/{TOKENIZER_SAMPLE}/{source}/{number:05d}.parquet"
                    work = SampleTexts(source, path, output, fraction, self._settings.seed)
                    made.append(
                        Task(TOKENIZER_SAMPLE, f"{source}-{number:05d}", sample_texts, work, {path: sha})
                    )
            return made

        def train() -> list[Task]:
            samples = self._done.all_outputs(TOKENIZER_SAMPLE)
            work = TrainTokenizer(tuple(samples), settings.vocabulary)
            return [Task(TOKENIZER, "model", train_tokenizer_on_samples, work, samples)]

        return [
            Node(TOKENIZER_SAMPLE, tuple(finals.values()), sample),
            Node(TOKENIZER, (TOKENIZER_SAMPLE,), train),
        ]

    def _shard_nodes(self, source: str, final: str) -> list[Node]:
        encode, gather = f"{source}/encode", f"{source}/shards"
        settings, seed = self._settings.shards, self._settings.seed

        def counts() -> dict[str, int]:
            size = sum(s["bytes"] for s in self._done.statistics(final))
            share = {"train": 1 - settings.validation_fraction, "validation": settings.validation_fraction}
            return {
                split: max(1, math.ceil(size * share[split] / settings.document_bytes)) for split in SPLITS
            }

        def encode_tasks() -> list[Task]:
            model = self._done.all_outputs(TOKENIZER, TOKENIZER_PATH)
            parts, shards = self._final_parts(source, final), counts()
            made = []
            for number, (path, sha) in enumerate(parts):
                part = part_name(number, len(parts))
                output = f"work/{encode}/{part}.arrow"
                work = EncodePart(source, path, number, output, shards, settings.validation_fraction, seed)
                made.append(Task(encode, part, encode_part, work, {path: sha, **model}))
            return made

        def gather_tasks() -> list[Task]:
            model = self._done.all_outputs(TOKENIZER, TOKENIZER_PATH)
            slices: dict[tuple[str, int], dict[str, list[int]]] = {}  # shard -> encoded part -> its batches
            digests = self._done.all_outputs(encode)
            for marker in self._done.markers[encode]:
                (path,) = marker["outputs"]
                for number, (split, shard) in enumerate(marker["statistics"]["slices"]):
                    slices.setdefault((split, shard), {}).setdefault(path, []).append(number)
            made = []
            for split, shards in counts().items():
                for shard in range(shards):
                    parts = slices.get((split, shard), {})
                    encoded = tuple((path, tuple(numbers)) for path, numbers in parts.items())
                    reads = {**model, **{path: digests[path] for path in parts}}
                    name = shard_name(split, shard, shards)
                    work = GatherShard(source, split, encoded, f"shards/{source}/{name}")
                    made.append(Task(gather, name.removesuffix(".arrow"), gather_shard, work, reads))
            return made

        return [Node(encode, (TOKENIZER, final), encode_tasks), Node(gather, (encode,), gather_tasks)]
