"""Duplicate search in three moves through files: keys, verdicts, drops.

1. The pass before the search writes, for each part, the 64-bit keys of its units (the lines of its documents, or the
   documents themselves), sorted by bucket: a bucket is a range of keys.
2. A search task reads one bucket of all parts of a window and finds which units go, in part and line order, so that
   the verdict does not depend on who ran when. It writes the unit numbers to drop, part by part.
3. The pass after the search reads its own slice of every bucket's verdict and drops.

Only keys and positions travel, never a text, and no key is hot: a boilerplate line is one run in a sort. What is
compared, within which window and who stays is a rule: a frozen dataclass that stands in the recipe as a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.files import HashingStream
from pipeline.key_files import KeyCollector, Keys, Uint32s, Uint64s, read_drops, read_keys, write_drops
from pipeline.parts import work_part_name
from pipeline.tasks import OUTSIDE, Result
from stages.document import Document, Rejected
from stages.duplicate_documents import content_key
from stages.duplicate_lines import duplicated_lines, keep_lines, line_hashes
from stages.stage import Outcome, Transform

Mask = npt.NDArray[np.bool_]


class Collector(Protocol):
    """Gathers what the search needs of a part, document by document, in order."""

    def add(self, document: Document) -> None: ...
    def write(self, stream: HashingStream) -> None: ...


class DuplicateRule(Protocol):
    """What is compared, within which window of parts (None: all), and who stays."""

    @property
    def window_files(self) -> int | None: ...

    def collector(self) -> Collector: ...

    def transform(self, run: str, found: DropFiles) -> Transform:
        """A callable that takes the documents of one part in order and drops what the search found."""


class KeyRule(DuplicateRule, Protocol):
    """A rule that decides from keys and tags alone; keys come in the order of parts, and of units within a part."""

    def dropped(self, keys: Keys) -> Mask: ...


@dataclass(frozen=True)
class DropDuplicateLines:
    """Line deduplication as CCNet does it (arXiv 1911.00359 section 3.1; cc_net/dedup.py).

    `keep="none"`: every copy of a line that occurs in two or more documents of the window goes, the first too;
    a line repeated inside one document only keeps its first copy. `keep="first"`: the first copy in the window stays.
    """

    window_files: int | None = 50  # cc_net's hash_in_mem: 50 of a dump's 1,600 shards are compared
    keep: Literal["none", "first"] = "none"
    key: Literal["sha1", "xxh64"] = "sha1"  # of the normalised line; cc_net's, or a faster one

    def collector(self) -> Collector:
        return KeyCollector(lambda document: line_hashes(document.text, self.key))

    def dropped(self, keys: Keys) -> Mask:
        return duplicated_lines(keys.keys, _documents(keys), self.keep)

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumberedLines(found.drops(run), keep_lines)


@dataclass(frozen=True)
class DropDuplicateDocuments:
    """Documents whose text is the same byte for byte; the first in the order of the inputs stays."""

    window_files: int | None = None

    def collector(self) -> Collector:
        return KeyCollector(lambda document: np.array([content_key(document.text)], dtype=np.uint64))

    def dropped(self, keys: Keys) -> Mask:
        return duplicated_lines(keys.keys, _documents(keys), "first")

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumbered(found.drops(run), "duplicate")


@dataclass(frozen=True)
class DropRepeatedIds:
    """Documents with the id of another one: dumps that overlap, a file that is given twice. The newest stays (by
    `created`), and the first in the order of the inputs when they are of one age."""

    window_files: int | None = None

    def collector(self) -> Collector:
        return KeyCollector(
            lambda document: np.array([content_key(document.id)], dtype=np.uint64), tag_of=created_seconds
        )

    def dropped(self, keys: Keys) -> Mask:
        return all_but_newest(keys.keys, keys.tags)

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumbered(found.drops(run), "repeated_id")


def created_seconds(document: Document) -> int:
    """Seconds since 1970, 0 for an unknown time or one before; 32 bits last until 2106."""
    return min(max(int(document.created.timestamp()), 0), 0xFFFFFFFF) if document.created else 0


def all_but_newest(keys: Uint64s, created: Uint32s) -> Mask:
    """Which of the documents with these keys go, given in the order of the inputs: all but the newest of each key."""
    order = np.lexsort((np.arange(len(keys)), created.max(initial=0) - created, keys))
    dropped = np.zeros(len(keys), dtype=np.bool_)
    dropped[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return dropped


def _documents(keys: Keys) -> Uint64s:
    """A number for each key's document, of keys whose tag is the document's number in its part."""
    return (keys.parts.astype(np.uint64) << np.uint64(32)) | keys.tags


@dataclass(frozen=True)
class KeyWindow:
    """The key files of parts first..first+count-1 of a pass."""

    folder: str
    first: int
    count: int

    def paths(self) -> list[str]:
        """The key files in the order of the parts, relative to the run."""
        return [key_path(self.folder, number) for number in range(self.first, self.first + self.count)]


def key_path(folder: str, number: int) -> str:
    return f"{folder}/{work_part_name(number)}.bin"


@dataclass(frozen=True)
class SearchBuckets:
    """Some buckets of the keys of a window's parts.

    `packed` are these keys where they came through a shuffle (`shuffle_keys`); else the search reads the key files.
    """

    rule: KeyRule
    window: KeyWindow
    first_bucket: int
    last_bucket: int  # exclusive
    output: str
    shuffled: bool = field(default=False, metadata=OUTSIDE)
    packed: tuple[bytes, ...] = field(default=(), metadata=OUTSIDE)


def keys_of_search(run: str, work: SearchBuckets) -> Keys:
    """The keys of these buckets, in the order of the parts."""
    if work.shuffled:
        pieces = [Keys.unpacked(data) for data in work.packed]
        return Keys.joined(sorted(pieces, key=lambda keys: int(keys.parts[0])))
    return Keys.joined(
        [
            read_keys(files.join(run, path), part, work.first_bucket, work.last_bucket)
            for part, path in enumerate(work.window.paths())
        ]
    )


def search_buckets(run: str, work: SearchBuckets) -> Result:
    """Finds the units of these buckets that go, and writes their numbers part by part, ascending."""
    keys = keys_of_search(run, work)
    dropped = work.rule.dropped(keys)
    path = files.join(run, work.output)
    written = write_drops(path, keys.parts[dropped], keys.units[dropped], work.window.count)
    return Result({work.output: written}, {"units": len(keys.keys), "dropped": int(dropped.sum())})


@dataclass(frozen=True)
class GatherDrops:
    """The verdicts of all search tasks of a window on the parts first..first+count-1 of it, to be put in one file:
    with thousands of parts and search tasks a part would else be read from thousands of places."""

    paths: tuple[str, ...]
    first: int
    count: int
    output: str


def gather_drops(run: str, work: GatherDrops) -> Result:
    """Joins the slices of many drop files, each read in one piece."""
    found = [read_drops(files.join(run, path), work.first, work.count) for path in work.paths]
    parts = np.concatenate([np.zeros(0, np.uint32), *(p for p, _ in found)])
    units = np.concatenate([np.zeros(0, np.uint32), *(u for _, u in found)])
    written = write_drops(files.join(run, work.output), parts, units, work.count)
    return Result({work.output: written}, {"dropped": len(units)})


@dataclass(frozen=True)
class DropFiles:
    """Where the verdicts on one part stand: files of the window's search tasks, and the part's number in the window."""

    rule: DuplicateRule
    paths: tuple[str, ...]
    part: int

    def drops(self, run: str) -> Uint32s:
        """The units of the part that go, ascending."""
        found = [read_drops(files.join(run, path), self.part, 1)[1] for path in self.paths]
        return np.sort(np.concatenate([np.zeros(0, np.uint32), *found]))


class DropNumberedLines:
    """Drops lines by their number in the part; documents must come in the order in which the keys were written.

    `keep(document, mask of lines that go)` makes what is left of a document.
    """

    def __init__(self, drops: Uint32s, keep: Callable[[Document, Mask], Outcome]) -> None:
        self._drops, self._keep = drops, keep
        self._line = 0

    def __call__(self, document: Document) -> Outcome:
        lines = document.text.count("\n") + 1
        span = np.array([self._line, self._line + lines], dtype=np.uint32)  # same type: no copy of the drops
        start, stop = np.searchsorted(self._drops, span)
        mask = np.zeros(lines, dtype=np.bool_)
        mask[self._drops[start:stop] - np.uint32(self._line)] = True
        self._line += lines
        return self._keep(document, mask)


class DropNumbered:
    """Drops documents by their number in the part."""

    def __init__(self, drops: Uint32s, reason: str) -> None:
        self._reason = reason
        self._drops = set(drops.tolist())
        self._number = -1

    def __call__(self, document: Document) -> Outcome:
        self._number += 1
        return Rejected(document, self._reason) if self._number in self._drops else document
