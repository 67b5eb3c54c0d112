"""The nodes that make the tokenizer of a run: sample, training (or a given model), measurement of its fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mixtures.mixture import Mixture
from pipeline import files
from pipeline.make_tokenizer import (
    TOKENIZER_PATH,
    FertilityPart,
    GivenTokenizer,
    MeasureFertility,
    SampleTexts,
    SourceSample,
    TrainTokenizer,
    measure_fertility,
    sample_texts,
    take_tokenizer,
    train_tokenizer_on_samples,
)
from pipeline.plan import Done, Node
from pipeline.settings import Settings, UsageError
from pipeline.tasks import Task
from tokenizer.sentencepiece_model import load_model

SAMPLE, TOKENIZER, FERTILITY = "tokenizer/sample", "tokenizer/train", "tokenizer/fertility"
FERTILITY_PARTS, FERTILITY_BYTES = 64, 4_000_000  # of each source: as many parts as the report looks into


@dataclass(frozen=True)
class TokenizerMaking:
    """`finals`: source -> its last pass. `final_parts`: (path, SHA-256) of the parts of a source and its last pass."""

    settings: Settings
    mixture: Mixture
    finals: Mapping[str, str]
    done: Done
    final_parts: Callable[[str, str], list[tuple[str, str]]]

    def nodes(self) -> list[Node]:
        """UsageError when a given model is not there or unlike LLaMA's."""
        after = tuple(self.finals.values())
        named = self.settings.tokenizer.reference
        reference = None if named is None else self._checked(named, "reference", "leave it out")
        fertility = Node(FERTILITY, (TOKENIZER, *after), partial(self._fertility_tasks, reference))
        given = self.settings.tokenizer.model
        if given is not None:
            return [self._given_node(given), fertility]
        return [
            Node(SAMPLE, after, self._sample_tasks),
            Node(TOKENIZER, (SAMPLE,), self._train_tasks),
            fertility,
        ]

    def _sizes(self) -> dict[str, int]:
        """Bytes of text of each source."""
        return {s: sum(x["bytes"] for x in self.done.statistics(node)) for s, node in self.finals.items()}

    def _wanted(self) -> dict[str, int]:
        """Bytes of each source that are wanted: its share of the sample, whether it has as much or not."""
        shares, budget = self.mixture.present(self._sizes()), self.settings.tokenizer.sample_bytes
        return {source: int(share * budget) for source, share in shares.items()}

    def _sample_tasks(self) -> list[Task]:
        wanted, sizes, made = self._wanted(), self._sizes(), []
        for source, node in self.finals.items():
            fraction = min(1.0, wanted[source] / max(sizes[source], 1))
            for number, (path, sha) in enumerate(self.final_parts(source, node)):
                output = f"work/{SAMPLE}/{source}/{number:05d}.parquet"
                work = SampleTexts(source, path, output, fraction, self.settings.seed)
                made.append(Task(SAMPLE, f"{source}-{number:05d}", sample_texts, work, {path: sha}))
        return made

    def _train_tasks(self) -> list[Task]:
        wanted, reads = self._wanted(), self.done.all_outputs(SAMPLE)
        found = list(zip(reads, self.done.statistics(SAMPLE), strict=True))
        sources = {}
        for source in self.finals:
            own = [(p, s) for p, s in found if p.startswith(f"work/{SAMPLE}/{source}/")]
            documents, size = (sum(s[name] for _, s in own) for name in ("documents", "bytes"))
            sources[source] = SourceSample(wanted[source], documents, size, tuple(p for p, _ in own))
        work = TrainTokenizer(sources, self.settings.tokenizer.vocabulary)
        return [Task(TOKENIZER, "model", train_tokenizer_on_samples, work, reads)]

    def _given_node(self, model: str) -> Node:
        """Takes over the model that the configuration names, which is looked at before anything runs."""
        path = self._checked(model, "model", "leave it out to train one")

        def take() -> list[Task]:
            reads = {os.path.basename(path): files.sha256_of(path).sha256}
            return [Task(TOKENIZER, "model", take_tokenizer, GivenTokenizer(path), reads)]

        return Node(TOKENIZER, (), take)

    def _checked(self, given: str, key: str, way_out: str) -> str:
        """The path of a model that the configuration names; UsageError when it cannot be used."""
        path = self.settings.path(given)
        if not files.exists(path):
            raise UsageError(f"tokenizer.{key}: {path} is not there; {way_out}")
        try:
            with files.local_copy(path) as local:
                load_model(local)
        except ValueError as error:
            raise UsageError(f"tokenizer.{key}: {error}") from error
        return path

    def _fertility_tasks(self, reference: str | None) -> list[Task]:
        """One task that measures the tokenizer, and a reference, on a few parts of each source, evenly spread."""
        sources, reads = {}, self.done.all_outputs(TOKENIZER, TOKENIZER_PATH)
        for source, node in self.finals.items():
            sizes = [s["bytes"] for s in self.done.statistics(node)]
            parts = list(zip(self.final_parts(source, node), sizes, strict=True))
            count = min(FERTILITY_PARTS, len(parts))
            chosen = [parts[i * len(parts) // count] for i in range(count)]
            fraction = min(1.0, FERTILITY_BYTES / max(1, sum(size for _, size in chosen)))
            sources[source] = tuple(FertilityPart(path, fraction) for (path, _), _ in chosen)
            reads.update(given for given, _ in chosen)
        if reference is not None:
            reads[os.path.basename(reference)] = files.sha256_of(reference).sha256
        work = MeasureFertility(sources, self.settings.seed, reference)
        return [Task(FERTILITY, "measure", measure_fertility, work, reads)]
