"""The nodes of one source: its recipe cut into passes over the parts, with what comes between them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline import files
from pipeline.curate import NamedStage, Pass, RawInput, curate_part
from pipeline.inputs import Input
from pipeline.model_files import MODELS_NODE, model_prefix, with_model_path
from pipeline.parts import part_name, work_part_name
from pipeline.plan import Done, Node, documents_folder
from pipeline.plan_duplicates import DuplicateSearch
from pipeline.recipes import DuplicateStep, SourceRecipe, Step
from pipeline.settings import UsageError
from pipeline.tasks import Task
from pipeline.train_models import TrainPerplexity, TrainReferences
from stages.sources.github import Github
from stages.stage import RangeReader, Reader

MAX_RANGES = 100_000  # of a file: as many tasks; of the largest dump in bz2, 200 GB, ranges of 2 MB
GITHUB_COMPANIONS = re.compile(r"(^|/)(files|licenses|languages)-[^/]*\.(parquet|avro|jsonl?(\.gz)?)$")


@dataclass(frozen=True)
class SourcePlan:
    """The nodes of one source, the names of its passes, the last of which writes its final parts, and the files with
    the numbers of the parts that are made of each, in their order."""

    nodes: tuple[Node, ...]
    passes: tuple[str, ...]
    inputs: tuple[tuple[Input, range], ...]

    @property
    def final(self) -> str:
        return self.passes[-1]


@dataclass(frozen=True)
class _Piece:
    """What one part is made of: a file, or a range of its bytes."""

    of: Input
    span: tuple[int, int] | None = None


def _pieces(source: str, of: Input, reader: Reader) -> list[_Piece]:
    """The file as a whole, or in ranges of the reader's `range_bytes` when it is longer."""
    if not isinstance(reader, RangeReader) or of.bytes <= reader.range_bytes:
        return [_Piece(of)]
    size = reader.range_bytes
    if of.bytes > MAX_RANGES * size:
        raise UsageError(
            f"sources.{source}.steps.read.range_bytes: {size} cuts {of.name} into over {MAX_RANGES} ranges; raise it"
        )
    return [_Piece(of, (at, min(at + size, of.bytes))) for at in range(0, of.bytes, size)]


class _SourcePlanner:
    """Cuts the steps of a source into passes at the steps that need all documents at once."""

    def __init__(
        self,
        source: str,
        recipe: SourceRecipe,
        inputs: Sequence[Input],
        removed_characters: int | None,
        done: Done,
    ) -> None:
        self._source, self._recipe, self._done = source, recipe, done
        self._removed_characters = removed_characters
        companions = [i for i in inputs if source == "github" and GITHUB_COMPANIONS.search(i.name)]
        self._companions = {i.name: i.checksum for i in companions}
        self._companion_paths = tuple(i.path for i in companions)
        self._inputs = [i for i in inputs if i not in companions]
        self._pieces: list[_Piece] = []
        self._parts: list[range] = []  # of each input
        for one in self._inputs:
            first = len(self._pieces)
            self._pieces += _pieces(source, one, recipe.reader)
            self._parts.append(range(first, len(self._pieces)))
        self._count = len(self._pieces)
        if not self._inputs:
            raise UsageError(
                f"sources.{source}.inputs: {companions[0].name} is only read beside contents-*; name that too"
            )
        self.nodes: list[Node] = []
        self.passes: list[str] = []

    def plan(self, train_nodes: Callable[[str, Step, str], list[Node]]) -> SourcePlan:
        """`train_nodes(name, step, pages)` gives the nodes of a training step that reads the parts of node `pages`;
        the last of them is what the next pass waits for."""
        pending: list[tuple[str, Step]] = []
        drop: tuple[str, DuplicateSearch] | None = None
        after: tuple[str, ...] = (MODELS_NODE,)
        for name, step in self._recipe.named():
            if isinstance(step, DuplicateStep):
                search = self._search(name, step, pending, drop, after)
                pending, drop, after = [], (name, search), (search.nodes()[-1].name,)
            elif isinstance(step, TrainPerplexity | TrainReferences):
                if pending or drop or not self.passes:
                    self._add_pass(pending, drop, after, keys=None, final=False)
                    pending, drop, after = [], None, (self.passes[-1],)
                nodes = train_nodes(name, step, self.passes[-1])
                self.nodes.extend(nodes)
                after = (*after, nodes[-1].name)
            else:
                pending.append((name, step))
        self._add_pass(pending, drop, after, keys=None, final=True)
        inputs = tuple(zip(self._inputs, self._parts, strict=True))
        return SourcePlan(tuple(self.nodes), tuple(self.passes), inputs)

    def _search(
        self,
        name: str,
        rule: DuplicateStep,
        stages: Sequence[tuple[str, Step]],
        drop: tuple[str, DuplicateSearch] | None,
        after: tuple[str, ...],
    ) -> DuplicateSearch:
        """Adds the pass that writes the keys, and the nodes of the search over them."""
        read = self._pass_name(stages, drop)
        search = DuplicateSearch(self._source, name, rule, read, self._count, self._done)
        self._add_pass(stages, drop, after, keys=(rule, search), final=False)
        self.nodes.extend(search.nodes())
        return search

    def _pass_name(self, stages: Sequence[tuple[str, Step]], drop: tuple[str, DuplicateSearch] | None) -> str:
        first = "read" if not self.passes else drop[0] if drop else stages[0][0]
        return f"{self._source}/{first}"

    def _add_pass(
        self,
        stages: Sequence[tuple[str, Step]],
        drop: tuple[str, DuplicateSearch] | None,
        after: tuple[str, ...],
        keys: tuple[DuplicateStep, DuplicateSearch] | None,
        final: bool,
    ) -> None:
        name = self._pass_name(stages, drop)
        folder = documents_folder(self._source) if final else f"work/{name}"
        before = self.passes[-1] if self.passes else None
        wait = after if before is None else (before, *after)

        def make() -> list[Task]:
            models: dict[str, str] = {}
            named = []
            for stage_name, stage in stages:
                model = self._done.models(model_prefix(stage))
                models.update(model)
                named.append(NamedStage(stage_name, with_model_path(stage), tuple(model.values())))
            parts = self._done.outputs(before, f"work/{before}/") if before is not None else []
            drops = drop[1].drops() if drop else []
            made = []
            for number in range(self._count):
                reads = dict(models)
                given = self._raw(number, reads) if before is None else next(iter(parts[number]))
                if before is not None:
                    reads.update(parts[number])
                verdicts = None
                if drops:
                    verdicts, written = drops[number]
                    reads.update(written)
                part = part_name(number, self._count) if final else work_part_name(number)
                work = Pass(
                    source=self._source,
                    folder=folder,
                    part=part,
                    given=given,
                    stages=tuple(named),
                    drops=verdicts,
                    drop_step=drop[0] if drop else "",
                    keys=keys[0] if keys else None,
                    keys_path=keys[1].keys_path(number) if keys else "",
                    removed_characters=self._removed_characters,
                )
                made.append(Task(name, part, curate_part, work, reads))
            return made

        self.nodes.append(Node(name, tuple(dict.fromkeys(wait)), make))
        self.passes.append(name)

    def _raw(self, number: int, reads: dict[str, str]) -> RawInput:
        piece = self._pieces[number]
        source_input = piece.of
        reads[source_input.name] = source_input.checksum
        reads.update(self._companions)
        reads.update(self._done.models(model_prefix(self._recipe.reader)))
        return RawInput(source_input.path, source_input.name, self._reader(source_input), piece.span)

    def _reader(self, source_input: Input) -> Reader:
        """The source's reader; a table of file contents gets the tables that lie beside it."""
        reader = self._recipe.reader
        if not isinstance(reader, Github) or not self._companion_paths:
            return reader
        folder = os.path.dirname(source_input.path)
        beside = [p for p in self._companion_paths if os.path.dirname(p) == folder]
        return dataclasses.replace(
            reader,
            open_file=files.open_binary,
            files=tuple(p for p in beside if os.path.basename(p).startswith("files-")),
            licenses=tuple(p for p in beside if os.path.basename(p).startswith("licenses-")),
            repository_languages=tuple(p for p in beside if os.path.basename(p).startswith("languages-")),
        )


def plan_source(
    source: str,
    recipe: SourceRecipe,
    inputs: Sequence[Input],
    removed_characters: int | None,
    done: Done,
    train_nodes: Callable[[str, Step, str], list[Node]],
) -> SourcePlan:
    """The nodes of one source. The final parts are `documents/<source>/part-00000-of-00016.parquet`: one an input, or
    one a range of an input that is longer than its reader takes at once."""
    return _SourcePlanner(source, recipe, inputs, removed_characters, done).plan(train_nodes)
