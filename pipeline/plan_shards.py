"""The nodes that make the token shards of a run: the validation split, and for each source encode, shards, index."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby

from pipeline.encode import (
    EncodeParts,
    GatherShard,
    IndexShards,
    encode_parts,
    encoded_path,
    gather_shard,
    index_path,
    index_shards,
)
from pipeline.make_tokenizer import TOKENIZER_PATH
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

# Groups of parts that are encoded together, where there are so many parts: more than a machine has cores.
MIN_GROUPS = 256
# Documents of a group in a shard, on average: a record batch of one tiny document is 500 bytes of frame.
DOCUMENTS_PER_BATCH = 8


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

    def _groups(self, source: str) -> list[list[int]]:
        """The parts of a source in consecutive groups of about as much text, one for each encoded file.

        About as many as shards, so that neither the tasks nor the opened files grow faster than the source; more when
        those are few, so that a small source is encoded by many; fewer when a group would have less than
        `DOCUMENTS_PER_BATCH` documents for a shard. The text of the source is cut into equal stretches, and the parts
        that begin in the same one are a group, so that a part of another size does not move all that follow.
        """
        found, shards = self.done.statistics(self.finals[source]), sum(self._shard_counts(source).values())
        size, documents = (sum(s[name] for s in found) for name in ("bytes", "documents"))
        groups = max(1, min(max(shards, MIN_GROUPS), documents // (DOCUMENTS_PER_BATCH * shards)))
        stretches = [
            before * groups // max(1, size) for before in accumulate((s["bytes"] for s in found), initial=0)
        ]
        return [list(group) for _, group in groupby(range(len(found)), key=stretches.__getitem__)]

    def _encode_tasks(self, source: str) -> list[Task]:
        step, settings = f"{source}/encode", self.settings
        parts, shards = self.final_parts(source, self.finals[source]), self._shard_counts(source)
        moved = self._of_source(VALIDATION, source)
        (moved_path,) = moved
        reads, made = {**self.done.all_outputs(TOKENIZER, TOKENIZER_PATH), **moved}, []
        for number, group in enumerate(self._groups(source)):
            own = dict(parts[part] for part in group)
            work = EncodeParts(
                source,
                tuple(own),
                group[0],
                encoded_path(f"work/{step}", number),
                shards,
                settings.shards.validation_fraction,
                moved_path,
                settings.seed,
            )
            made.append(Task(step, f"group-{number:05d}", encode_parts, work, {**own, **reads}))
        return made

    def _gather_tasks(self, source: str) -> list[Task]:
        encode, step = f"{source}/encode", f"{source}/shards"
        encoded, shards = self.done.all_outputs(encode), self._shard_counts(source)
        # Every shard has documents of nearly every file. One digest of them all stands for their names and digests,
        # which would be as many for each task as there are tasks.
        digest = hashlib.sha256(json.dumps(encoded, sort_keys=True).encode()).hexdigest()
        reads, made = {**self.done.all_outputs(TOKENIZER, TOKENIZER_PATH), f"work/{encode}": digest}, []
        for split, count in shards.items():
            for shard in range(count):
                name = shard_name(split, shard, count)
                output, folder = f"shards/{source}/{name}", f"work/{encode}"
                work = GatherShard(source, split, shard, shards, folder, len(encoded), output)
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
