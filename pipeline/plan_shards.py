"""The nodes that make the token shards of a run: the validation split, and for each source encode, shards, index."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pipeline.encode import (
    EncodePart,
    GatherShard,
    IndexShards,
    encode_part,
    gather_shard,
    index_path,
    index_shards,
)
from pipeline.make_tokenizer import TOKENIZER_PATH
from pipeline.parts import part_name
from pipeline.plan import Done, Node
from pipeline.plan_tokenizer import FERTILITY, TOKENIZER
from pipeline.settings import Settings
from pipeline.tasks import Task
from pipeline.validation_split import (
    CollectCandidates,
    DecideValidation,
    JoinCandidates,
    SearchTraining,
    collect_candidates,
    decide_validation,
    join_candidates,
    search_training,
)
from tokenizer.order import SPLITS
from tokenizer.shard_index import BatchEntries, ShardEntry
from tokenizer.shards import shard_name

CANDIDATES, JOIN, SEARCH, VALIDATION = (
    f"validation/{what}" for what in ("candidates", "join", "search", "decide")
)


@dataclass(frozen=True)
class ShardMaking:
    """`finals`: source -> its last pass. `final_parts`: (path, SHA-256) of the parts of a source and its last pass."""

    settings: Settings
    finals: Mapping[str, str]
    done: Done
    final_parts: Callable[[str, str], list[tuple[str, str]]]

    def nodes(self) -> list[Node]:
        after = tuple(self.finals.values())
        nodes = [
            Node(CANDIDATES, after, self._candidate_tasks),
            Node(JOIN, (CANDIDATES,), self._join_tasks),
            Node(SEARCH, (JOIN,), self._search_tasks),
            Node(VALIDATION, (SEARCH,), self._decide_tasks),
        ]
        for source, final in self.finals.items():
            encode, gather = f"{source}/encode", f"{source}/shards"
            nodes += [
                Node(encode, (TOKENIZER, FERTILITY, VALIDATION, final), partial(self._encode_tasks, source)),
                Node(gather, (encode,), partial(self._gather_tasks, source)),
                Node(f"{source}/index", (gather,), partial(self._index_tasks, source)),
            ]
        return nodes

    def _parts(self) -> list[tuple[str, str, str, str]]:
        """(source, name, path, SHA-256) of all final parts."""
        return [
            (source, f"{source}-{number:05d}", path, sha)
            for source, final in self.finals.items()
            for number, (path, sha) in enumerate(self.final_parts(source, final))
        ]

    def _of_source(self, node: str, source: str) -> dict[str, str]:
        return self.done.all_outputs(node, f"work/{node}/{source}-")

    def _candidate_tasks(self) -> list[Task]:
        fraction, made = self.settings.shards.validation_fraction, []
        for source, name, path, sha in self._parts():
            work = CollectCandidates(source, path, f"work/{CANDIDATES}/{name}.arrow", fraction)
            made.append(Task(CANDIDATES, name, collect_candidates, work, {path: sha}))
        return made

    def _join_tasks(self) -> list[Task]:
        candidates = {source: tuple(self._of_source(CANDIDATES, source)) for source in self.finals}
        clusters = {source: f"work/{JOIN}/{source}-clusters.arrow" for source in self.finals}
        work = JoinCandidates(candidates, f"work/{JOIN}/keys.arrow", clusters)
        return [Task(JOIN, "keys", join_candidates, work, self.done.all_outputs(CANDIDATES))]

    def _search_tasks(self) -> list[Task]:
        keys = self.done.all_outputs(JOIN, f"work/{JOIN}/keys.arrow")
        (keys_path,) = keys
        fraction, made = self.settings.shards.validation_fraction, []
        for source, name, path, sha in self._parts():
            work = SearchTraining(source, path, keys_path, f"work/{SEARCH}/{name}.bin", fraction)
            made.append(Task(SEARCH, name, search_training, work, {path: sha, **keys}))
        return made

    def _decide_tasks(self) -> list[Task]:
        found = self.done.all_outputs(SEARCH)
        clusters = {source: next(iter(self._of_source(JOIN, source))) for source in self.finals}
        moved = {source: f"work/{VALIDATION}/{source}-moved.bin" for source in self.finals}
        reads = {**found, **self.done.all_outputs(JOIN)}
        work = DecideValidation(clusters, tuple(found), moved)
        return [Task(VALIDATION, "split", decide_validation, work, reads)]

    def _shard_counts(self, source: str) -> dict[str, int]:
        """How many shards of about `shards.tokens` each split gets: by the tokens that the fertility foretells."""
        final, settings = self.done.statistics(self.finals[source]), self.settings.shards
        (fertility,) = self.done.statistics(FERTILITY)
        bytes_per_token = (
            fertility["sources"][source]["bytes_per_token"] or fertility["total"]["bytes_per_token"]
        )
        size, documents = (sum(s[name] for s in final) for name in ("bytes", "documents"))
        tokens = 2 * documents + (size / bytes_per_token if size else 0)
        share = {"train": 1 - settings.validation_fraction, "validation": settings.validation_fraction}
        return {split: max(1, math.ceil(tokens * share[split] / settings.tokens)) for split in SPLITS}

    def _encode_tasks(self, source: str) -> list[Task]:
        step, seed = f"{source}/encode", self.settings.seed
        parts, shards = self.final_parts(source, self.finals[source]), self._shard_counts(source)
        moved = self._of_source(VALIDATION, source)
        (moved_path,) = moved
        reads, fraction = (
            {**self.done.all_outputs(TOKENIZER, TOKENIZER_PATH), **moved},
            self.settings.shards.validation_fraction,
        )
        made = []
        for number, (path, sha) in enumerate(parts):
            part = part_name(number, len(parts))
            output = f"work/{step}/{part}.arrow"
            work = EncodePart(source, path, number, output, shards, fraction, moved_path, seed)
            made.append(Task(step, part, encode_part, work, {path: sha, **reads}))
        return made

    def _gather_tasks(self, source: str) -> list[Task]:
        encode, step = f"{source}/encode", f"{source}/shards"
        model, digests = self.done.all_outputs(TOKENIZER, TOKENIZER_PATH), self.done.all_outputs(encode)
        slices: dict[tuple[str, int], dict[str, list[int]]] = {}  # shard -> encoded part -> its batches
        for marker in self.done.markers[encode]:
            (path,) = marker["outputs"]
            for number, (split, shard) in enumerate(marker["statistics"]["slices"]):
                slices.setdefault((split, shard), {}).setdefault(path, []).append(number)
        made = []
        for split, shards in self._shard_counts(source).items():
            for shard in range(shards):
                parts = slices.get((split, shard), {})
                encoded = tuple((path, tuple(numbers)) for path, numbers in parts.items())
                reads = {**model, **{path: digests[path] for path in parts}}
                name = shard_name(split, shard, shards)
                work = GatherShard(source, split, encoded, f"shards/{source}/{name}")
                made.append(Task(step, name.removesuffix(".arrow"), gather_shard, work, reads))
        return made

    def _index_tasks(self, source: str) -> list[Task]:
        gather = f"{source}/shards"
        splits: dict[str, list[ShardEntry]] = {split: [] for split in SPLITS}
        for marker in self.done.markers[gather]:
            ((path, written),) = marker["outputs"].items()
            batches = {name: tuple(values) for name, values in marker["statistics"]["batches"].items()}
            entry = ShardEntry(path.rpartition("/")[2], written["bytes"], BatchEntries(**batches))
            splits[entry.name.partition("-")[0]].append(entry)
        work = IndexShards(source, {split: tuple(e) for split, e in splits.items()}, index_path(source))
        reads = {**self.done.all_outputs(TOKENIZER, TOKENIZER_PATH), **self.done.all_outputs(gather)}
        return [Task(f"{source}/index", "index", index_shards, work, reads)]
