"""The nodes of a duplicate search, and where the verdicts on each part stand when it is done."""

from __future__ import annotations

import hashlib
import re
from functools import partial

from pipeline.duplicates import (
    DropFiles,
    DuplicateRule,
    GatherDrops,
    KeyRule,
    KeyWindow,
    SearchBuckets,
    gather_drops,
    key_path,
    search_buckets,
)
from pipeline.key_files import BUCKETS
from pipeline.largest_sites import KeepLargestSites, RankSites, rank_sites
from pipeline.near_duplicate_books import DropNearDuplicateBooks, SearchBooks, search_books
from pipeline.near_duplicates import DropNearDuplicates, JoinClusters, join_clusters, search_edges
from pipeline.plan import Done, Node
from pipeline.tasks import Task

# A search task reads about this many bytes of keys at once; the verdict does not depend on it.
KEY_BYTES_PER_SEARCH = 256 << 20
# A search task reads a range of every key file of its window. In an object store each range is a request: above this
# many files each key file is read once and its ranges go through a shuffle .
MAX_FILES_READ_IN_RANGES = 2_000
PARTS_PER_GATHER = 256


def many_small_reads(run: str, part_count: int) -> bool:
    """Whether a window is too large for range reads; on a local disk they are cheap, and a local shuffle is memory."""
    return "://" in run and part_count > MAX_FILES_READ_IN_RANGES


class DuplicateSearch:
    """The search for one step `name` of a source, over the keys that the pass `read` wrote for `part_count` parts."""

    def __init__(
        self, source: str, name: str, rule: DuplicateRule, read: str, part_count: int, done: Done
    ) -> None:
        self._rule, self._read, self._count, self._done = rule, read, part_count, done
        self._folder = f"work/{source}/{name}"
        self._search, self._join, self._gather = (
            f"{source}/{name}/{what}" for what in ("search", "join", "gather")
        )
        self._shuffled = many_small_reads(done.run, len(self._windows()[0]))

    def keys_path(self, number: int) -> str:
        return key_path(f"{self._folder}/keys", number)

    def nodes(self) -> list[Node]:
        """The nodes of the search; the pass that drops waits for the last one."""
        if isinstance(self._rule, DropNearDuplicateBooks):
            return [Node(self._search, (self._read,), partial(self._search_books, self._rule))]
        if isinstance(self._rule, KeepLargestSites):
            return [Node(self._search, (self._read,), partial(self._rank_sites, self._rule))]
        nodes = [Node(self._search, (self._read,), self._search_windows)]
        if isinstance(self._rule, DropNearDuplicates):
            nodes.append(Node(self._join, (self._search,), self._join_windows))
        elif self._shuffled:
            nodes.append(Node(self._gather, (self._search,), self._gather_windows))
        return nodes

    def drops(self) -> list[tuple[DropFiles, dict[str, str]]]:
        """For each part where the verdicts on it stand, and the checksums of these files."""
        last = self.nodes()[-1].name
        by_window = self._by_window(last, f"{self._folder}/drops/")
        drops = []
        for number, window in enumerate(self._windows()):
            if last == self._gather:
                for group, (path, sha) in enumerate(sorted(by_window[number].items())):
                    parts = window[group * PARTS_PER_GATHER : (group + 1) * PARTS_PER_GATHER]
                    found = [(DropFiles(self._rule, (path,), p - parts.start), {path: sha}) for p in parts]
                    drops += found
                continue
            paths = tuple(sorted(by_window[number]))
            drops += [(DropFiles(self._rule, paths, p - window.start), by_window[number]) for p in window]
        return drops

    def _windows(self) -> list[range]:
        size = self._rule.window_files or self._count
        return [range(at, min(at + size, self._count)) for at in range(0, self._count, size)]

    def _by_window(self, node: str, folder: str) -> dict[int, dict[str, str]]:
        """Window number -> path -> checksum of the files that a node wrote into a folder."""
        found: dict[int, dict[str, str]] = {}
        for path, sha in self._done.all_outputs(node, folder).items():
            window = int(re.split("[-.]", path.removeprefix(folder))[1])
            found.setdefault(window, {})[path] = sha
        return found

    def _keys(self, window: range) -> dict[str, str]:
        outputs = self._done.outputs(self._read, f"{self._folder}/keys/")
        return {path: sha for part in window for path, sha in outputs[part].items()}

    def _search_books(self, rule: DropNearDuplicateBooks) -> list[Task]:
        made = []
        written = self._done.outputs(self._read, f"work/{self._read}/")
        for number, window in enumerate(self._windows()):
            keys = self._keys(window)
            texts = {path: sha for part in window for path, sha in written[part].items()}
            name = f"window-{number:05d}"
            work = SearchBooks(rule, tuple(keys), tuple(texts), f"{self._folder}/drops/{name}.json")
            made.append(Task(self._search, name, search_books, work, {**keys, **texts}))
        return made

    def _rank_sites(self, rule: KeepLargestSites) -> list[Task]:
        (window,) = self._windows()
        keys = self._keys(window)
        work = RankSites(rule, tuple(keys), f"{self._folder}/drops/window-00000.json")
        return [Task(self._search, "sites", rank_sites, work, keys)]

    def _search_windows(self) -> list[Task]:
        near = isinstance(self._rule, DropNearDuplicates)
        body, folder = (search_edges, "edges") if near else (search_buckets, "drops")
        if self._shuffled and not near:
            folder = "found"
        rule: KeyRule = self._rule  # type: ignore[assignment]
        markers = self._done.markers[self._read]
        made = []
        for number, window in enumerate(self._windows()):
            keys = self._keys(window)
            size = sum(markers[n]["outputs"][p]["bytes"] for n, p in zip(window, keys, strict=True))
            buckets = max(1, BUCKETS * KEY_BYTES_PER_SEARCH // max(size, 1))
            # One digest of all checksums: thousands of tasks that each name thousands of files are too much to hold.
            digest = hashlib.sha256("".join(f"{p} {sha}\n" for p, sha in keys.items()).encode()).hexdigest()
            of_window = KeyWindow(f"{self._folder}/keys", window.start, len(window))
            for first in range(0, BUCKETS, buckets):
                last = min(first + buckets, BUCKETS)
                name = f"window-{number:05d}-buckets-{first:04d}-{last:04d}"
                output = f"{self._folder}/{folder}/{name}.bin"
                work = SearchBuckets(rule, of_window, first, last, output, self._shuffled)
                reads = {f"{self._folder}/keys of window {number}": digest}
                made.append(Task(self._search, name, body, work, reads))
        return made

    def _join_windows(self) -> list[Task]:
        made = []
        for number, links in sorted(self._by_window(self._search, f"{self._folder}/edges/").items()):
            name = f"window-{number:05d}"
            part_count = len(self._windows()[number])
            work = JoinClusters(tuple(sorted(links)), part_count, f"{self._folder}/drops/{name}.bin")
            made.append(Task(self._join, name, join_clusters, work, links))
        return made

    def _gather_windows(self) -> list[Task]:
        made = []
        for number, found in sorted(self._by_window(self._search, f"{self._folder}/found/").items()):
            part_count = len(self._windows()[number])
            for first in range(0, part_count, PARTS_PER_GATHER):
                count = min(PARTS_PER_GATHER, part_count - first)
                name = f"window-{number:05d}-parts-{first:06d}"
                output = f"{self._folder}/drops/{name}.bin"
                work = GatherDrops(tuple(sorted(found)), first, count, output)
                made.append(Task(self._gather, name, gather_drops, work, found))
        return made
